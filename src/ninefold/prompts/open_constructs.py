"""What the parser has read of a construct that is not closed yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ninefold.prompts.tree import Node, Nodes, Option

_Kind = Literal["root", "brace", "variable", "name", "argument", "tag"]


@dataclass
class OpenConstruct:
    """What is open: a brace, a variable, the name of a wildcard, one of its arguments, a tag."""

    kind: _Kind
    at: int = 0
    #: The sequence that is being read, and those before it.
    nodes: list[Node] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    weight: float = 1.0
    #: Where the option that is being read begins: its weight is part of it.
    option_at: int = 0
    #: Of braces: whether they can only be variants, or only text.
    variants: bool = False
    json: bool = False
    #: Whether a sampler's sign may stand where the first option begins.
    bare: bool = True
    least: int = 1
    most: int | None = 1
    separator: str = ","
    #: Of a variable or an argument.
    name: str = ""
    sign: str = ""
    immediate: bool = False
    arguments: list[tuple[str, Nodes]] = field(default_factory=list)
    #: Of an argument: round brackets that are open in it.
    brackets: int = 0
