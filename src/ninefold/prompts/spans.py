"""What the parser reads, and where it stands in the text: for editors that show it in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from ninefold.core.errors import InputError
from ninefold.prompts.checking import check
from ninefold.prompts.errors import PromptSyntaxError, place
from ninefold.prompts.loras import parse_lora
from ninefold.prompts.other_syntax import spans_of_other_syntax
from ninefold.prompts.parser import MAX_NESTING, parse_prompt_tree
from ninefold.prompts.patterns import TOKEN, is_escape
from ninefold.prompts.tree import (
    Assignment,
    LoraTag,
    Node,
    Nodes,
    Text,
    Variable,
    Variants,
    Wildcard,
    walk,
)
from ninefold.prompts.weights import weight_spans
from ninefold.prompts.wildcards import Wildcards

SpanKind = Literal[
    "variants",
    "option",
    "wildcard",
    "variable",
    "assignment",
    "lora",
    "weight",
    "chunk",
    "escape",
    "other_syntax",
]

#: Wildcards that are looked up, and how many of them may be unknown: to suggest a name takes time.
_MAX_LOOKUPS, _MAX_UNKNOWN = 200, 5
#: Constructs among which the place of a problem is looked for.
_MAX_SUSPECTS = 200
#: Stands for what lies between texts; no letter, and nobody's syntax.
_MASK = "\N{OBJECT REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Span:
    """What was read from the characters `start` to `end` (code points, from 0; `end` excluded)."""

    start: int
    end: int
    kind: SpanKind
    #: Of a wildcard, variable or LoRA; empty where a choice decides on it.
    name: str = ""
    #: Of brackets the factor, of an option how likely it is, of a LoRA its weight in the model.
    weight: float | None = None
    #: How many choices there are, where that is known.
    choices: int | None = None


@dataclass(frozen=True)
class PromptMessage:
    """Something to tell of the characters `start` to `end`."""

    start: int
    end: int
    message: str


@dataclass(frozen=True)
class PromptSpans:
    """What a prompt is read as; the outer spans come before those inside them."""

    spans: tuple[Span, ...]
    problems: tuple[PromptMessage, ...]
    warnings: tuple[PromptMessage, ...]


def prompt_spans(
    text: str,
    wildcards: Wildcards | None = None,
    *,
    where: str = "prompt",
    negative: bool = False,
) -> PromptSpans:
    """Where everything in a prompt stands, and what is wrong with it; never raises for its text.

    Text that cannot be read up to its end has the spans of what comes before. Takes bounded time:
    of very many wildcards not all are looked up.
    """
    reader = _Reader(text, wildcards or Wildcards(), where, negative)
    nodes = reader.read()
    reader.sequence(nodes, top=True)
    reader.check(nodes)
    order = sorted(dict.fromkeys(reader.spans), key=lambda span: (span.start, -span.end))
    return PromptSpans(tuple(order), tuple(reader.problems), tuple(reader.warnings))


@dataclass
class _Reader:
    source: str
    wildcards: Wildcards
    where: str
    negative: bool
    spans: list[Span] = field(default_factory=list)
    problems: list[PromptMessage] = field(default_factory=list)
    warnings: list[PromptMessage] = field(default_factory=list)
    _choices: dict[str, int | None] = field(default_factory=dict)
    _unknown: dict[str, str] = field(default_factory=dict)

    def read(self) -> Nodes:
        """The tree, or that of the text before what cannot be read."""
        text = self.source
        for _ in range(MAX_NESTING + 2):  # what is open around it may not be readable either
            try:
                return parse_prompt_tree(text, self.where)
            except PromptSyntaxError as error:
                if not self.problems:
                    self._problem(error.at, self._end_of_token(error.at), str(error))
                text = text[: error.at]
        return ()

    def sequence(self, nodes: Nodes, *, top: bool = False) -> None:
        """Take note of a sequence that is painted, and of all inside it."""
        self._constructs(nodes)
        if not nodes:
            return
        start, end = nodes[0].at, nodes[-1].end
        painted = list(self.source[start:end])
        for node in nodes:
            if isinstance(node, Text):
                self._escapes(node)
            else:
                painted[node.at - start : node.end - start] = _MASK * (node.end - node.at)
        masked = "".join(painted)
        for found in weight_spans(masked):
            if found.closed or top:  # what follows a choice may close it
                at = start + found.start
                self.spans.append(Span(at, start + found.end, found.kind, weight=found.weight))
        for other in spans_of_other_syntax(masked, self.source, self.where):
            at, to = start + other.start, start + other.end
            self.spans.append(Span(at, to, "other_syntax"))
            messages = self.problems if other.refused else self.warnings
            messages.append(PromptMessage(at, to, other.message))

    def check(self, nodes: Nodes) -> None:
        """Take note of what else some choice would stumble over."""
        try:
            check(nodes, self.wildcards, self.where)
        except InputError as error:
            message = str(error)
            if message not in {problem.message for problem in self.problems}:
                self._problem(*self._culprit(nodes, message), message)

    def _constructs(self, nodes: Nodes) -> None:
        for node in nodes:
            if not isinstance(node, Text):
                self._construct(node)

    def _construct(self, node: Node) -> None:
        at, end = node.at, node.end
        match node:
            case Variants(options=options):
                self.spans.append(Span(at, end, "variants", choices=len(options)))
                for option in options:
                    self.spans.append(Span(option.at, option.end, "option", weight=option.weight))
                    self.sequence(option.nodes)
            case Wildcard(name=name, arguments=arguments):
                found = self._look_up(node)
                self.spans.append(Span(at, end, "wildcard", node.fixed_name or "", choices=found))
                self._constructs(name)
                for _, value in arguments:
                    self.sequence(value)
            case Assignment(name=variable, value=value):
                self.spans.append(Span(at, end, "assignment", variable))
                self.sequence(value)
            case Variable(name=variable, default=default):
                self.spans.append(Span(at, end, "variable", variable))
                self.sequence(default or ())
            case LoraTag(content=content):
                self._lora(node)
                self._constructs(content)

    def _lora(self, tag: LoraTag) -> None:
        name, weight = "", None
        if all(isinstance(node, Text) for node in tag.content):
            content = "".join(node.text for node in tag.content if isinstance(node, Text))
            try:
                lora = parse_lora(content, place(self.where, tag.at))
                name, weight = lora.name, lora.weight
            except InputError as error:
                self._problem(tag.at, tag.end, str(error))
        self.spans.append(Span(tag.at, tag.end, "lora", name, weight))
        if self.negative:
            message = f"{self.where}: LoRA {name or 'tags'} cannot act in it alone. Write the tag "
            self._problem(tag.at, tag.end, f"{message}into the prompt.")

    def _look_up(self, wildcard: Wildcard) -> int | None:
        """How many choices a wildcard has; None where that is not known."""
        name = wildcard.fixed_name
        if name is None:
            return None
        if name not in self._choices:
            self._choices[name] = None
            if len(self._choices) <= _MAX_LOOKUPS and len(self._unknown) < _MAX_UNKNOWN:
                try:
                    found = self.wildcards.find(name, place(self.where, wildcard.at))
                    self._choices[name] = len(found.choices)
                except InputError as error:
                    self._unknown[name] = str(error)
        if name in self._unknown:
            self._problem(wildcard.at, wildcard.end, self._unknown[name])
        return self._choices[name]

    def _escapes(self, text: Text) -> None:
        at = text.at
        while at < text.end and (token := TOKEN.match(self.source, at)):
            if is_escape(token[0]):
                self.spans.append(Span(at, token.end(), "escape"))
            at = token.end()

    def _culprit(self, nodes: Nodes, message: str) -> tuple[int, int]:
        """The innermost construct that alone gives the same message, or the whole text."""
        found = (0, len(self.source))
        for node in islice(_constructs_in(nodes), _MAX_SUSPECTS):
            try:
                check((node,), self.wildcards, self.where)
            except InputError as error:
                if str(error) == message and node.end - node.at <= found[1] - found[0]:
                    found = (node.at, node.end)
        return found

    def _end_of_token(self, at: int) -> int:
        token = TOKEN.match(self.source, at)
        return token.end() if token is not None else at

    def _problem(self, start: int, end: int, message: str) -> None:
        self.problems.append(PromptMessage(start, end, message))


def _constructs_in(nodes: Nodes) -> Iterator[Node]:
    return (node for node in walk(nodes) if not isinstance(node, Text))


def utf16_offsets(text: str) -> Sequence[int]:
    """For each character of `text`, and for its end, how many UTF-16 code units come before it."""
    if text.isascii():
        return range(len(text) + 1)
    offsets = [0]
    for letter in text:
        offsets.append(offsets[-1] + (2 if ord(letter) > 0xFFFF else 1))
    return offsets
