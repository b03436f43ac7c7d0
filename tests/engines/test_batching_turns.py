"""Who goes first in the queue of a model, and what is said of those that wait."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial

from ninefold.core.progress import SilentProgress
from ninefold.core.timing import StageClock, current_clock
from ninefold.core.turns import Line
from ninefold.engines.batching import Batch, Batcher
from tests.support import run

from .batching import (
    TIMEOUT,
    Caller,
    Cap,
    Model,
    held,
    queue,
    results,
)


def test_the_urgent_go_first_and_the_oldest_among_equals() -> None:
    model = Model()
    batcher = queue(model, Cap(2))
    with held(model, batcher) as callers:
        callers += [
            Caller(batcher, word, priority=priority)
            for word, priority in (("a", 5), ("b", 5), ("cc", 1), ("d", 1), ("e", -3))
        ]
    assert model.runs == [("first",), ("e", "d"), ("cc",), ("a", "b")]


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
