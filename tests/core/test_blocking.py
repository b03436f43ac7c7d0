from __future__ import annotations

import asyncio
import threading

import pytest

from ninefold import PipelineContext
from ninefold.core.blocking import run_blocking
from ninefold.core.control_flow import Cancelled
from ninefold.core.progress import PartialProgress, SilentProgress, StageProgress

from ..support import run


def test_work_runs_in_another_thread_and_its_result_comes_back(context: PipelineContext) -> None:
    async def main() -> tuple[int, int]:
        return await run_blocking(context, lambda a, b: (threading.get_ident(), a + b), 1, b=2)

    thread, result = run(main())
    assert thread != threading.get_ident()
    assert result == 3


def test_an_exception_comes_back_as_it_is(context: PipelineContext) -> None:
    def work() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run(run_blocking(context, work))


def test_the_event_loop_goes_on_meanwhile(context: PipelineContext) -> None:
    gate = threading.Event()

    async def main() -> bool:
        task = asyncio.create_task(run_blocking(context, gate.wait, 10))
        await asyncio.sleep(0.01)
        gate.set()
        return await task

    assert run(main())


@pytest.mark.parametrize("times", [1, 3])
def test_cancellation_stops_the_thread_and_waits_for_it(
    context: PipelineContext, times: int
) -> None:
    started, gate, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        try:
            started.set()
            assert gate.wait(10)
            for step in range(1000):
                context.progress.step(step, 1000)
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.create_task(run_blocking(context, work))
        await asyncio.to_thread(started.wait, 10)
        for _ in range(times):  # who is reported again must not leave the thread behind
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    run(main())


def test_an_error_of_work_that_was_cancelled_is_not_lost_in_a_warning(
    context: PipelineContext,
) -> None:
    started, gate = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert gate.wait(10)
        raise LookupError

    async def main() -> None:
        task = asyncio.create_task(run_blocking(context, work))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_stopped_progress_cancels_whoever_waits(context: PipelineContext) -> None:
    context.progress.stop()
    with pytest.raises(asyncio.CancelledError):
        run(run_blocking(context, context.progress.check))


def test_progress_passes_reports_on_until_it_is_stopped() -> None:
    seen: list[tuple[int, int]] = []
    progress = StageProgress(lambda done, total, preview: seen.append((done, total)))
    progress.step(1, 2)
    progress.stop()
    for call in (progress.check, lambda: progress.step(2, 2)):
        with pytest.raises(Cancelled):
            call()
    assert seen == [(1, 2)]


def test_a_part_counts_in_steps_of_the_whole() -> None:
    seen: list[tuple[int, int]] = []
    whole = StageProgress(lambda done, total, preview: seen.append((done, total)))
    for part in range(2):
        for step in range(3):
            PartialProgress(whole, part, 2).step(step + 1, 3)
    assert seen == [(step, 6) for step in range(1, 7)]
    whole.stop()
    with pytest.raises(Cancelled):
        PartialProgress(whole, 0, 2).check()


def test_silent_progress_says_nothing() -> None:
    SilentProgress().step(1, 2)
