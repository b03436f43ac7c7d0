"""What another process or thread does between two looks: each test does it just there."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ConflictError, QueueFullError
from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
from ninefold.engines.diffusion import DIFFUSION
from ninefold.jobs import Job, activity
from ninefold.jobs.activity import ActivityEvent
from ninefold.jobs.admission import Admission, Quota
from ninefold.jobs.changes import after
from ninefold.jobs.dbos_adapter import Queue
from ninefold.jobs.events import (
    Done,
    JobStageFailed,
    JobStageStarted,
    events_of,
    following_step,
)
from ninefold.testing import fake_engines
from tests.jobs.conftest import INPUT, Place
from tests.jobs.test_search import PAINT
from tests.support import HeldDiffusion, files_in, picture, run

STEPS = ("prompt", "text_to_image", "refiner")
IMAGE = {**INPUT, "image": picture(64, 64)}


def _first(before: Callable[[], object], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose first call does something else before it."""
    left = [before]

    def call(*args: Any, **kwargs: Any) -> Any:
        while left:
            left.pop()()
        return function(*args, **kwargs)

    return call


def _then(function: Callable[..., Any], behind: Callable[[], object]) -> Callable[..., Any]:
    """The function, whose first call does something else behind it."""
    left = [behind]

    def call(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        while left:
            left.pop()()
        return found

    return call


def _from_thread(work: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], Any]:
    """Does the work on the loop of now, from a thread of its own."""
    loop = asyncio.get_running_loop()
    return lambda: asyncio.run_coroutine_threadsafe(work(), loop).result()


def _names(events: list[ActivityEvent]) -> list[str]:
    return [event.name for event in events]


@pytest.mark.parametrize("read", ["_pending", "_completed_since", "_new"])
def test_a_job_that_comes_and_ends_while_a_look_reads_is_queued_first(
    place: Place, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    async def work() -> None:
        async with place.jobs() as jobs:
            looks = activity._Looks(jobs.store)
            await asyncio.to_thread(looks.begin)

            async def come_and_end() -> None:
                await jobs.wait((await jobs.submit(PAINT, "a house")).id)

            behind = _then(getattr(looks, read), _from_thread(come_and_end))
            monkeypatch.setattr(looks, read, behind)
            found = await asyncio.to_thread(looks.look) + await asyncio.to_thread(looks.look)
            assert (_names(found)[0], _names(found)[-1]) == ("job_queued", "job_ended")
            assert (_names(found).count("job_queued"), _names(found).count("job_ended")) == (1, 1)

    run(work())


def test_a_job_that_ends_while_a_look_reads_is_reported_once(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        held = HeldDiffusion()
        async with here.jobs(engines=fake_engines().with_engines(DIFFUSION, held)) as jobs:
            looks = activity._Looks(jobs.store)
            looks.begin()
            job = await jobs.submit(PAINT, "a house")
            found: list[ActivityEvent] = []
            while "job_started" not in _names(found):
                found += await asyncio.to_thread(looks.look)
            held.go.set()
            await jobs.wait(job.id)
            # It ran when the look began.
            monkeypatch.setattr(looks, "_pending", lambda _: [job.id])
            found += await asyncio.to_thread(looks.look)
            names = _names(found)
            assert (names.count("job_started"), names.count("job_ended")) == (1, 1)
            assert names[-1] == "job_ended"

    run(work())


def test_a_job_that_ends_just_after_another_is_reported_once(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        held = HeldDiffusion()
        async with here.jobs(engines=fake_engines().with_engines(DIFFUSION, held)) as jobs:
            looks = activity._Looks(jobs.store)
            looks.begin()
            one, other = (await jobs.submit_group(PAINT, "a house", count=2)).jobs
            found: list[ActivityEvent] = []
            while _names(found).count("job_started") < 2:
                found += await asyncio.to_thread(looks.look)
            held.go.set()
            await jobs.wait_group(one.group or "")
            with (
                monkeypatch.context() as read_before
            ):  # the other ran on while those were read that ended
                read = looks._completed_since
                read_before.setattr(
                    looks,
                    "_completed_since",
                    lambda c: [row for row in read(c) if row[0] != other.id],
                )
                found += await asyncio.to_thread(looks.look)
            found += await asyncio.to_thread(looks.look)
            ended = [event.data["job"] for event in found if event.name == "job_ended"]
            assert sorted(ended) == [one.id, other.id]

    run(work())


#: Three steps, of which the second may fail.
SKIPPING = {
    "stages": [
        {"stage": "prompt"},
        {"stage": "text_to_image", "on_error": "skip"},
        {"stage": "refiner"},
    ]
}


def _report(function: int, step: str, done: int) -> Json:
    return {"function": function, "step": step, "kind": "stepped", "done": done, "total": 2}


def test_reports_that_are_newer_than_the_records_wait_for_these() -> None:
    records = [Done(StageRecord(name), number) for number, name in enumerate(STEPS, 1)]
    long = ((2, "text_to_image"), (3, "refiner"))  # the prompt is over in a moment
    reports = [_report(number, name, done) for number, name in long for done in (1, 2)]
    whole = list(events_of(SKIPPING, records, reports, "succeeded", None))
    for known in range(len(records) + 1):
        for read in range(len(reports) + 1):
            early = events_of(SKIPPING, records[:known], reports[:read], "running", None)
            if read >= 2 * (known - 1):  # else they are older than the records, which never is
                assert [event for event in early if event not in whole] == []


def test_nothing_follows_a_step_that_failed_while_its_job_has_not_ended() -> None:
    failed = StageRecord("text_to_image", failure=Failure("no.", stage="text_to_image"))
    done = [Done(StageRecord("prompt"), 1), Done(failed, 2)]
    stopping = {"stages": [{"stage": name} for name in STEPS]}
    last = list(events_of(stopping, done, [], "running", None))[-1]
    assert isinstance(last, JobStageFailed)
    assert following_step(stopping, done, "running") is None
    last = list(events_of(SKIPPING, done, [], "running", None))[-1]
    assert isinstance(last, JobStageStarted)
    assert last.stage == following_step(SKIPPING, done, "running") == "refiner"


def test_a_folder_that_goes_while_orphans_are_looked_for_is_left_out(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with here.jobs(worker=False) as jobs:
            folders = [jobs.data / "jobs" / name for name in ("one", "two")]
            for folder in folders:
                folder.mkdir(parents=True)
                os.utime(folder, (0, 0))
            stat = Path.stat
            gone: list[Path] = []

            def delete_the_other(path: Path, **options: Any) -> os.stat_result:
                if path in folders and not gone:
                    [other] = (folder for folder in folders if folder != path)
                    shutil.rmtree(other)
                    gone.append(other)
                return stat(path, **options)

            monkeypatch.setattr(Path, "stat", delete_the_other)
            assert await jobs.prune(3600) == 0
            assert gone
            assert list((jobs.data / "jobs").iterdir()) == []

    run(work())


def test_a_key_whose_job_is_being_deleted_is_refused_until_its_files_are_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.jobs(worker=False) as jobs:
            old = await jobs.submit(PAINT, IMAGE, idempotency_key="k")
            await jobs.cancel(old.id)
            refused: list[Exception] = []

            async def submit() -> None:
                try:
                    await jobs.submit(PAINT, IMAGE, idempotency_key="k")
                except ConflictError as error:
                    refused.append(error)

            monkeypatch.setattr(shutil, "rmtree", _first(_from_thread(submit), shutil.rmtree))
            await jobs.delete(old.id)
            assert [str(error).partition(":")[0] for error in refused] == ["idempotency_key"]
            assert not old.folder.exists()
            new = await jobs.submit(PAINT, IMAGE, idempotency_key="k")
            assert (new.id, (new.folder / "source.png").is_file()) == (old.id, True)

    run(work())


def test_a_submit_that_is_refused_leaves_the_files_of_another_of_its_key(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.jobs(worker=False) as jobs:

            async def submit() -> None:
                await jobs.submit(PAINT, IMAGE, idempotency_key="k")

            monkeypatch.setattr(jobs.store, "jobs", _then(jobs.store.jobs, _from_thread(submit)))
            with pytest.raises(QueueFullError):
                await jobs.submit(
                    PAINT, IMAGE, idempotency_key="k", admission=Admission(Quota(0, 0))
                )
            [job] = await jobs.list()
            assert (job.folder / "source.png").is_file()
            assert [folder.name for folder in (jobs.data / "jobs").iterdir()] == [job.id]

    run(work())


def test_what_was_left_under_the_id_of_a_key_gives_way(here: Place) -> None:
    async def work() -> None:
        async with here.jobs(worker=False) as jobs:
            job = await jobs.submit(PAINT, IMAGE, idempotency_key="k")
            await jobs.cancel(job.id)
            await jobs.delete(job.id)
            job.folder.mkdir()
            (job.folder / "left").touch()  # of a process that was killed as it deleted it
            await jobs.submit(PAINT, IMAGE, idempotency_key="k")
            assert files_in(job.folder) == {"source.png"}

    run(work())


def test_the_last_note_of_the_queue_says_how_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with place.jobs(worker=False) as jobs:
            queue = jobs.store.queue
            resume = _then(Queue.set_limiter, lambda: queue.pause(False))
            monkeypatch.setattr(Queue, "set_limiter", resume)
            await jobs.pause()
            assert not await jobs.paused()
            with jobs.store.engine.connect() as connection:
                kinds = [change.kind for _, change in after(connection, 0)]
            assert kinds == ["queue_resumed"] * 2

    run(work())


def test_a_job_that_is_deleted_while_the_best_are_read_is_left_out(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with here.jobs() as jobs:
            group = await jobs.submit_group("full", {**INPUT, "seed": 7}, count=2)
            await jobs.wait_group(group.id)
            gone, left = group.jobs
            get = jobs.get

            async def deleted_first(job_id: str) -> Job:
                if job_id == gone.id:
                    await jobs.delete(job_id)
                return await get(job_id)

            monkeypatch.setattr(jobs, "get", deleted_first)
            assert [job.id for job in await jobs.best(group.id, 2)] == [left.id]

    run(work())
