"""Looks on while a pipeline encodes its prompts: weighs rows, and notes what was cut."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ninefold.engines.embeddings.findings import Cut, Findings, encoder_name
from ninefold.engines.embeddings.observed_tokenizer import Tokenized
from ninefold.engines.embeddings.weighted_text import (
    Place,
    WeightedText,
    token_weight,
    words_from,
)
from ninefold.engines.embeddings.weighting import contrasted, scaled

#: Encoders whose rows act as strongly as they are long; others are language models.
_SCALED = re.compile("CLIP|T5|UMT5|MT5")

_Ids = tuple[int, ...]


class _PromptTooLongError(Exception):
    """The prompt has more tokens than the pipeline reads by default, and it could read more."""


@dataclass(frozen=True)
class _Row:
    """For each token of a prompt its weight, and whether it is not padding."""

    side: WeightedText
    weights: tuple[float, ...]
    read: tuple[bool, ...]

    @property
    def weighted(self) -> bool:
        return any(weight != 1.0 for weight in self.weights)

    def padded(self, before: int, after: int) -> _Row:
        """With so many tokens of padding around it."""
        weights = ((1.0,) * before, self.weights, (1.0,) * after)
        read = ((False,) * before, self.read, (False,) * after)
        return _Row(self.side, tuple(chain(*weights)), tuple(chain(*read)))


@dataclass
class EncodingWatch:
    """What becomes of a prompt and a negative prompt while a pipeline encodes them."""

    prompt: str
    negative_prompt: str
    #: Most tokens that the model can be asked to read; 0 is what its pipeline reads by default.
    max_tokens: int = 0
    findings: Findings = field(default_factory=Findings)
    #: The pipeline's default while more can be asked for, else 0.
    _room: int = 0
    _rows: dict[_Ids, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    _passes: dict[tuple[int, _Ids], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        """Read the weights of both."""
        self.sides = [WeightedText.parse(text) for text in (self.prompt, self.negative_prompt)]

    @property
    def weighted(self) -> tuple[WeightedText, ...]:
        """Those whose weights are not all 1."""
        return tuple(side for side in self.sides if side.weighted)

    def warnings(self) -> Iterator[str]:
        """What the user should hear of, once the prompts were encoded."""
        return self.findings.warnings(self.weighted)

    def encode(self, call: Callable[..., Any], kwargs: dict[str, Any]) -> tuple[Any, Findings]:
        """What `call` gives, with as many tokens as the prompt takes and the model reads."""
        before, self.findings = self.findings, Findings()
        default = kwargs.get("max_sequence_length") or 0
        self._room = default if 0 < default < self.max_tokens else 0
        try:
            try:
                made = call(**kwargs)
            except _PromptTooLongError:
                self._room, self.findings = 0, Findings()
                self._passes.clear()
                made = call(**{**kwargs, "max_sequence_length": self.max_tokens})
            return made, self.findings
        finally:
            self._room, self.findings = 0, before

    def tokenized(self, encoder: Any, texts: Sequence[Tokenized]) -> None:
        """Note where the prompts lie among the tokens for an encoder, and what was cut."""
        for item in texts:
            found = [(side, place) for side in self.sides if (place := side.find(item.text))]
            # One prompt may be a part of the other.
            longest = max((len(side.text) for side, _ in found), default=0)
            for side, place in found:
                if len(side.text) == longest:
                    self._note(encoder_name(encoder), side, place, item)

    def _note(self, encoder: str, side: WeightedText, place: Place, item: Tokenized) -> None:
        weights = tuple(token_weight(item.text, place, *span) for span in item.spans)
        row = _Row(side, weights, item.read)
        if row not in self._rows[item.ids]:
            self._rows[item.ids].append(row)
        if not item.limit:
            return
        cut = words_from(item.text, item.end, place.end) if item.end < place.end else ""
        around = sum(
            start < end and not place.start < end <= place.end for start, end in item.spans
        )
        if self._room and item.limit >= self._room and (cut or sum(item.read) > self._room):
            raise _PromptTooLongError
        if cut:
            self.findings.cuts.append(Cut(encoder, item.limit - around, cut))
        else:
            self.findings.whole.add(encoder)

    def weigh(self, encoder: Any, ids: Any, output: Any) -> Any:
        """An encoder's output for token `ids` (N x tokens), the rows of weighted tokens changed."""
        import torch

        chosen = [self._row(encoder, tuple(row)) for row in ids.tolist()]
        if not any(row is not None and row.weighted for row in chosen):
            return output
        is_scaled = _SCALED.match(type(encoder).__name__) is not None

        def weighed(state: Any, row: _Row | None) -> Any:
            if row is None or not row.weighted:
                return state
            self.findings.weighed.add(row.side)
            if is_scaled:
                return scaled(state, row.weights)
            return contrasted(state, row.weights, row.read)

        def changed(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(changed, value))
            is_rows = isinstance(value, torch.Tensor) and value.dim() == 3
            if not is_rows or value.shape[:2] != ids.shape:
                return value
            states = zip(value.split(1), chosen, strict=True)
            return torch.cat([weighed(state, row) for state, row in states])

        if isinstance(output, tuple):
            return changed(output)
        for name, value in list(output.items()):
            output[name] = changed(value)
        return output

    def _row(self, encoder: Any, ids: _Ids) -> _Row | None:
        known = self._rows.get(ids) or self._padded_rows(ids)
        if not known:
            return None
        # Where both prompts have the same words, pipelines encode the negative one second.
        turn = self._passes[id(encoder), ids]
        self._passes[id(encoder), ids] += 1
        return known[min(turn, len(known) - 1)]

    def _padded_rows(self, ids: _Ids) -> list[_Row]:
        """Of a row that the pipeline itself has padded, before or after what was tokenized."""
        for known, rows in self._rows.items():
            more = len(ids) - len(known)
            if more > 0 and ids[more:] == known:
                return [row.padded(more, 0) for row in rows]
            if more > 0 and ids[: len(known)] == known:
                return [row.padded(0, more) for row in rows]
        return []
