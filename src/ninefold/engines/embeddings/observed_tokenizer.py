"""A tokenizer that tells what it was given, and where each token lies in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Arguments of a tokenizer's call that decide which tokens a text becomes.
_DECISIVE = frozenset(
    {"padding", "max_length", "truncation", "add_special_tokens", "padding_side", "stride"}
)


@dataclass(frozen=True)
class Tokenized:
    """A text and its tokens: for each its id, its characters, and whether it is not padding."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    read: tuple[bool, ...]
    #: Most tokens that were let through; 0 where there was no limit.
    limit: int

    @property
    def end(self) -> int:
        """The character after the last one that is in a token."""
        return max((end for _, end in self.spans), default=0)


class ObservedTokenizer:
    """A tokenizer in every respect; `report` is handed what each call made of its texts."""

    def __init__(self, tokenizer: Any, report: Callable[[Sequence[Tokenized]], object]) -> None:
        """Stands in for `tokenizer`, a tokenizer or a processor that has one."""
        self.__dict__.update(_wrapped=tokenizer, _report=report)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_wrapped"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_wrapped"], name, value)

    def __len__(self) -> int:
        return len(self._wrapped)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the tokenizer's."""
        encoding = self._wrapped(*args, **kwargs)
        text = args[0] if args else kwargs.get("text")
        texts = [text] if isinstance(text, str) else text
        if isinstance(texts, list | tuple) and all(isinstance(item, str) for item in texts):
            self._report(_tokenized(self._wrapped, list(texts), kwargs, encoding))
        return encoding

    def apply_chat_template(self, *args: Any, **kwargs: Any) -> Any:
        """As the tokenizer's."""
        made = self._wrapped.apply_chat_template(*args, **kwargs)
        if kwargs.get("tokenize") and isinstance(made, Mapping):
            plain = {"tokenize": False, "return_dict": False}
            texts = self._wrapped.apply_chat_template(*args, **{**kwargs, **plain})
            texts = [texts] if isinstance(texts, str) else list(texts)
            options = {**kwargs, "add_special_tokens": False}
            self._report(_tokenized(self._wrapped, texts, options, made))
        return made


def _tokenized(
    tokenizer: Any, texts: list[str], options: Mapping[str, Any], encoding: Mapping[str, Any]
) -> list[Tokenized]:
    """The texts beside their tokens; none from a tokenizer that cannot say where its tokens lie."""
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # of a processor
    if not getattr(tokenizer, "is_fast", False):
        return []
    decisive = {name: value for name, value in options.items() if name in _DECISIVE}
    spans = tokenizer(texts, return_offsets_mapping=True, return_attention_mask=True, **decisive)
    limit = (options.get("max_length") or 0) if options.get("truncation") else 0
    return [
        Tokenized(text, tuple(ids), tuple(map(tuple, offsets)), tuple(map(bool, mask)), limit)
        for text, ids, offsets, mask, made in zip(
            texts,
            spans["input_ids"],
            spans["offset_mapping"],
            spans["attention_mask"],
            rows_of_ids(encoding["input_ids"], len(texts)),
            strict=True,
        )
        if list(ids) == made
    ]


def rows_of_ids(ids: Any, count: int) -> list[list[int]]:
    """Token ids as lists, one for each of `count` texts."""
    rows = ids.tolist() if hasattr(ids, "tolist") else list(ids)
    flat = not rows or isinstance(rows[0], int)  # of one text alone, which may be blank
    return [rows] if count == 1 and flat else rows
