"""Fakes around the queue of a model, which paints words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ninefold.core.progress import PreviewMaker, SilentProgress
from ninefold.core.turns import Turn, current_turn
from ninefold.engines.batching import Batch, Batcher

TIMEOUT = 10.0


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@dataclass
class Cap:
    most: int = 16

    def limit(self, request: str, /) -> int:
        return self.most

    def exceeded(self, request: str, count: int, /) -> None:
        self.most = count // 2


@dataclass
class Model:
    """Runs words: those of equal length in one batch. `before` is called inside a run."""

    before: Callable[[Batch[str]], object] = lambda _: None
    steps: int = 2
    agree: Callable[[str], object] = len
    #: Keeps the first run going until it is set, so that others wait behind it.
    free: threading.Event = field(default_factory=threading.Event)
    busy: threading.Event = field(default_factory=threading.Event)
    runs: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, batch: Batch[str]) -> Sequence[str]:
        words = batch.take(self.agree)
        self.runs.append(words)
        if words == ("first",):
            self.busy.set()
            assert self.free.wait(TIMEOUT)
        self.before(batch)
        for step in range(self.steps):
            batch.step(step + 1, self.steps, [lambda word=word: word for word in words])  # type: ignore[misc]
        return [word.upper() for word in words]


class Caller(threading.Thread):
    """A job's thread: asks for one word and keeps what comes of it."""

    def __init__(
        self,
        batcher: Batcher[str, str],
        word: str,
        progress: Any = None,
        priority: int = 0,
        accepted: int = 0,
        turn: Turn | None = None,
    ) -> None:
        super().__init__()
        self.batcher, self.word, self.turn = batcher, word, turn or Turn(priority, accepted)
        self.progress = progress or SilentProgress()
        self.result: str | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        current_turn.set(self.turn)
        try:
            self.result = self.batcher.run(self.word, self.progress)
        except Exception as error:
            self.error = error


class Stopper(SilentProgress):
    """Raises `error` at its first step."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        raise self.error


def queue(model: Model, cap: Cap | None = None) -> Batcher[str, str]:
    return Batcher(model, len, cap or Cap())


@contextmanager
def held(model: Model, batcher: Batcher[str, str]) -> Iterator[list[Caller]]:
    """While the block runs the model is busy; callers put into the list are all waited for."""
    first = Caller(batcher, "first")
    first.start()
    assert model.busy.wait(TIMEOUT)
    callers: list[Caller] = []
    yield callers
    for number, caller in enumerate(callers, 1):
        caller.start()
        until(lambda number=number: len(batcher._waiting) == number)  # type: ignore[misc]
    model.free.set()
    for caller in (first, *callers):
        caller.join(TIMEOUT)
        assert not caller.is_alive()


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(TIMEOUT / 0.002)):
        if true():
            return
        pause.wait(0.002)
    raise AssertionError("it did not come to be")


def results(callers: Sequence[Caller]) -> list[str | None]:
    return [caller.result for caller in callers]
