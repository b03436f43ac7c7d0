"""Prompt weights and long prompts for pipelines with CLIP text encoders.

As in AUTOMATIC1111's webui: each chunk of 75 tokens is encoded on its own, every token's
embedding is multiplied by its weight, and the chunk's mean is restored where it has one to speak
of (text encoders trained from scratch may not).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.inversion import Inversion, PromptPair, find_spans, read_vectors
from ninefold.engines.embeddings.weighting import scaled
from ninefold.engines.hashing import check_unchanged, file_sha256
from ninefold.engines.prompts import parse_prompt, plain_text

#: A chunk that overflows is cut after a comma among its last so many tokens, else hard.
_COMMA_REACH = 20


@dataclass(frozen=True, eq=False)
class _Learned:
    """A token of a textual inversion: what stands in the place of its embedding."""

    vector: Any


@dataclass(frozen=True)
class _Chunk:
    tokens: tuple[int | _Learned, ...]
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
    pipe: Any, prompts: PromptPair, cache: EmbeddingCache, state: Hashable
) -> dict[str, Any] | None:
    """Embeddings to pass to `pipe` where a weight differs from 1, a chunk is too short, or a
    textual inversion is named.

    None for plain prompts, which the pipeline encodes itself, and for encoders other than CLIP.
    """
    encoders = _clip_encoders(pipe)
    if not encoders:
        return None
    fragments = (*parse_prompt(prompts.prompt), *parse_prompt(prompts.negative_prompt))
    own = prompts.inversions or any(fragment.weight != 1.0 for fragment in fragments)
    if not own and _count(_split(encoders, prompts)) == 1:
        return None
    return _cached(pipe, encoders, prompts, cache, state)


def chunk_count(pipe: Any, prompts: PromptPair) -> int | None:
    """How many chunks the embeddings of both prompts span; None where `pipe` makes its own.

    Prompts that span as many can share a call: padding one to another's length would change it.
    """
    encoders = _clip_encoders(pipe)
    return _count(_split(encoders, prompts)) if encoders else None


def stacked_arguments(
    pipe: Any, prompts: Sequence[PromptPair], cache: EmbeddingCache, state: Hashable
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
    prompts: PromptPair,
    cache: EmbeddingCache,
    state: Hashable,
) -> dict[str, Any]:
    def make() -> tuple[dict[str, Any], None]:
        return _embedded(pipe, encoders, prompts), None

    arguments: dict[str, Any] = cache.encoded((type(pipe), prompts, state), make)[0]
    return arguments


def _embedded(pipe: Any, encoders: Sequence[_Encoder], prompts: PromptPair) -> dict[str, Any]:
    import torch

    split = _split(encoders, prompts)

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
    if not plain_text(prompts.negative_prompt) and getattr(
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


def _split(encoders: Sequence[_Encoder], prompts: PromptPair) -> _Split:
    return [
        (
            _chunks(encoder, prompts.prompt, prompts.inversions),
            _chunks(encoder, prompts.negative_prompt, prompts.inversions),
        )
        for encoder in encoders
    ]


def _count(split: _Split) -> int:
    return max(len(part) for pair in split for part in pair)


def _chunks(encoder: _Encoder, prompt: str, inversions: Sequence[Inversion]) -> list[_Chunk]:
    room = encoder.length - 2
    tokenize: Callable[..., Any] = encoder.tokenizer
    comma = tokenize(",", add_special_tokens=False).input_ids[-1:]
    done: list[_Chunk] = []
    tokens: list[int | _Learned] = []
    weights: list[float] = []

    def cut(at: int) -> None:
        done.append(_Chunk(tuple(tokens[:at]), tuple(weights[:at])))
        del tokens[:at], weights[:at]

    for fragment in parse_prompt(prompt):
        if fragment.chunk and tokens:
            cut(len(tokens))
        for piece in _pieces(fragment.text, inversions):
            found: list[int | _Learned]
            if isinstance(piece, Inversion):
                found = _learned(encoder, piece, room)
                if len(tokens) + len(found) > room:  # its tokens stay together
                    cut(len(tokens))
            else:
                found = tokenize(piece, add_special_tokens=False, verbose=False).input_ids
            tokens += found
            weights += [fragment.weight] * len(found)
            while len(tokens) > room:
                commas = [i for i in range(room - _COMMA_REACH, room) if tokens[i : i + 1] == comma]
                cut(commas[-1] + 1 if commas else room)
    if tokens or not done:
        cut(len(tokens))
    return done


def _pieces(text: str, inversions: Sequence[Inversion]) -> Iterator[str | Inversion]:
    by_name = {inversion.name: inversion for inversion in inversions}
    at = 0
    for span in find_spans(text, by_name) if by_name else ():
        if span.name:
            yield text[at : span.start]
            yield by_name[span.name]
            at = span.end
    yield text[at:]


def _learned(encoder: _Encoder, inversion: Inversion, room: int) -> list[int | _Learned]:
    """The vectors of an inversion for one encoder; raises `ModelError` where it has none."""
    width, given = encoder.model.config.hidden_size, read_vectors(inversion.path)
    name = f"embedding {inversion.name}"
    check_unchanged(name, inversion.hash, file_sha256(inversion.path))
    fitting = [vectors for vectors in given if vectors.shape[1] == width]
    if not fitting or len(fitting[0]) > room:
        sizes = " and ".join(f"{len(vectors)} x {vectors.shape[1]}" for vectors in given)
        raise ModelError(
            f"embedding {inversion.name!r} does not fit this model: expected at most {room} "
            f"vectors of width {width} for each text encoder, got {sizes}. Use one made for this "
            "model."
        )
    return [_Learned(vector) for vector in fitting[0]]


def _padded(chunks: list[_Chunk], count: int) -> list[_Chunk]:
    return [*chunks, *[_Chunk((), ())] * (count - len(chunks))]


def _encode(encoder: _Encoder, chunks: list[_Chunk]) -> tuple[Any, Any]:
    """Embeddings of all chunks in a row (1 x tokens x width), and the first chunk's pooled one."""
    import torch

    hidden: list[Any] = []
    pooled: Any = None
    for chunk in chunks:
        ids, mask = _ids(encoder, chunk)
        with _embedding(encoder, chunk):
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


@contextmanager
def _embedding(encoder: _Encoder, chunk: _Chunk) -> Iterator[None]:
    """Give learned tokens their vectors while the block runs."""
    learned = {
        1 + index: token.vector
        for index, token in enumerate(chunk.tokens)
        if isinstance(token, _Learned)
    }

    def embedded(_: Any, __: Any, output: Any) -> Any:
        output = output.clone()
        for at, vector in learned.items():
            output[:, at] = vector.to(output.device, output.dtype)
        return output

    if not learned:
        yield
        return
    hook = encoder.model.get_input_embeddings().register_forward_hook(embedded)
    try:
        yield
    finally:
        hook.remove()


def _ids(encoder: _Encoder, chunk: _Chunk) -> tuple[Any, Any]:
    import torch

    tokenizer = encoder.tokenizer
    tokens = [0 if isinstance(token, _Learned) else token for token in chunk.tokens]
    ids = [tokenizer.bos_token_id, *tokens, tokenizer.eos_token_id]
    padding = encoder.length - len(ids)
    device = encoder.model.device
    mask = None
    if getattr(encoder.model.config, "use_attention_mask", False):
        mask = torch.tensor([[1] * len(ids) + [0] * padding], device=device)
    return torch.tensor([ids + [tokenizer.pad_token_id] * padding], device=device), mask


def _row_weights(chunk: _Chunk, length: int) -> list[float]:
    """For each of the rows: of the start, the chunk's tokens, the end and the padding."""
    return [1.0, *chunk.weights, *[1.0] * (length - 1 - len(chunk.weights))]
