"""The order of jobs that run side by side: who holds back, for whom, and who does not."""

from __future__ import annotations

import asyncio
import threading

from ninefold.core.turns import Line, Turn
from tests.support import run

STEPS = ("prompt", "text_to_image", "publisher")
#: So long that a test which waits it out is seen to hang.
FOREVER = 60.0


def nothing() -> None:
    pass


def test_a_later_job_begins_a_step_after_the_earlier_one() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        first, second = line.join(1, 1), line.join(1, 2)
        began: list[Turn] = []

        async def begin(turn: Turn) -> None:
            await turn.begin(STEPS)
            began.append(turn)

        late = asyncio.create_task(begin(second))
        await asyncio.sleep(0.05)
        assert began == []  # the first has not reported its steps: it may be about to begin any
        await begin(first)
        await late
        assert began == [first, second]

    run(scenario())


def test_smaller_priorities_go_first() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        low, high = line.join(2, 1), line.join(1, 2)
        await high.begin(STEPS)  # waits for nobody
        await low.begin(STEPS)

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_one_that_waits_for_a_model_or_is_further_behind_holds_nobody_back() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        first, second = line.join(1, 1), line.join(1, 2)
        await first.begin(STEPS)
        await second.begin(STEPS)
        first.asked()
        await second.begin(STEPS[1:])
        first.answered()
        await second.begin(STEPS[2:])  # the first is about to begin another step
        await second.end()

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_a_job_that_left_holds_nobody_back() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        first, second = line.join(1, 1), line.join(1, 2)
        waiting = asyncio.create_task(second.begin(STEPS))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        first.leave()
        await waiting

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_jobs_end_in_order_where_they_end_together() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        first, second = line.join(1, 1), line.join(1, 2)
        for turn in (first, second):
            await turn.begin(STEPS[2:])
        ending = asyncio.create_task(second.end())
        await asyncio.sleep(0.05)
        assert not ending.done()
        await first.end()
        first.leave()
        await ending

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_patience_ends() -> None:
    async def scenario() -> None:
        line = Line(0.05)
        line.join(1, 1)
        await line.join(1, 2).begin(STEPS)  # the first never comes

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_models_are_asked_in_order() -> None:
    line = Line(FOREVER)
    turns = [line.join(1, number) for number in range(4)]

    async def begin() -> None:
        for turn in turns:
            await turn.begin(STEPS[1:])

    run(begin())
    asked: list[Turn] = []

    def ask(turn: Turn) -> None:
        turn.ask(nothing)
        asked.append(turn)
        turn.asked()

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in reversed(turns)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER / 2)
    assert asked == turns


def test_asking_waits_for_no_job_that_is_elsewhere() -> None:
    """Neither for one that is to come to the step, nor for one that went through it unasked."""
    line = Line(FOREVER)
    before, through, asking = (line.join(1, number) for number in range(3))

    async def begin() -> None:
        await before.begin(STEPS)
        before.asked()  # else the others would rightly hold back at the next step's begin
        for steps in (STEPS[1:], STEPS[2:]):
            await through.begin(steps)
        await asking.begin(STEPS[1:])
        before.answered()

    run(asyncio.wait_for(begin(), FOREVER / 2))
    asking.ask(nothing)  # would hang


def test_one_that_holds_back_at_the_next_step_is_done_with_the_last() -> None:
    async def scenario() -> None:
        line = Line(FOREVER)
        first, second, third = (line.join(1, number) for number in range(3))
        for turn in (first, second, third):
            await turn.begin(STEPS)
        for turn in (first, third):
            turn.asked()
            turn.answered()
        waiting = asyncio.create_task(second.begin(STEPS[1:]))  # for the first
        await asyncio.sleep(0.05)
        assert not waiting.done()
        fourth = line.join(1, 4)
        await fourth.begin(STEPS)
        await asyncio.to_thread(fourth.ask, nothing)
        first.leave()
        await waiting

    run(asyncio.wait_for(scenario(), FOREVER / 2))


def test_one_who_holds_back_learns_that_it_should_stop() -> None:
    line = Line(FOREVER)
    first, second = line.join(1, 1), line.join(1, 2)

    async def begin() -> None:
        for turn in (first, second):
            await turn.begin(STEPS[1:])

    run(begin())
    stopped = threading.Event()
    raised: list[Exception] = []

    def check() -> None:
        if stopped.is_set():
            raise InterruptedError

    def ask() -> None:
        try:
            second.ask(check)
        except InterruptedError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    stopped.set()
    thread.join(FOREVER / 2)
    assert raised


def test_a_group_gathers_before_a_model() -> None:
    line = Line(FOREVER)
    first, second = (line.join(1, number, "g") for number in (1, 2))

    async def begin() -> None:
        await first.begin(STEPS[1:])

    run(begin())
    first.ask(nothing)
    first.asked()
    gathered = threading.Event()

    def gather() -> None:
        first.gather()
        gathered.set()

    thread = threading.Thread(target=gather)
    thread.start()
    assert not gathered.wait(0.05)  # the second may be about to ask the same
    run(second.begin(STEPS[1:]))
    assert not gathered.wait(0.05)
    second.asked()
    thread.join(FOREVER / 2)
    assert gathered.is_set()


def test_a_group_gathers_once_a_step() -> None:
    line = Line(FOREVER)
    first = line.join(1, 1, "g")
    run(first.begin(STEPS[1:]))
    line.join(1, 2, "g")  # about to ask, for all that is known
    first.asked()
    first.answered()
    first.ask(nothing)
    first.asked()
    first.gather()  # would hang


def test_a_job_gathers_with_its_own_group_alone() -> None:
    line = Line(FOREVER)
    for group in ("g", None):
        turn = line.join(0, 1, group)
        line.join(1, 2, "h")
        line.join(1, 3)
        run(turn.begin(STEPS[1:]))
        turn.asked()
        turn.gather()  # would hang
        turn.leave()


def test_without_others_nothing_is_waited_for() -> None:
    turn = Turn()
    turn.ask(nothing)
    turn.asked()
    turn.answered()
    turn.leave()
