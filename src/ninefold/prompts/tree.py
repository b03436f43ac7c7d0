"""What a prompt parses to. Frozen nodes; positions do not count when two are compared.

`at` and `end` are the characters (code points, from 0) of the source that a node was read from,
`end` excluded. Nodes that were made otherwise have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

#: A sequence of nodes, read from left to right.
Nodes = tuple["Node", ...]


@dataclass(frozen=True)
class Text:
    """Text as it is painted: escapes are resolved, but for those of the text encoder."""

    text: str
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Option:
    """One of the choices of `{a|b}`; a weight of 0 is never chosen."""

    nodes: Nodes
    weight: float = 1.0
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Variants:
    """`{a|b}`, `{3::a|b}`, `{1-2$$ and $$a|b}`: `least` to `most` of the options, joined."""

    options: tuple[Option, ...]
    least: int = 1
    #: None is as many as there are.
    most: int | None = 1
    separator: str = ","
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def counted(self) -> bool:
        """Whether it was written with `$$`."""
        return (self.least, self.most, self.separator) != (1, 1, ",")


@dataclass(frozen=True)
class Wildcard:
    """`__name__`, `__na*e__`, `__name(x=red)__`; the name may hold variants and variables."""

    name: Nodes
    arguments: tuple[tuple[str, Nodes], ...] = ()
    #: Written `__!name__`: listing variants goes through its choices, too.
    listed: bool = False
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def fixed_name(self) -> str | None:
        """The name, where it holds no variants and no variables."""
        first = self.name[0] if len(self.name) == 1 else None
        return first.text if isinstance(first, Text) else None


@dataclass(frozen=True)
class Assignment:
    """`${name=value}`; with `!` resolved at once, with `?` only where it has no value yet."""

    name: str
    value: Nodes
    immediate: bool = False
    keep: bool = False
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Variable:
    """`${name}` or `${name:default}`."""

    name: str
    default: Nodes | None = None
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LoraTag:
    """`<lora:...>`; the content, after the first colon, may hold variants."""

    content: Nodes
    at: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


Node = Text | Variants | Wildcard | Assignment | Variable | LoraTag


def children(node: Node) -> Iterator[Nodes]:
    """The sequences inside a node, those of choices that are never taken left out."""
    match node:
        case Variants(options=options):
            yield from (option.nodes for option in options if option.weight > 0)
        case Wildcard(name=name, arguments=arguments):
            yield name
            yield from (value for _, value in arguments)
        case Assignment(value=value):
            yield value
        case Variable(default=default) if default is not None:
            yield default
        case LoraTag(content=content):
            yield content


def walk(nodes: Nodes) -> Iterator[Node]:
    """Every node of a sequence, each before those inside it."""
    waiting = [iter(nodes)]
    while waiting:
        for node in waiting[-1]:
            yield node
            if not isinstance(node, Text):
                waiting.extend(iter(inner) for inner in reversed(list(children(node))))
                break
        else:
            waiting.pop()
