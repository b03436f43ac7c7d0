"""How a running stage reports how far it is, and learns that it should stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ninefold.core.control_flow import Cancelled

#: Makes a small preview picture (height x width x 3, uint8). To be called while the step is
#: reported, in the thread that reports it: models are not to be used from two threads at once, and
#: a second thread with a pool of its own would slow all that the first one does on a CPU.
PreviewMaker = Callable[[], Any]
#: Takes steps done, steps in all, and a preview if there is one.
Report = Callable[[int, int, PreviewMaker | None], None]


class Progress(Protocol):
    """What engines report to; safe to call from a worker thread."""

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        """Report `done` of `total` steps; raises `Cancelled` when the stage should stop."""

    def check(self) -> None:
        """Raise `Cancelled` when the stage should stop."""


class StageProgress:
    """The progress of one stage: passes reports on, and can be stopped from another thread."""

    def __init__(
        self, report: Report | None = None, on_wait: Callable[[], None] | None = None
    ) -> None:
        """`on_wait` is called where the stage begins to wait for a model."""
        self._report, self._on_wait = report, on_wait
        self._stopped = threading.Event()

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        """Report `done` of `total` steps; raises `Cancelled` once stopped."""
        self.check()
        if self._report is not None:
            self._report(done, total, preview)

    def waiting(self) -> None:
        """Report that the stage waits for a model that others use."""
        if self._on_wait is not None:
            self._on_wait()

    def check(self) -> None:
        """Raise `Cancelled` once stopped."""
        if self._stopped.is_set():
            raise Cancelled

    def stop(self) -> None:
        """Make the next `step` or `check` raise `Cancelled`."""
        self._stopped.set()


@dataclass
class Previews:
    """Which steps have a preview made.

    The first after `first` seconds, then one every `pause` seconds at most, and all of them in no
    more than a part of the time that `share` tells. `cost` is the seconds that one is thought to
    take until one was made.
    """

    first: float = 0.4
    pause: float = 0.4
    share: Callable[[], float] = lambda: 0.05
    cost: float = 0.0
    _due: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._wait(self.first)

    def make(self, maker: PreviewMaker | None) -> Any:
        """A picture, where one is due and can be made; else None."""
        began = time.monotonic()
        if maker is None or began < self._due:
            return None
        try:
            picture = maker()
        except Exception:  # a preview is a courtesy
            self._due = math.inf
            return None
        self.cost = time.monotonic() - began
        self._wait(self.pause)
        return picture

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + max(seconds, self.cost / self.share())


class SilentProgress(StageProgress):
    """Reports to nobody."""

    def __init__(self) -> None:
        super().__init__(None)


@dataclass(frozen=True)
class PartialProgress:
    """One of several equal parts of a larger progress, such as one tile of many."""

    whole: Progress
    part: int
    parts: int

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        """Report `done` of `total` steps of this part, in steps of the whole."""
        self.whole.step(self.part * total + done, self.parts * total, preview)

    def check(self) -> None:
        """Raise `Cancelled` when the stage should stop."""
        self.whole.check()
