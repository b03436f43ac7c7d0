"""Prompts and values in ComfyUI's graphs: through the nodes that join, convert and pass on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ninefold.files.readers.comfyui_graph import Graph, Link, Node
from ninefold.files.readers.values import as_number, as_text, as_whole, shown

N = TypeVar("N", int, float)

Polarity = Literal["positive", "negative"]

#: Most nodes that one prompt or text is followed through, and most letters that come of it.
_MAX_STEPS, _MAX_LETTERS = 200, 1 << 20
#: Inputs that hold the text of a node that encodes or shows one, the most telling first.
_TEXTS = (
    *("populated_text", "text", "prompt", "value", "string", "text_g", "clip_g", "t5xxl"),
    *("text_l", "clip_l", "mt5xl", "bert", "wildcard_text", "Text", "result", "text_0", "source"),
)
#: Those of nodes that encode one text for each of several encoders.
_ENCODERS = (("text_g", "text_l"), ("clip_g", "clip_l", "t5xxl"), ("clip_l", "t5xxl"))
_NUMBERED = re.compile(r"(?:text|string|str|prompt|input)_?([a-h]|\d{1,2})", re.IGNORECASE)
_BETWEEN = ("delimiter", "separator", "sep")
_ZERO = ("ConditioningZeroOut",)
#: Inputs of nodes that change conditioning, through which the prompt is found.
_CONDITIONING = (
    *("conditioning", "conditioning_1", "conditioning_to", "cond1", "conditioning_2"),
    *("conditioning_from", "cond2", "base_positive", "cond"),
)


@dataclass
class Texts:
    """Follows links to texts and numbers; what it passes through is in `used`."""

    graph: Graph
    used: set[str] = field(default_factory=set)
    #: Inputs that were asked for a number, and what they hold instead.
    unread: dict[str, str] = field(default_factory=dict)
    _steps: int = 0

    def prompt(self, link: Link | None, polarity: Polarity) -> str:
        """The prompt that a conditioning was encoded from; those of combined ones with commas
        between."""
        found: list[str] = []
        self._conditioning(link, polarity, found, set())
        return ", ".join(dict.fromkeys(text for text in found if text.strip()))

    def value(self, given: Any) -> Any:
        """What an input holds: a value, or what the node that it is linked to gives."""
        seen: set[str] = set()
        while isinstance(given, Link):
            node = self.graph.node(given)
            if node is None or node.id in seen:
                return None
            seen.add(node.id)
            self.used.add(node.id)
            names = ("value", "Value", "seed", "noise_seed", "int", "float", "number", "a", "any")
            sides = {0: ("width", "empty_latent_width"), 1: ("height", "empty_latent_height")}
            outputs = dict(enumerate(node.outputs))  # a slot may be any number
            typed = outputs.get(given.slot, "").lower()
            names = (typed, *names, *sides.get(given.slot, ()))
            given = next((node.inputs[name] for name in names if name in node.inputs), None)
        return given

    def number(self, node: Node, *names: str) -> float | None:
        """The first of a node's inputs that comes to a number."""
        return self._first(node, names, as_number)

    def whole(self, node: Node, *names: str) -> int | None:
        """The same of whole numbers."""
        return self._first(node, names, as_whole)

    def _first(self, node: Node, names: Sequence[str], read: Callable[[Any], N | None]) -> N | None:
        unread = {}
        for name in names:
            if name not in node.inputs:
                continue
            given = node.inputs[name]
            if (found := read(self.value(given))) is not None:
                return found
            other = self.graph.node(given) if isinstance(given, Link) else None
            what = shown(given) if other is None else f"of node {other.id} {other.type}"
            unread[f"{name} of node {node.id}"[:200]] = what
        self.unread |= unread
        return None

    def text(self, given: Any) -> str:
        """The text that an input holds, put together where nodes do that."""
        self._steps = 0
        return self._text(given, frozenset())[:_MAX_LETTERS]

    def _conditioning(
        self, link: Link | None, polarity: Polarity, found: list[str], seen: set[str]
    ) -> None:
        node = self.graph.node(link)
        if node is None or node.id in seen or len(seen) > _MAX_STEPS:
            return
        seen.add(node.id)
        self.used.add(node.id)
        if node.type in _ZERO:
            return
        own = node.inputs.get(polarity)
        if isinstance(own, str):  # a loader that encodes both prompts
            found.append(own)
        elif isinstance(own, Link):
            self._side(own, polarity, found, seen)
        elif text := self._encoded(node):
            found.append(text)
        else:
            for name in _CONDITIONING:
                self._conditioning(node.link(name), polarity, found, seen)

    def _side(self, own: Link, polarity: Polarity, found: list[str], seen: set[str]) -> None:
        """A node that takes both prompts as links, of conditioning or of text."""
        before = len(found)
        self._conditioning(own, polarity, found, seen)
        if len(found) == before and (text := self.text(own)):
            found.append(text)

    def _encoded(self, node: Node) -> str:
        """What a node encodes; the same text for several encoders once."""
        if any(name in node.inputs for name in _CONDITIONING):
            return ""
        for names in _ENCODERS:
            if all(name in node.inputs for name in names):
                texts = (self.text(node.inputs[name]) for name in names)
                return ", ".join(dict.fromkeys(text for text in texts if text.strip()))
        name = next((name for name in _TEXTS if name in node.inputs), None)
        return "" if name is None else self.text(node.inputs[name])

    def _text(self, given: Any, above: frozenset[str]) -> str:
        node = self.graph.node(given) if isinstance(given, Link) else None
        if not isinstance(given, Link):
            return as_text(given)
        self._steps += 1
        if node is None or node.id in above or self._steps > _MAX_STEPS:
            return ""
        self.used.add(node.id)
        above = above | {node.id}
        numbered = [name for name in node.inputs if _NUMBERED.fullmatch(name)]
        if len(numbered) > 1:
            between = next((as_text(node.inputs[n]) for n in _BETWEEN if n in node.inputs), ", ")
            parts = (self._text(node.inputs[name], above) for name in numbered)
            kept = [part for part in parts if part]
            return between.replace("\\n", "\n").join(kept)[:_MAX_LETTERS]
        names = ("positive", "negative") if given.slot < 2 and "positive" in node.inputs else ()
        chosen = names[given.slot : given.slot + 1] if names else ()
        name = next((n for n in (*chosen, *_TEXTS, *numbered) if n in node.inputs), None)
        if name is None:
            passed = node.link("input", "any", "anything", "source", "texts")
            return "" if passed is None else self._text(passed, above)
        return self._text(node.inputs[name], above)
