"""Whose turn it is: jobs that run side by side keep the order in which they were accepted.

Jobs that take the same steps at the same time would overtake one another by accident, for threads,
locks and databases let those who wait go on in any order. So the later of two holds back for a
moment where the earlier one is about to do the same thing next. A job that is further behind, or
that waits for a model, holds nobody back.

Jobs of one group, which is what one request asked for, gather before a model: the first of them
waits a moment for those that are about to ask the same, so that they can be made together. They do
so once a step: what a job asks for later in it waits for nobody.

Nobody waits for more than `PATIENCE` at one point, and no wait needs it to end: whoever is waited
for goes on by itself, or leaves.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar

#: Most seconds that a job holds back at one point.
PATIENCE = 0.25
#: Seconds between two looks at whether one that holds back should stop.
_LOOK = 0.1


class Line:
    """The jobs of one process. Safe to use from any thread."""

    def __init__(self, patience: float | None = None) -> None:
        self.patience = PATIENCE if patience is None else patience
        self._turns: set[Turn] = set()
        self._changed = threading.Condition()
        #: Those who hold back on an event loop.
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def join(self, priority: int, accepted: int, group: str | None = None) -> Turn:
        """A turn for a job; until its steps are known, it may be about to do anything."""
        turn = Turn(priority, accepted, self, group)
        with self.changing():
            self._turns.add(turn)
        return turn

    def leave(self, turn: Turn) -> None:
        """Take a turn out."""
        with self.changing():
            self._turns.discard(turn)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change turns inside the block; whoever holds back looks again after it."""
        with self._changed:
            yield
            self._changed.notify_all()
            for loop, event in self._sleepers:
                with suppress(RuntimeError):  # a worker that stops closes its loop under them
                    loop.call_soon_threadsafe(event.set)

    def wait(self, held: Callable[[Turn], bool], check: Callable[[], None]) -> None:
        """Block while `held` is true of a turn; `check` may raise meanwhile."""
        deadline = time.monotonic() + self.patience
        with self._changed:
            while self._any(held) and (left := deadline - time.monotonic()) > 0:
                check()
                self._changed.wait(min(left, _LOOK))

    async def wait_async(self, held: Callable[[Turn], bool]) -> None:
        """As `wait`, on an event loop."""
        if not self._any(held):
            return
        event = asyncio.Event()
        sleeper = asyncio.get_running_loop(), event
        with self._changed:
            self._sleepers.add(sleeper)
        try:
            async with asyncio.timeout(self.patience):
                while self._any(held):
                    await event.wait()
                    event.clear()
        except TimeoutError:
            return
        finally:
            with self._changed:
                self._sleepers.discard(sleeper)

    def _any(self, held: Callable[[Turn], bool]) -> bool:
        return any(map(held, tuple(self._turns)))


class Turn:
    """A job's place among others: smaller priorities first, then those accepted earlier."""

    def __init__(
        self,
        priority: int = 0,
        accepted: int = 0,
        line: Line | None = None,
        group: str | None = None,
    ) -> None:
        """Without a `line` it holds nobody back, and waits for nobody."""
        self.rank = priority, accepted
        self.group = group
        self._line = line or Line()
        #: The steps to come, the next one first; None where they are not known yet.
        self._coming: Sequence[str] | None = None
        #: The step that it is in; None between two.
        self._step: str | None = None
        #: How often it has asked a model for something in this step.
        self._asked = 0
        #: Whether a model works for it, or it waits for one.
        self._busy = False

    async def begin(self, steps: Sequence[str]) -> None:
        """Begin the first of `steps`, which are all that are to come.

        Returns once no earlier job is about to begin the same one.
        """
        with self._line.changing():
            self._step, self._coming, self._busy = None, steps, False
        await self._line.wait_async(lambda other: self._follows(other, steps[0]))
        with self._line.changing():
            self._step, self._coming, self._asked = steps[0], steps[1:], 0

    async def end(self) -> None:
        """Returns once no earlier job is about to end."""
        with self._line.changing():
            self._step, self._coming, self._busy = None, (), False
        await self._line.wait_async(lambda other: self._follows(other, None))

    def ask(self, check: Callable[[], None]) -> None:
        """Returns once no earlier job that is in the same step is yet to ask a model there.

        Only the first time in a step. Blocks; `check` raises where the job should stop.
        """
        if self._asked == 0:
            self._line.wait(
                lambda other: other.rank < self.rank and other._will_ask_in(self._step), check
            )

    def asked(self) -> None:
        """It waits for a model, or one works for it."""
        with self._line.changing():
            self._asked, self._busy = self._asked + 1, True

    def gather(self) -> None:
        """Returns once no other job of its group is about to ask a model in the step it is in.

        Only the first time in a step. Blocks. For a job that has asked.
        """
        if self.group is not None and self._asked == 1:
            self._line.wait(self._brings_company, lambda: None)

    def answered(self) -> None:
        """The model is done with it."""
        with self._line.changing():
            self._busy = False

    def leave(self) -> None:
        """The job has ended, or goes on elsewhere."""
        self._line.leave(self)

    def _follows(self, other: Turn, step: str | None) -> bool:
        return other.rank < self.rank and other._is_before(step)

    def _brings_company(self, other: Turn) -> bool:
        step = self._step
        return other.group == self.group and (other._is_before(step) or other._will_ask_in(step))

    def _is_before(self, step: str | None) -> bool:
        """Whether it will begin `step` (or end, for None) next, and soon."""
        if self._busy:
            return False
        return self._coming is None or next(iter(self._coming), None) == step

    def _will_ask_in(self, step: str | None) -> bool:
        """Whether it is in `step` and may soon ask a model for something there."""
        return self._step == step and self._asked == 0


#: The turn of the work at hand: set where a job begins, read where models are shared. Worker
#: threads inherit it (`core/blocking.py`).
current_turn: ContextVar[Turn] = ContextVar("current_turn", default=Turn())  # noqa: B039
