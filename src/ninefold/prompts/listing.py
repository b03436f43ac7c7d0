"""Every way to read a prompt: counted first, then written out one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ninefold.core.errors import InputError
from ninefold.prompts.checking import check
from ninefold.prompts.choosing import EachInTurn, Weighted
from ninefold.prompts.parser import parse_prompt_tree, try_parse
from ninefold.prompts.pieces import Source, close_gaps
from ninefold.prompts.resolving import MAX_DEPTH, Resolver, cycle
from ninefold.prompts.texts import merge_texts
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
from ninefold.prompts.wildcards import Wildcards
from ninefold.prompts.writing import written

#: Combinations that are gone through to find those that differ, and steps that may take.
MAX_COMBINATIONS = 50_000
_MAX_STEPS = 2_000_000
#: Nodes that are looked at to count combinations.
_MAX_COUNT_STEPS = 200_000
#: Steps to count the combinations of one `{2$$...}`, beyond which they are not counted exactly.
_MAX_COUNTED = 10_000
#: Counted as this many where there are more: numbers of any length would take time without bound.
_MOST = 10**2000

_Values = Mapping[str, Nodes]


class TooManyVariantsError(InputError):
    """More variants than may be listed; `count` is at most how many there are."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


def list_variants(
    text: str, limit: int, wildcards: Wildcards | None = None, where: str = "prompt"
) -> list[str]:
    """Every prompt that the braces in `text` can become, as written, each once.

    Each is a prompt of its own, still to be resolved: wildcards stay as they are, but for
    `__!name__`, whose choices are listed, too. Raises `TooManyVariantsError` for more than
    `limit`, before it goes through them where it can, and `InputError` as `resolve` does.
    """
    wildcards = wildcards or Wildcards()
    nodes = parse_prompt_tree(text, where)
    if all(isinstance(node, Text) for node in nodes):
        return [text]
    check(nodes, wildcards, where)
    total = _Counter(wildcards, where).sequence(nodes, {})
    if total > max(limit, MAX_COMBINATIONS):
        raise _too_many(where, limit, total)
    turns = EachInTurn()
    resolver = Resolver(turns, wildcards, where, listing=True)
    found: dict[str, None] = {}
    steps = 0
    while True:
        found[_prompt(resolver, nodes)] = None
        steps += resolver.steps
        if len(found) > limit or steps > _MAX_STEPS:
            raise _too_many(where, limit, total)
        if not turns.advance():
            return list(found)


def count_variants(text: str, wildcards: Wildcards | None = None, where: str = "prompt") -> int:
    """At most how many variants there are, by arithmetic alone; raises `InputError`.

    Options that are written alike count once; prompts that come out alike in other ways do not.
    Where there are more than 10^2000, it is that.
    """
    wildcards = wildcards or Wildcards()
    nodes = parse_prompt_tree(text, where)
    check(nodes, wildcards, where)
    return _Counter(wildcards, where).sequence(nodes, {})


def _too_many(where: str, limit: int, total: int) -> TooManyVariantsError:
    return TooManyVariantsError(
        f"{where}: expected at most {limit:,} variants, got {shown_count(total)}. Leave some out.",
        total,
    )


def shown_count(number: int) -> str:
    """A count in digits, or its order where it has very many."""
    return f"{number:,}" if number < 10**15 else f"about 10^{round(math.log10(number))}"


def _prompt(resolver: Resolver, nodes: Nodes) -> str:
    """One variant as a prompt that is resolved to the same."""
    pieces = close_gaps(resolver.resolve(nodes))
    plain = "".join(piece.text if isinstance(piece, Source) else piece for piece in pieces)
    wanted: list[Node] = []
    for piece in pieces:
        wanted += parse_prompt_tree(piece.text) if isinstance(piece, Source) else (Text(piece),)
    if try_parse(plain) != merge_texts(wanted):
        plain = written(tuple(wanted))
    if resolver.assigned and any(isinstance(node, Wildcard | Variants) for node in wanted):
        assigned = (Assignment(name, value) for name, value in resolver.assigned.items())
        return written(tuple(assigned)) + plain
    return plain


@dataclass
class _Counter:
    """Counts combinations; `values` are those of variables, as far as they are not fixed."""

    wildcards: Wildcards
    where: str
    #: By the values and the variable; holds the values, so that no others get their id.
    _known: dict[tuple[int, str], tuple[_Values, int]] = field(default_factory=dict)
    #: Of wildcards, beside the values by their name and how many are taken.
    _listed: dict[tuple[int, str, int, int | None], tuple[_Values, int]] = field(
        default_factory=dict
    )
    _inside: list[str] = field(default_factory=list)
    _steps: int = 0

    def sequence(self, nodes: Nodes, values: _Values) -> int:
        """The combinations of a sequence."""
        self._steps += 1 + len(nodes)
        if self._steps > _MAX_COUNT_STEPS:
            raise InputError(
                f"{self.where}: takes more than {_MAX_COUNT_STEPS:,} steps to count its variants. "
                "Shorten it, or the wildcards and variables in it."
            )
        if len(self._inside) > MAX_DEPTH:
            raise InputError(
                f"{self.where}: variables and wildcards lie more than {MAX_DEPTH} deep in each "
                "other. Take some out."
            )
        total = 1
        for node in nodes:
            if isinstance(node, Assignment):
                total *= self.sequence(node.value, values) if node.immediate else 1
                values = {**values, node.name: () if node.immediate else node.value}
            else:
                total *= self._node(node, values)
            total = min(total, _MOST)
        return total

    def _node(self, node: Node, values: _Values) -> int:
        match node:
            case Variants():
                return self._variants(node, values)
            case Variable(name=name, default=default):
                if name in values:
                    return self._variable(name, values)
                return self.sequence(default or (), values)
            case LoraTag(content=content):
                return self.sequence(content, values)
            case Wildcard(listed=True, fixed_name=str(name)):
                return self._choices(name, values, 1, 1)
            case _:
                return 1

    def _variable(self, name: str, values: _Values) -> int:
        key = id(values), name
        if key not in self._known:
            self._enter(f"${{{name}}}")
            self._known[key] = values, self.sequence(values[name], values)
            self._inside.pop()
        return self._known[key][1]

    def _choices(self, name: str, values: _Values, least: int, most: int | None) -> int:
        """Of a wildcard whose choices are listed."""
        key = id(values), name, least, most
        if key not in self._listed:
            self._listed[key] = values, self._count_choices(name, values, least, most)
        return self._listed[key][1]

    def _count_choices(self, name: str, values: _Values, least: int, most: int | None) -> int:
        choices = self.wildcards.find(name, self.where)
        classes = choices.weighted.classes
        if len(classes) > MAX_COMBINATIONS:
            return len(classes)
        self._enter(f"__{name}__")
        counts = [self.sequence(choices.choices[members[0]].parse(), values) for members in classes]
        self._inside.pop()
        return _combinations(
            [(n, len(m)) for n, m in zip(counts, classes, strict=True)], least, most
        )

    def _variants(self, node: Variants, values: _Values) -> int:
        only = node.options[0].nodes if len(node.options) == 1 else ()
        if node.counted and len(only) == 1 and isinstance(wildcard := only[0], Wildcard):
            if wildcard.listed and wildcard.fixed_name:
                return self._choices(wildcard.fixed_name, values, node.least, node.most)
            return 1
        among = Weighted(
            tuple(option.weight for option in node.options),
            tuple(option.nodes for option in node.options),
        )
        counted = [
            (self.sequence(node.options[members[0]].nodes, values), len(members))
            for members in among.classes
        ]
        return _combinations(counted, node.least, node.most)

    def _enter(self, name: str) -> None:
        if name in self._inside:
            raise cycle(tuple(self._inside), name, self.where)
        self._inside.append(name)


def _combinations(classes: Sequence[tuple[int, int]], least: int, most: int | None) -> int:
    """How many rows of `least` to `most` there are; of very many members at most how many.

    Each class of alike options has a number of texts and of members; a row takes no more of a
    class than it has members. By exponential generating functions.
    """
    members = sum(size for _, size in classes)
    most = members if most is None else min(most, members)
    least = min(least, most)
    if most == 1:
        return min((least == 0) + sum(count for count, _ in classes), _MOST)
    if sum(min(size, most) for _, size in classes) * most > _MAX_COUNTED:
        return _most_rows(classes, members, least, most)
    rows = [1] + [0] * most
    for count, size in classes:
        powers = _powers(count, min(size, most))
        rows = [
            min(
                sum(
                    math.comb(length, taken) * powers[taken] * rows[length - taken]
                    for taken in range(min(size, length) + 1)
                ),
                _MOST,
            )
            for length in range(most + 1)
        ]
    return min(sum(rows[least:]), _MOST)


def _powers(count: int, highest: int) -> list[int]:
    powers = [1]
    for _ in range(highest):
        powers.append(min(powers[-1] * count, _MOST))
    return powers


def _most_rows(classes: Sequence[tuple[int, int]], members: int, least: int, most: int) -> int:
    """At most how many rows there are: what may follow a row is any text of any member that is
    left, or any text at all, whichever are fewer."""
    any_text, of_one = sum(count for count, _ in classes), max(count for count, _ in classes)
    rows, total = 1, int(least == 0)
    for length in range(1, most + 1):
        rows *= min((members - length + 1) * of_one, any_text)
        if rows >= _MOST:
            return _MOST
        if length >= least:
            total += rows
    return total
