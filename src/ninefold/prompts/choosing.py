"""How choices are made: by chance, or each in its turn."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol


@dataclass(frozen=True)
class Weighted:
    """What is to be chosen from: weights of at least 0, and what makes two choices the same."""

    weights: tuple[float, ...]
    keys: tuple[Hashable, ...]

    @cached_property
    def cumulative(self) -> tuple[float, ...]:
        """The sums of the weights so far."""
        return tuple(accumulate(self.weights))

    @cached_property
    def possible(self) -> tuple[int, ...]:
        """The indices with a weight above 0."""
        return tuple(index for index, weight in enumerate(self.weights) if weight > 0)

    @cached_property
    def classes(self) -> tuple[tuple[int, ...], ...]:
        """The possible indices, those with the same key together, in order of the first."""
        found: dict[Hashable, list[int]] = {}
        for index in self.possible:
            found.setdefault(self.keys[index], []).append(index)
        return tuple(map(tuple, found.values()))


class Chooser(Protocol):
    """Makes choices."""

    def count(self, least: int, most: int) -> int:
        """A number from `least` to `most`."""

    def one(self, among: Weighted) -> int:
        """An index; at least one is possible."""

    def several(self, among: Weighted, count: int) -> Sequence[int]:
        """So many different indices, in an order; so many at least are possible."""


class RandomChooser:
    """Chooses by weight; the same seed and `purpose` choose the same."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._seed, self._purpose = seed, purpose

    @cached_property
    def _random(self) -> random.Random:
        # As text, so that the prompts of a run, each with a purpose of its own, choose apart.
        return random.Random(f"{self._seed} {self._purpose}")

    def count(self, least: int, most: int) -> int:
        """Each number as likely."""
        return self._random.randint(least, most)

    def one(self, among: Weighted) -> int:
        """Each index as likely as its weight says."""
        indices = range(len(among.weights))
        return self._random.choices(indices, cum_weights=among.cumulative)[0]

    def several(self, among: Weighted, count: int) -> Sequence[int]:
        """As if drawn one after the other, by weight, none twice.

        Of many few are drawn until so many differ; else by exponential clocks: Efraimidis and
        Spirakis, "Weighted random sampling with a reservoir", 2006.
        """
        if count * 4 <= len(among.possible):
            drawn: dict[int, None] = {}
            for _ in range(count * 8):
                drawn[self.one(among)] = None
                if len(drawn) == count:
                    return list(drawn)
        rings = {
            index: -math.log(1.0 - self._random.random()) / among.weights[index]
            for index in among.possible
        }
        return sorted(rings, key=rings.__getitem__)[:count]


class EachInTurn:
    """Goes through all choices: walk, then `advance`, until that is False.

    Choices that are the same are one.
    """

    def __init__(self) -> None:
        self._taken: list[int] = []
        self._sizes: list[int] = []
        self._at = 0

    def advance(self) -> bool:
        """Go on to the next combination, the last choice first; False where there is none."""
        del self._taken[self._at :], self._sizes[self._at :]
        self._at = 0
        while self._taken:
            if self._taken[-1] + 1 < self._sizes[-1]:
                self._taken[-1] += 1
                return True
            self._taken.pop()
            self._sizes.pop()
        return False

    def count(self, least: int, most: int) -> int:
        """From least to most."""
        return least + self._next(most - least + 1)

    def one(self, among: Weighted) -> int:
        """The first of each class."""
        return among.classes[self._next(len(among.classes))][0]

    def several(self, among: Weighted, count: int) -> Sequence[int]:
        """Every order of every selection, as often as a class has members."""
        left = [list(members) for members in among.classes]
        chosen = []
        for _ in range(count):
            taken = self._next(len(left))
            chosen.append(left[taken].pop(0))
            if not left[taken]:
                del left[taken]
        return chosen

    def _next(self, size: int) -> int:
        if self._at == len(self._taken):
            self._taken.append(0)
            self._sizes.append(size)
        self._at += 1
        return self._taken[self._at - 1]
