"""The queue of a model, with fakes for everything around it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from ninefold.core.control_flow import Cancelled
from ninefold.core.progress import PreviewMaker, SilentProgress
from ninefold.core.timing import StageClock, current_clock
from ninefold.core.turns import Line, Turn, current_turn
from ninefold.engines.batching import Batch, Batcher
from tests.support import run

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


def test_a_request_to_an_idle_model_runs_alone_and_at_once() -> None:
    model = Model()
    assert queue(model).run("ab", SilentProgress()) == "AB"
    assert model.runs == [("ab",)]


def test_waiting_requests_that_agree_share_a_run() -> None:
    model = Model()
    batcher = queue(model)
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in ("aa", "b", "cc", "d", "ee")]
    assert model.runs == [("first",), ("aa", "cc", "ee"), ("b", "d")]
    assert results(callers) == ["AA", "B", "CC", "D", "EE"]


def test_a_run_takes_no_more_than_the_limit() -> None:
    model = Model()
    batcher = queue(model, Cap(2))
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in "abcde"]
    assert model.runs == [("first",), ("a", "b"), ("c", "d"), ("e",)]
    assert results(callers) == list("ABCDE")


def test_the_urgent_go_first_and_the_oldest_among_equals() -> None:
    model = Model()
    batcher = queue(model, Cap(2))
    with held(model, batcher) as callers:
        callers += [
            Caller(batcher, word, priority=priority)
            for word, priority in (("a", 5), ("b", 5), ("cc", 1), ("d", 1), ("e", -3))
        ]
    assert model.runs == [("first",), ("e", "d"), ("cc",), ("a", "b")]


def test_what_only_the_model_can_tell_apart_is_taken_apart() -> None:
    model = Model(agree=str.islower)
    batcher = queue(model, Cap(3))
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in "aBcDefg"]
    assert model.runs == [("first",), ("a", "c", "e"), ("B", "D"), ("f", "g")]
    assert results(callers) == list("ABCDEFG")


def test_one_that_is_cancelled_leaves_its_neighbours() -> None:
    model = Model()
    batcher = queue(model)
    with held(model, batcher) as callers:
        callers += [
            Caller(batcher, "a"),
            Caller(batcher, "b", Stopper(Cancelled())),
            Caller(batcher, "c"),
        ]
    assert model.runs == [("first",), ("a", "b", "c")]
    assert results(callers) == ["A", None, "C"]
    assert isinstance(callers[1].error, Cancelled)


def test_a_run_that_nobody_waits_for_is_stopped() -> None:
    reached: list[int] = []
    model = Model(steps=5)
    batcher = queue(model)

    class Counting(Stopper):
        def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
            reached.append(done)
            raise self.error

    with held(model, batcher) as callers:
        callers += [Caller(batcher, word, Counting(Cancelled())) for word in "ab"]
    assert reached == [1, 1]
    assert all(isinstance(caller.error, Cancelled) for caller in callers)


def test_one_that_waits_leaves_while_the_model_is_busy() -> None:
    model = Model()
    batcher = queue(model)
    waiting = SilentProgress()
    with held(model, batcher):
        caller = Caller(batcher, "a", waiting)
        caller.start()
        until(lambda: len(batcher._waiting) == 1)
        waiting.stop()
        caller.join(TIMEOUT)
        assert isinstance(caller.error, Cancelled)
    assert model.runs == [("first",)]


def test_one_that_left_before_a_run_is_not_in_it() -> None:
    waiting = SilentProgress()
    model = Model(lambda _: waiting.stop())
    batcher = queue(model)
    with held(model, batcher) as callers:
        callers += [Caller(batcher, "a", waiting), Caller(batcher, "b")]
    assert model.runs == [("first",), ("b",)]
    assert isinstance(callers[0].error, Cancelled)


def test_an_error_of_a_caller_s_progress_is_its_own() -> None:
    model = Model()
    batcher = queue(model)
    with held(model, batcher) as callers:
        callers += [Caller(batcher, "a", Stopper(ValueError("mine"))), Caller(batcher, "b")]
    assert isinstance(callers[0].error, ValueError)
    assert results(callers) == [None, "B"]
    assert model.runs[1:] == [("a", "b")]


def test_only_the_guilty_one_fails() -> None:
    def check(batch: Batch[str]) -> None:
        if "x" in [ticket.request for ticket in batch.tickets]:
            raise ValueError("an x")

    model = Model(check)
    batcher = queue(model)
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in "axb"]
    assert model.runs == [("first",), ("a", "x", "b"), ("a",), ("x",), ("b",)]
    assert results(callers) == ["A", None, "B"]
    assert str(callers[1].error) == "an x"


def test_a_full_device_gets_smaller_batches_from_then_on() -> None:
    def room_for_two(batch: Batch[str]) -> None:
        if len(batch.tickets) > 2:
            raise OutOfMemoryError

    model, cap = Model(room_for_two), Cap()
    batcher = queue(model, cap)
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in "abcde"]
    assert [len(run) for run in model.runs] == [1, 5, 2, 2, 1]
    assert results(callers) == list("ABCDE")
    assert cap.most == 2


def test_a_request_too_large_by_itself_is_reported() -> None:
    def full(_: Batch[str]) -> None:
        raise OutOfMemoryError

    with pytest.raises(OutOfMemoryError):
        queue(Model(full)).run("a", SilentProgress())


@pytest.mark.parametrize("error", [ValueError("no such file"), OutOfMemoryError()])
def test_a_model_that_does_not_load_fails_for_everyone(error: Exception) -> None:
    model = Model()
    loads: list[int] = []

    def run(batch: Batch[str]) -> Sequence[str]:
        if not model.busy.is_set():
            return model(batch)
        loads.append(len(batch.tickets))
        raise error

    batcher: Batcher[str, str] = Batcher(run, len, Cap())
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word) for word in "ab"]
    assert loads == [2, 1, 1]
    assert all(type(caller.error) is type(error) for caller in callers)


def test_each_gets_its_own_progress_and_preview() -> None:
    class Watcher(SilentProgress):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Any] = []

        def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
            self.seen.append((done, total, preview() if preview else None))

    model = Model()
    batcher = queue(model)
    watchers = [Watcher(), Watcher()]
    with held(model, batcher) as callers:
        callers += [
            Caller(batcher, word, watcher) for word, watcher in zip("ab", watchers, strict=True)
        ]
    assert [watcher.seen for watcher in watchers] == [
        [(1, 2, "a"), (2, 2, "a")],
        [(1, 2, "b"), (2, 2, "b")],
    ]


def test_progress_is_reported_in_its_caller_s_context() -> None:
    job: ContextVar[str] = ContextVar("job", default="nobody's")
    seen: list[str] = []

    class Watcher(SilentProgress):
        def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
            seen.append(job.get())

    def work() -> None:
        job.set("mine")
        queue(Model(steps=1)).run("a", Watcher())

    copy_context().run(work)
    assert seen == ["mine"]


def test_many_callers_and_none_is_lost() -> None:
    model = Model()
    model.free.set()
    batcher = queue(model, Cap(3))
    callers = [Caller(batcher, f"{number:02}" * (number % 3 + 1)) for number in range(40)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    assert results(callers) == [caller.word for caller in callers]
    assert sum(map(len, model.runs)) == 40
    assert max(map(len, model.runs)) <= 3


def test_the_oldest_job_goes_first_whoever_asked_first() -> None:
    model = Model()
    batcher = queue(model, Cap(2))
    with held(model, batcher) as callers:
        callers += [Caller(batcher, word, accepted=n) for n, word in ((4, "dd"), (2, "bb"))]
        callers += [Caller(batcher, word, accepted=n) for n, word in ((3, "cc"), (1, "aa"))]
    assert model.runs[1:] == [("aa", "bb"), ("cc", "dd")]


def test_jobs_of_one_group_share_a_run_of_an_idle_model() -> None:
    model, line = Model(), Line(TIMEOUT)
    batcher = queue(model)
    turns = [line.join(0, number, "g") for number in range(3)]
    callers = [
        Caller(batcher, word, turn=turn)
        for word, turn in zip(("aa", "bb", "cc"), turns, strict=True)
    ]
    for caller in callers:
        run(caller.turn.begin(["text_to_image"]))
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    assert model.runs == [("aa", "bb", "cc")]
    assert results(callers) == ["AA", "BB", "CC"]


def test_waiting_loading_and_work_are_told_apart() -> None:
    def load_and_run(batch: Batch[str]) -> Sequence[str]:
        threading.Event().wait(0.05)  # the model is loaded
        words = batch.take(len)
        threading.Event().wait(0.02)
        return words

    batcher: Batcher[str, str] = Batcher(load_and_run, len, Cap(1))
    waits: list[int] = []
    clocks = [StageClock(partial(waits.append, number)) for number in range(2)]

    def ask(clock: StageClock) -> None:
        current_clock.set(clock)
        batcher.run("ab", SilentProgress())

    threads = [threading.Thread(target=ask, args=(clock,)) for clock in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    for fields in (clock.fields() for clock in clocks):
        assert fields["load_ms"] >= 50
        assert fields["duration_ms"] >= 20
    assert max(clock.fields()["waited_ms"] for clock in clocks) >= 50  # while the other had it
    assert waits == []  # only what lasts is reported


def test_who_waits_for_a_model_that_works_for_others_is_reported_once() -> None:
    began, go_on = threading.Event(), threading.Event()

    def work(batch: Batch[str]) -> Sequence[str]:
        began.set()
        go_on.wait(TIMEOUT)
        return batch.take(len)

    batcher: Batcher[str, str] = Batcher(work, lambda word: word, Cap(1))
    reported: dict[str, threading.Event] = {"first": threading.Event(), "second": threading.Event()}
    counts = Counter[str]()

    def ask(word: str) -> None:
        def on_wait() -> None:
            counts[word] += 1
            reported[word].set()

        current_clock.set(StageClock(on_wait))
        batcher.run(word, SilentProgress())

    threads = [threading.Thread(target=ask, args=(word,)) for word in reported]
    threads[0].start()
    assert began.wait(TIMEOUT)
    threads[1].start()
    assert reported["second"].wait(TIMEOUT)  # while the model still works
    go_on.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert counts == {"second": 1}
