"""Lines of a table of figures, each with its target."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value; without a target it is for information."""

    part: str
    name: str
    value: float
    target: float | None = None
    at_most: bool = False
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the value reaches its target."""
        if self.target is None:
            return True
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        line = f"{self.part:14} {self.name:52} {self.value:8.3f} {self.unit:2}"
        if self.target is None:
            return line
        sign, verdict = "<=" if self.at_most else ">=", "ok" if self.met else "MISSED"
        return f"{line}  {sign} {self.target:<6g} {verdict}"


def table(
    parser: argparse.ArgumentParser,
    parts: Mapping[str, Callable[[], Iterator[Figure]]],
    names: Sequence[str],
) -> int:
    """Print the figures of the named parts, or of all, as they come; 1 if any misses its target.

    Ends the program where a part is unknown.
    """
    if unknown := sorted(set(names) - set(parts)):
        parser.error(f"no part {', '.join(unknown)}: expected {', '.join(parts)}")
    begun, missed = time.monotonic(), 0
    for name in names or parts:
        for figure in parts[name]():
            print(figure, flush=True)
            missed += not figure.met
    print(f"\n{missed} missed; {(time.monotonic() - begun) / 60:.1f} minutes")
    return 1 if missed else 0
