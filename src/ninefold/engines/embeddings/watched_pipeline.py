"""A pipeline whose encoding of prompts is watched, and taken from a cache where it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ninefold.engines.embeddings.cache import EmbeddingCache
from ninefold.engines.embeddings.observed_tokenizer import ObservedTokenizer
from ninefold.engines.embeddings.watching import EncodingWatch
from ninefold.engines.wrapped_methods import replaced_attribute

#: The method of a pipeline that encodes prompts; the first that it has.
_METHODS = ("encode_prompt", "_encode_prompt")


@contextmanager
def watched_encoding(
    pipe: Any, watch: EncodingWatch, cache: EmbeddingCache, state: Hashable = ()
) -> Iterator[None]:
    """Watch what `pipe` encodes while the block runs, and take from `cache` what is there.

    `state` is what embeddings hang on beside the prompts: adapters on the text encoders.
    """
    with ExitStack() as stack:
        for part in _text_pipelines(pipe):
            for name, encoder in _encoders(part):
                report = partial(watch.tokenized, encoder)
                observed = ObservedTokenizer(getattr(part, name), report)
                stack.enter_context(replaced_attribute(part, name, observed))
                if watch.weighted:
                    hook = encoder.register_forward_hook(partial(_weigh, watch), with_kwargs=True)
                    stack.callback(hook.remove)
            for name in _METHODS:
                if hasattr(part, name):
                    encode = _cached(getattr(part, name), type(part), watch, cache, state)
                    stack.enter_context(replaced_attribute(part, name, encode))
                    break
        yield


def _cached(
    method: Callable[..., Any],
    owner: type,
    watch: EncodingWatch,
    cache: EmbeddingCache,
    state: Hashable,
) -> Callable[..., Any]:
    calls: Counter[Hashable] = Counter()

    def encode(*args: Any, **kwargs: Any) -> Any:
        key = _key((args, kwargs))
        if key is not None:
            # With weights, the same text may be the prompt in one call and the negative in another.
            calls[key] += 1
            side = (tuple(watch.sides), calls[key]) if watch.weighted else ()
            key = (owner, key, side, watch.max_tokens, state)
        made, findings = cache.encoded(key, lambda: watch.encode(partial(method, *args), kwargs))
        watch.findings.add(findings)
        return made

    return encode


def _key(value: Any) -> Hashable:
    """What a call is compared by; None where it was given more than plain values."""
    import torch

    def plain(value: Any) -> Hashable:
        if value is None or isinstance(value, str | int | float | torch.device | torch.dtype):
            return type(value), value
        if isinstance(value, tuple | list):
            return tuple(map(plain, value))
        if isinstance(value, dict):
            return tuple((name, plain(item)) for name, item in sorted(value.items()))
        raise TypeError

    try:
        return plain(value)
    except TypeError:
        return None


def _weigh(watch: EncodingWatch, encoder: Any, args: Any, kwargs: Any, output: Any) -> Any:
    ids = kwargs.get("input_ids", args[0] if args else None)
    return output if ids is None else watch.weigh(encoder, ids, output)


def _text_pipelines(pipe: Any) -> Iterator[Any]:
    yield pipe
    for name in ("prior_pipe", "decoder_pipe"):
        if hasattr(pipe, name):
            yield getattr(pipe, name)


def _encoders(pipe: Any) -> Iterator[tuple[str, Any]]:
    """Names of the tokenizers (or processors) of a pipeline, with the encoders that they serve."""
    for name, part in pipe.components.items():
        encoder = None
        if "tokenizer" in name:
            encoder = getattr(pipe, name.replace("tokenizer", "text_encoder"), None)
        elif name == "processor":
            encoder = getattr(pipe, "text_encoder", None)
        if part is not None and encoder is not None:
            yield name, encoder
