"""Prompt weights and long prompts for pipelines with CLIP text encoders.

As in AUTOMATIC1111's webui: each chunk of 75 tokens is encoded on its own, every token's
embedding is multiplied by its weight, and the chunk's mean is restored where it has one to speak
of (text encoders trained from scratch may not).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.weighting import scaled
from ninefold.engines.prompts import parse_prompt, plain_text

#: A chunk that overflows is cut after a comma among its last so many tokens, else hard.
_COMMA_REACH = 20


@dataclass(frozen=True)
class _Chunk:
    tokens: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class _Encoder:
    tokenizer: Any
    model: Any
    #: Whether the pipeline reads the last layer but one, and a pooled embedding, as SDXL does.
    penultimate: bool

    @property
    def length(self) -> int:
        return int(self.tokenizer.model_max_length)


#: For each encoder the chunks of the prompt and of the negative prompt.
_Split = Sequence[tuple[list[_Chunk], list[_Chunk]]]


def chunked_arguments(
    pipe: Any, prompt: str, negative_prompt: str, cache: EmbeddingCache, state: Hashable
) -> dict[str, Any] | None:
    """Embeddings to pass to `pipe` where a weight differs from 1 or a chunk is too short.

    None for plain prompts, which the pipeline encodes itself, and for encoders other than CLIP.
    """
    encoders = _clip_encoders(pipe)
    if not encoders:
        return None
    weighted = any(p.weight != 1.0 for p in (*parse_prompt(prompt), *parse_prompt(negative_prompt)))
    split = _split(encoders, prompt, negative_prompt)
    if not weighted and _count(split) == 1:
        return None
    return _cached(pipe, encoders, (prompt, negative_prompt), cache, state)


def chunk_count(pipe: Any, prompt: str, negative_prompt: str) -> int | None:
    """How many chunks the embeddings of both prompts span; None where `pipe` makes its own.

    Prompts that span as many can share a call: padding one to another's length would change it.
    """
    encoders = _clip_encoders(pipe)
    return _count(_split(encoders, prompt, negative_prompt)) if encoders else None


def stacked_arguments(
    pipe: Any, prompts: Sequence[tuple[str, str]], cache: EmbeddingCache, state: Hashable
) -> dict[str, Any]:
    """How several prompts and negative prompts of one chunk count are passed to `pipe`.

    Each is encoded on its own, so it gets the very embeddings that it has alone.
    """
    import torch

    encoders = _clip_encoders(pipe)
    known = {pair: _cached(pipe, encoders, pair, cache, state) for pair in dict.fromkeys(prompts)}
    each = [known[pair] for pair in prompts]
    return {name: torch.cat([arguments[name] for arguments in each]) for name in each[0]}


def _cached(
    pipe: Any,
    encoders: Sequence[_Encoder],
    prompts: tuple[str, str],
    cache: EmbeddingCache,
    state: Hashable,
) -> dict[str, Any]:
    def make() -> tuple[dict[str, Any], None]:
        return _embedded(pipe, encoders, _split(encoders, *prompts), prompts[1]), None

    arguments: dict[str, Any] = cache.encoded((type(pipe), prompts, state), make)[0]
    return arguments


def _embedded(
    pipe: Any,
    encoders: Sequence[_Encoder],
    split: _Split,
    negative_prompt: str,
) -> dict[str, Any]:
    import torch

    # Every encoder, and the prompt with its negative, must span the same number of chunks.
    count = _count(split)
    sides: list[tuple[Any, Any]] = []
    with torch.no_grad():
        for side in (0, 1):
            encoded = [
                _encode(encoder, _padded(pair[side], count))
                for encoder, pair in zip(encoders, split, strict=True)
            ]
            sides.append((torch.cat([hidden for hidden, _ in encoded], dim=-1), encoded[-1][1]))
    (embeds, pooled), (negative, negative_pooled) = sides
    if not plain_text(negative_prompt) and getattr(
        pipe.config, "force_zeros_for_empty_prompt", False
    ):
        negative, negative_pooled = torch.zeros_like(embeds), torch.zeros_like(pooled)
    arguments = {"prompt_embeds": embeds, "negative_prompt_embeds": negative}
    if encoders[0].penultimate:
        arguments |= {
            "pooled_prompt_embeds": pooled,
            "negative_pooled_prompt_embeds": negative_pooled,
        }
    return arguments


def _clip_encoders(pipe: Any) -> list[_Encoder]:
    accepted = inspect.signature(type(pipe).__call__).parameters
    # Others with CLIP (Stable Diffusion 3, Stable Cascade) make more of it than rows for a UNet.
    is_plain = hasattr(pipe, "unet") and not hasattr(pipe, "text_encoder_3")
    if "prompt_embeds" not in accepted or not is_plain:
        return []
    pairs = [
        (getattr(pipe, f"tokenizer{end}", None), getattr(pipe, f"text_encoder{end}", None))
        for end in ("", "_2")
    ]
    found = [(tokenizer, model) for tokenizer, model in pairs if model is not None]
    if not found or not all(type(model).__name__.startswith("CLIPText") for _, model in found):
        return []
    pooled = "pooled_prompt_embeds" in accepted
    return [_Encoder(tokenizer, model, pooled) for tokenizer, model in found]


def _split(encoders: Sequence[_Encoder], prompt: str, negative_prompt: str) -> _Split:
    return [(_chunks(encoder, prompt), _chunks(encoder, negative_prompt)) for encoder in encoders]


def _count(split: _Split) -> int:
    return max(len(part) for pair in split for part in pair)


def _chunks(encoder: _Encoder, prompt: str) -> list[_Chunk]:
    room = encoder.length - 2
    tokenize: Callable[..., Any] = encoder.tokenizer
    comma = tokenize(",", add_special_tokens=False).input_ids[-1:]
    done: list[_Chunk] = []
    tokens: list[int] = []
    weights: list[float] = []

    def cut(at: int) -> None:
        done.append(_Chunk(tuple(tokens[:at]), tuple(weights[:at])))
        del tokens[:at], weights[:at]

    for fragment in parse_prompt(prompt):
        if fragment.chunk and tokens:
            cut(len(tokens))
        found = tokenize(fragment.text, add_special_tokens=False, verbose=False).input_ids
        tokens += found
        weights += [fragment.weight] * len(found)
        while len(tokens) > room:
            commas = [i for i in range(room - _COMMA_REACH, room) if tokens[i : i + 1] == comma]
            cut(commas[-1] + 1 if commas else room)
    if tokens or not done:
        cut(len(tokens))
    return done


def _padded(chunks: list[_Chunk], count: int) -> list[_Chunk]:
    return [*chunks, *[_Chunk((), ())] * (count - len(chunks))]


def _encode(encoder: _Encoder, chunks: list[_Chunk]) -> tuple[Any, Any]:
    """Embeddings of all chunks in a row (1 x tokens x width), and the first chunk's pooled one."""
    import torch

    hidden: list[Any] = []
    pooled: Any = None
    for chunk in chunks:
        ids, mask = _ids(encoder, chunk)
        out = encoder.model(
            ids,
            attention_mask=mask,
            output_hidden_states=encoder.penultimate,
        )
        if pooled is None:
            pooled = out[0]
        state = out.hidden_states[-2] if encoder.penultimate else out[0]
        hidden.append(scaled(state, _row_weights(chunk, state.shape[1])))
    return torch.cat(hidden, dim=1), pooled


def _ids(encoder: _Encoder, chunk: _Chunk) -> tuple[Any, Any]:
    import torch

    tokenizer = encoder.tokenizer
    ids = [tokenizer.bos_token_id, *chunk.tokens, tokenizer.eos_token_id]
    padding = encoder.length - len(ids)
    device = encoder.model.device
    mask = None
    if getattr(encoder.model.config, "use_attention_mask", False):
        mask = torch.tensor([[1] * len(ids) + [0] * padding], device=device)
    return torch.tensor([ids + [tokenizer.pad_token_id] * padding], device=device), mask


def _row_weights(chunk: _Chunk, length: int) -> list[float]:
    """For each of the rows: of the start, the chunk's tokens, the end and the padding."""
    return [1.0, *chunk.weights, *[1.0] * (length - 1 - len(chunk.weights))]
