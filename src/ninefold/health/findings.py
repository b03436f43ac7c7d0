"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

#: `note` is for what ninefold does its work without.
Verdict = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    section: str
    name: str
    found: str
    #: How to get what is missing; None where all is well.
    remedy: str | None = None
    #: Whether ninefold cannot do its work without.
    needed: bool = True

    @property
    def missing(self) -> bool:
        """Whether something is missing that is needed."""
        return self.verdict == "missing"

    @property
    def verdict(self) -> Verdict:
        """How it stands."""
        if self.remedy is None:
            return "ok"
        return "missing" if self.needed else "note"


#: Looks at something; may block.
Check = Callable[[], Iterator[Finding]]


def gib(count: int) -> str:
    """Bytes, as text."""
    return f"{count / 2**30:.1f} GiB"
