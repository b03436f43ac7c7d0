"""Prompts on their way into a model: weights, long prompts, what was cut, and a cache.

A prompt goes to the pipeline's own `encode_prompt` as plain text, so that without weights its
embeddings are what diffusers gives by itself. `watching.py` looks on: it finds where the prompt's
words lie among the tokens, weighs their rows as they leave the encoder, and notes what an encoder
did not read. Where all encoders are CLIP, `clip.py` encodes long and weighted prompts instead, in
chunks, and those that name a textual inversion (`inversion.py`).
"""

from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.call_arguments import prompt_arguments
from ninefold.engines.embeddings.clip import chunk_count
from ninefold.engines.embeddings.inversion import Inversion, PromptPair, find_inversions

__all__ = [
    "EmbeddingCache",
    "Inversion",
    "PromptPair",
    "chunk_count",
    "find_inversions",
    "prompt_arguments",
]
