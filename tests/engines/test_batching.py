"""The queue of a model, with fakes for everything around it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from ninefold.core.control_flow import Cancelled
from ninefold.core.progress import PreviewMaker, SilentProgress
from ninefold.engines.batching import Batch, Batcher

from .batching import (
    TIMEOUT,
    Caller,
    Cap,
    Model,
    OutOfMemoryError,
    Stopper,
    held,
    queue,
    results,
    until,
)


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
