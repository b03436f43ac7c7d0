"""How the prompts of a call are handed to its pipeline."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.clip import chunked_arguments, stacked_arguments
from ninefold.engines.embeddings.inversion import PromptPair
from ninefold.engines.embeddings.watched_pipeline import watched_encoding
from ninefold.engines.embeddings.watching import EncodingWatch
from ninefold.engines.prompts import plain_text


@contextmanager
def prompt_arguments(
    pipe: Any,
    prompts: Sequence[PromptPair],
    cache: EmbeddingCache,
    warnings: list[str],
    *,
    state: Hashable = (),
    max_tokens: int = 0,
) -> Iterator[dict[str, Any]]:
    """The arguments that pass prompts, each with its negative one, to the call of `pipe` that is
    made inside the block. What of them does not act is added to `warnings` after it.

    `state` is what embeddings hang on beside the prompts: adapters on the text encoders. The
    pipeline is asked to read up to `max_tokens` where a prompt takes more than its default.
    """
    if len(prompts) > 1:
        yield stacked_arguments(pipe, prompts, cache, state)
        return
    (pair,) = prompts
    if (chunked := chunked_arguments(pipe, pair, cache, state)) is not None:
        yield chunked
        return
    watch = EncodingWatch(pair.prompt, pair.negative_prompt, max_tokens)
    arguments = {"prompt": plain_text(pair.prompt)}
    if negative := plain_text(pair.negative_prompt):  # blank is the pipeline's own way to have none
        arguments["negative_prompt"] = negative
    with watched_encoding(pipe, watch, cache, state):
        yield arguments
    warnings += watch.warnings()
