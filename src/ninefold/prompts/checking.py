"""What can be said of a prompt whatever is chosen: of all its choices, and of its wildcards'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ninefold.prompts.errors import place
from ninefold.prompts.loras import parse_lora
from ninefold.prompts.resolving import cycle, undefined
from ninefold.prompts.tree import Assignment, LoraTag, Nodes, Text, Variable, Wildcard, walk
from ninefold.prompts.wildcards import Wildcards

#: Choices of wildcards that are looked through; those beyond are looked at when they are chosen.
_MAX_CHOICES = 5_000


def check(nodes: Nodes, wildcards: Wildcards, where: str) -> tuple[str, ...]:
    """The LoRAs that some choice may bring; raises `InputError` for what one would stumble over.

    That is an unknown wildcard, one that stands for itself, a variable that nothing defines, and a
    LoRA tag that cannot be read; names that variants or variables make up are left out.
    """
    if all(isinstance(node, Text) for node in nodes):
        return ()
    checking = _Check(wildcards)
    checking.run(nodes, where)
    return tuple(checking.loras)


@dataclass
class _Check:
    wildcards: Wildcards
    defined: set[str] = field(default_factory=set)
    used: list[tuple[Variable, str]] = field(default_factory=list)
    loras: dict[str, None] = field(default_factory=dict)
    looked_at: int = 0

    def run(self, nodes: Nodes, where: str) -> None:
        finished: set[str] = set()
        inside: list[str] = []
        waiting: list[Iterator[tuple[str, str]]] = [iter(self._sequence(nodes, where))]
        while waiting:
            name, at = next(waiting[-1], ("", ""))
            if not name:
                waiting.pop()
                if inside:
                    finished.add(inside.pop())
            elif name in inside:
                raise cycle(tuple(f"__{one}__" for one in inside), f"__{name}__", at)
            elif name not in finished:
                inside.append(name)
                waiting.append(self._wildcard(name, at))
        for variable, at in self.used:
            if variable.name not in self.defined:
                raise undefined(variable, at)

    def _wildcard(self, name: str, where: str) -> Iterator[tuple[str, str]]:
        for choice in self.wildcards.find(name, where).referring:
            self.looked_at += 1
            if self.looked_at > _MAX_CHOICES:
                return
            yield from self._sequence(choice.parse(), choice.where)

    def _sequence(self, nodes: Nodes, where: str) -> list[tuple[str, str]]:
        """Take note of a sequence's variables; returns the wildcards it names, and where."""
        names: list[tuple[str, str]] = []
        for node in walk(nodes):
            match node:
                case Wildcard(arguments=arguments):
                    self.defined.update(key for key, _ in arguments)
                    if node.fixed_name is not None:
                        names.append((node.fixed_name, place(where, node.at)))
                case Assignment(name=name):
                    self.defined.add(name)
                case Variable(default=None):
                    self.used.append((node, where))
                case LoraTag(content=(Text(text=text),)):
                    self.loras[parse_lora(text, place(where, node.at)).name] = None
        return names
