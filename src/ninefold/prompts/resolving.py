"""From a tree to pieces of text: one choice after the other, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ninefold.core.errors import InputError
from ninefold.core.values import Lora
from ninefold.prompts.choosing import Chooser, Weighted
from ninefold.prompts.errors import place
from ninefold.prompts.loras import parse_lora, tag_content
from ninefold.prompts.parser import parse_prompt_tree
from ninefold.prompts.pieces import GAP, Piece, Source, holds_text
from ninefold.prompts.tree import (
    Assignment,
    LoraTag,
    Node,
    Nodes,
    Text,
    Variable,
    Variants,
    Wildcard,
)
from ninefold.prompts.wildcards import Choices, Wildcards
from ninefold.prompts.writing import written

#: What one prompt may take: steps (nodes looked at, and a twentieth of the options of every
#: choice), characters of text, and levels of braces, wildcards and variables inside each other.
MAX_STEPS = 20_000
MAX_TEXT = 20_000
MAX_DEPTH = 80

_OPTIONS_PER_STEP = 20


@dataclass(frozen=True)
class _Value:
    """Of a variable: its nodes, whose text they are, and the scope they see, if not the user's."""

    nodes: Nodes
    where: str
    scope: Scope | None = None


@dataclass(frozen=True)
class Scope:
    """Where a sequence is read: whose text it is, the variables, and what it lies inside."""

    where: str
    variables: Mapping[str, _Value] = field(default_factory=dict)
    #: Wildcards and variables that are being resolved, outermost first.
    inside: tuple[str, ...] = ()


class Resolver:
    """Walks a tree; `chooser` makes the choices, `wildcards` are what names stand for.

    Where `listing`, wildcards stay as they are written, but for `__!name__`.
    """

    def __init__(
        self, chooser: Chooser, wildcards: Wildcards, where: str, listing: bool = False
    ) -> None:
        self._chooser, self._wildcards = chooser, wildcards
        self._where, self._listing = where, listing
        self._weighted: dict[int, tuple[Variants, Weighted]] = {}
        self._restart()

    def _restart(self) -> None:
        self.steps = self._length = self._depth = 0
        #: Variables that what is left unresolved may need.
        self.assigned: dict[str, Nodes] = {}

    def resolve(self, nodes: Nodes) -> list[Piece]:
        """The pieces that the tree becomes; raises `InputError`."""
        self._restart()
        return self._sequence(nodes, Scope(self._where))

    def _sequence(self, nodes: Nodes, scope: Scope) -> list[Piece]:
        """What it assigns holds inside it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InputError(
                f"{scope.where}: wildcards, variables and braces lie more than {MAX_DEPTH} deep in "
                f"each other{_path(scope.inside)}. Take some out."
            )
        pieces: list[Piece] = []
        for node in nodes:
            self._spend(1)
            if isinstance(node, Assignment):
                scope = self._assign(node, scope)
                pieces.append(GAP)
            else:
                found = self._node(node, scope)
                pieces += found if holds_text(found) else [*_loras(found), GAP]
        self._depth -= 1
        return pieces

    def _node(self, node: Node, scope: Scope) -> list[Piece]:
        match node:
            case Text(text=text):
                self._grow(text)
                return [text]
            case Variants():
                return self._variants(node, scope)
            case Variable():
                return self._variable(node, scope)
            case Wildcard():
                return self._wildcard(node, scope)
            case LoraTag():
                return [self._lora(node, scope)]
            case Assignment():  # changes the scope: see _sequence
                return []

    # -- choices ---------------------------------------------------------------------------------

    def _variants(self, node: Variants, scope: Scope) -> list[Piece]:
        only = node.options[0].nodes if len(node.options) == 1 else ()
        if node.counted and len(only) == 1 and isinstance(wildcard := only[0], Wildcard):
            return self._several_of_wildcard(node, wildcard, scope)
        return self._picked(
            node,
            scope,
            self._weights(node),
            lambda index: self._sequence(node.options[index].nodes, scope),
        )

    def _several_of_wildcard(self, node: Variants, wildcard: Wildcard, scope: Scope) -> list[Piece]:
        """`{2$$__colours__}`: two of the wildcard's choices."""
        if self._listing and not wildcard.listed:
            return [self._kept(node, scope)]
        choices, inner = self._found(wildcard, scope)
        return self._picked(
            node, scope, choices.weighted, lambda index: self._choice(choices, index, inner)
        )

    def _picked(
        self,
        node: Variants,
        scope: Scope,
        among: Weighted,
        expand: Callable[[int], list[Piece]],
    ) -> list[Piece]:
        self._spend(1 + len(among.weights) // _OPTIONS_PER_STEP)
        available = len(among.possible)
        if not available:
            raise InputError(
                f"{place(scope.where, node.at)}: every choice of {_shown(node)} has the weight 0. "
                "Give one more."
            )
        if not node.counted:
            return expand(self._chooser.one(among) if len(among.weights) > 1 else 0)
        most = available if node.most is None else min(node.most, available)
        least = min(node.least, most)
        count = least if least == most else self._chooser.count(least, most)
        return self._joined(
            [expand(index) for index in self._chooser.several(among, count)], node.separator
        )

    def _joined(self, parts: list[list[Piece]], separator: str) -> list[Piece]:
        """The parts, with the separator between those that hold text."""
        joined: list[Piece] = []
        began = False
        for part in parts:
            if holds_text(part):
                if began and separator:
                    self._grow(separator)
                    joined.append(separator)
                began = True
            joined += part
        return joined

    def _weights(self, node: Variants) -> Weighted:
        known = self._weighted.get(id(node))
        if known is None or known[0] is not node:
            self._spend(len(node.options) // _OPTIONS_PER_STEP)
            weights = tuple(option.weight for option in node.options)
            known = node, Weighted(weights, tuple(option.nodes for option in node.options))
            self._weighted[id(node)] = known
        return known[1]

    # -- wildcards -------------------------------------------------------------------------------

    def _wildcard(self, node: Wildcard, scope: Scope) -> list[Piece]:
        if self._listing and not (node.listed and node.fixed_name):
            return [self._kept(node, scope)]
        choices, inner = self._found(node, scope)
        self._spend(1)
        return self._choice(choices, self._chooser.one(choices.weighted), inner)

    def _choice(self, choices: Choices, index: int, scope: Scope) -> list[Piece]:
        choice = choices.choices[index]
        return self._sequence(choice.parse(), replace(scope, where=choice.where))

    def _found(self, node: Wildcard, scope: Scope) -> tuple[Choices, Scope]:
        """A wildcard's choices, and the scope that they are read in."""
        name = self._plain(node.name, scope, "the name of a wildcard")
        entered = _enter(scope, f"__{name}__")
        choices = self._wildcards.find(name, place(scope.where, node.at))
        if node.arguments:
            given = {key: _Value(value, scope.where, scope) for key, value in node.arguments}
            entered = replace(entered, variables={**scope.variables, **given})
        return choices, entered

    # -- variables -------------------------------------------------------------------------------

    def _assign(self, node: Assignment, scope: Scope) -> Scope:
        if node.keep and node.name in scope.variables:
            return scope
        value = node.value
        if node.immediate:
            value = _nodes(self._sequence(value, scope))
        self.assigned.pop(node.name, None)
        self.assigned[node.name] = value
        variables = {**scope.variables, node.name: _Value(value, scope.where)}
        return replace(scope, variables=variables)

    def _variable(self, node: Variable, scope: Scope) -> list[Piece]:
        value = scope.variables.get(node.name)
        if value is None:
            if node.default is None:
                raise undefined(node, scope.where)
            return self._sequence(node.default, scope)
        if value.scope is not None:  # what is outside cannot lead back inside
            seen = replace(scope, where=value.where, variables=value.scope.variables)
        else:
            seen = replace(_enter(scope, f"${{{node.name}}}"), where=value.where)
        return self._sequence(value.nodes, seen)

    # -- the rest --------------------------------------------------------------------------------

    def _lora(self, node: LoraTag, scope: Scope) -> Piece:
        if self._listing:
            content = self._sequence(node.content, scope)
            return Source(f"<lora:{''.join(_source(piece) for piece in content)}>")
        content_text = self._plain(node.content, scope, "a LoRA tag")
        return parse_lora(content_text, place(scope.where, node.at))

    def _plain(self, nodes: Nodes, scope: Scope, what: str) -> str:
        """A sequence that may become nothing but text."""
        pieces = self._sequence(nodes, scope)
        if any(not isinstance(piece, str) and piece != GAP for piece in pieces):
            raise InputError(f"{scope.where}: expected nothing but text in {what}, got a LoRA tag.")
        return "".join(piece for piece in pieces if isinstance(piece, str))

    def _kept(self, node: Node, scope: Scope) -> Source:
        text = written((node,))
        self._grow(text)
        return Source(text)

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise InputError(
                f"{self._where}: takes more than {MAX_STEPS:,} steps to resolve. Shorten it, or "
                "the wildcards and variables in it."
            )

    def _grow(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise InputError(
                f"{self._where}: becomes longer than {MAX_TEXT:,} characters. Shorten it, or the "
                "wildcards and variables in it."
            )


def undefined(node: Variable, where: str) -> InputError:
    """The error for a variable without a value."""
    return InputError(
        f"{place(where, node.at)}: variable {node.name} is not defined. Write "
        f"${{{node.name}=value}} before it, or ${{{node.name}:default}}; \\$ is text."
    )


def cycle(inside: tuple[str, ...], name: str, where: str) -> InputError:
    """The error for something that stands for itself."""
    path = " → ".join((*inside[inside.index(name) :], name))
    return InputError(f"{where}: {name} stands for itself: {path}. Take one of them out.")


def _enter(scope: Scope, name: str) -> Scope:
    if name in scope.inside:
        raise cycle(scope.inside, name, scope.where)
    return replace(scope, inside=(*scope.inside, name))


def _path(inside: tuple[str, ...]) -> str:
    return f" ({' → '.join(inside[-3:])})" if inside else ""


def _nodes(pieces: list[Piece]) -> Nodes:
    """Resolved pieces as nodes again."""
    nodes: list[Node] = []
    for piece in pieces:
        if isinstance(piece, str):
            nodes.append(Text(piece))
        elif isinstance(piece, Source):
            nodes += parse_prompt_tree(piece.text)
        elif isinstance(piece, Lora):
            nodes.append(LoraTag((Text(tag_content(piece)),)))
    return tuple(nodes)


def _loras(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if isinstance(piece, Lora)]


def _source(piece: Piece) -> str:
    return piece.text if isinstance(piece, Source) else piece if isinstance(piece, str) else ""


def _shown(node: Node) -> str:
    text = written((node,))
    return text if len(text) <= 40 else f"{text[:37]}..."
