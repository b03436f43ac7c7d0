"""Jobs of equal priority begin, and where one thing serves all also end, as they were accepted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

import pytest
import sqlalchemy as sa

from ninefold import PipelineConfig
from ninefold.core import turns
from ninefold.jobs import Job, JobExecutor
from ninefold.jobs.telemetry import JobBegan, JobLeft, WorkerEvent
from tests.jobs.conftest import Place
from tests.jobs.processes import worker
from tests.support import run

PROMPT = {"prompt": "a red house", "seed": 7}
NULL = PipelineConfig.parse({"stages": [{"stage": "prompt"}] * 3})


class Course:
    """In which order the jobs of a worker began and ended."""

    def __init__(self, jobs: JobExecutor) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        jobs.listen(self._note)

    def _note(self, event: WorkerEvent) -> None:
        if isinstance(event, JobBegan):
            self.began.append(event.job_id)
        elif isinstance(event, JobLeft):
            self.ended.append(event.job_id)


def ids(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs]


async def all_ended(jobs: JobExecutor, found: Sequence[Job]) -> None:
    for job in found:
        await jobs.ended(job.id, 120)


def test_jobs_begin_as_they_were_accepted_and_end_so_one_at_a_time(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(concurrency=1) as jobs:
            course = Course(jobs)
            await jobs.pause()
            found = [await jobs.submit(NULL, PROMPT) for _ in range(12)]
            await jobs.resume()
            await all_ended(jobs, found)
            assert course.began == course.ended == ids(found)

    run(scenario())


def test_jobs_that_run_side_by_side_keep_their_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 60.0)  # however slow the machine is

    async def scenario() -> None:
        async with place.jobs(concurrency=8) as jobs:
            course = Course(jobs)
            found = [await jobs.submit("full", PROMPT, cache=False) for _ in range(16)]
            await all_ended(jobs, found)
            assert course.began == course.ended == ids(found)
            stored = [await jobs.get(job.id) for job in found]
            for noted in ("started_at", "finished_at"):
                times = [getattr(job, noted) for job in stored]
                assert times == sorted(times), noted

    run(scenario())


def test_a_smaller_priority_goes_first_and_equals_keep_their_order(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(concurrency=1) as jobs:
            course = Course(jobs)
            await jobs.pause()
            priorities = [5, 1, 5, 3, 1, 3, 5]
            found = [await jobs.submit(NULL, PROMPT, priority=p) for p in priorities]
            await jobs.resume()
            await all_ended(jobs, found)
            expected = [job for p in (1, 3, 5) for job in found if job.priority == p]
            assert course.began == course.ended == ids(expected)

    run(scenario())


def test_a_group_of_a_thousand_and_what_comes_after_it_keep_their_order(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            before = await jobs.submit(NULL, PROMPT)
            group = await jobs.submit_group(NULL, [PROMPT] * 1000)
            after = await jobs.submit(NULL, PROMPT)
            oldest_first = jobs.store.jobs(newest_first=False)
            assert ids(oldest_first) == [before.id, *ids(group.jobs), after.id]
            assert len(set(places(jobs, ids(oldest_first)))) == 1002

    run(scenario())


def test_a_clock_that_is_set_back_changes_no_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with place.jobs(concurrency=1) as jobs:
            course = Course(jobs)
            await jobs.pause()
            real, shift = time.time, [0.0]
            monkeypatch.setattr(time, "time", lambda: real() - shift[0])
            found = []
            for back in (0, 3600, 0, 7200, 60):
                shift[0] = float(back)
                found += [await jobs.submit(NULL, PROMPT)]
            monkeypatch.undo()
            await jobs.resume()
            await all_ended(jobs, found)
            assert course.began == course.ended == ids(found)

    run(scenario())


def test_submits_of_many_clients_have_one_order(place: Place) -> None:
    """A submit that returned before another began is before it, whoever submitted."""

    async def scenario() -> None:
        async with place.jobs(worker=False) as one, place.jobs(worker=False) as two:
            found: list[Job] = []
            for _ in range(5):
                found += [await one.submit(NULL, PROMPT), await two.submit(NULL, PROMPT)]
            await asyncio.gather(*(door.submit(NULL, PROMPT) for door in (one, two) * 10))
            stored = one.store.jobs(newest_first=False)
            assert ids(stored)[:10] == ids(found)
            assert len(set(places(one, ids(stored)))) == 30

    run(scenario())


def test_jobs_of_a_dead_worker_go_first(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            with worker(place, delay=0.5, name="one", concurrency=2) as dead:
                held = [await jobs.submit("draft", PROMPT, cache=False) for _ in range(2)]
                while await jobs.list(status="queued"):
                    await asyncio.sleep(0.05)
                later = [await jobs.submit(NULL, PROMPT) for _ in range(3)]
                dead.kill()
            rerun = await jobs.submit(NULL, PROMPT)
        async with place.jobs(name="one", concurrency=1) as jobs:
            course = Course(jobs)
            everything = [*held, *later, rerun]
            await all_ended(jobs, everything)
            assert course.ended[-len(everything) :] == ids(everything)

    run(scenario())


def test_a_rerun_stands_behind_what_was_accepted_before_it(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(concurrency=1) as jobs:
            parent = await jobs.wait((await jobs.submit("draft", PROMPT)).id, 120)
            course = Course(jobs)
            await jobs.pause()
            first = await jobs.submit(NULL, PROMPT)
            again = await jobs.rerun(parent.id, from_stage="publisher")
            last = await jobs.submit(NULL, PROMPT)
            await jobs.resume()
            await all_ended(jobs, [first, again, last])
            assert course.began == course.ended == ids([first, again, last])

    run(scenario())


def places(jobs: JobExecutor, job_ids: Sequence[str]) -> list[int]:
    """The places of jobs in the order of acceptance, as they are stored."""
    rows = jobs.store._jobs.c
    with jobs.store.engine.connect() as connection:
        found = connection.execute(sa.select(rows.workflow_uuid, rows.created_at)).all()
    by_id = {row[0]: row[1] for row in found}
    return [by_id[job_id] for job_id in job_ids]
