"""What becomes of jobs when their workers die, hang or are stopped: real processes, on both."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from ninefold.config import PipelineConfig
from ninefold.jobs import Job, JobExecutor, JobStageRetried, JobStageStarted
from tests.jobs.conftest import UNSIGNED, Place
from tests.jobs.processes import WorkerProcess, worker
from tests.support import run

INPUT = {"prompt": "a red house", "seed": 7}
#: The issue's limit for a takeover, in seconds, and what a busy machine may add.
TAKEOVER, SLACK = 15, 15


async def _running(jobs: JobExecutor, stage: str, config: PipelineConfig = UNSIGNED) -> Job:
    """A job that has just begun `stage`."""
    job = await jobs.submit(config, INPUT, cache=False)
    async for event in jobs.events(job.id):
        if isinstance(event, JobStageStarted) and event.stage == stage:
            break
    return job


def _digests(job: Job) -> list[tuple[str, str]]:
    return [(a.name, a.sha256) for a in job.artifacts if not a.name.endswith("manifest.json")]


def _files(job: Job) -> dict[str, tuple[int, bytes]]:
    """Number in the file system, and bytes, of every file of the job."""
    files = [path for path in job.folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.read_bytes()) for path in files}


def test_a_killed_worker_goes_on_where_it_was_cut(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            with worker(place, delay=0.3, name="one") as first:
                job = await _running(jobs, "refiner")
                first.kill()
            with worker(place, name="one"):
                started = time.monotonic()
                job = await jobs.wait(job.id, 60)
                assert time.monotonic() - started < 5 + SLACK
            assert job.status == "succeeded", job.error
            assert job.attempts["text_to_image"] == 1
            assert job.attempts["refiner"] == 2

    run(scenario())


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no files without names")
def test_a_worker_that_is_killed_while_it_writes_leaves_no_part_of_a_file(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs(worker=False) as jobs:
            job = await jobs.submit(UNSIGNED, INPUT)
            with worker(here, name="one", die_in="manifests") as first:
                await asyncio.to_thread(first.process.wait, 60)
            assert not [path for path in here.data.rglob("manifests/*/*/*") if path.is_file()]
            with worker(here, name="one"):
                job = await jobs.wait(job.id, 60)
            assert job.status == "succeeded", job.error
            assert job.attempts["publisher"] == 2
            assert list(here.data.rglob("manifests/*/*/manifest.json"))
            assert not list(here.data.rglob("*.part"))

    run(scenario())


def test_another_worker_takes_over_from_a_dead_one(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            with worker(place, delay=0.3, name="one") as first:
                job = await _running(jobs, "refiner")
                with worker(place, name="two"):
                    first.kill()
                    job = await jobs.wait(job.id, TAKEOVER + SLACK)
            assert job.status == "succeeded", job.error
            assert sum(job.attempts.values()) == 10  # one of the nine was begun twice

    run(scenario())


def test_a_frozen_worker_that_wakes_after_takeover_changes_nothing(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            with worker(place, delay=0.3, name="one") as first:
                job = await _running(jobs, "refiner")
                first.freeze()
                with worker(place, name="two"):
                    job = await jobs.wait(job.id, TAKEOVER + SLACK)
                    before = job.to_json()
                    files = _files(job)
                    first.wake()
                    await asyncio.sleep(4)
                    assert (await jobs.get(job.id)).to_json() == before
                    assert _files(job) == files  # the same files, not others with the same bytes
                    other = await jobs.wait((await jobs.submit("draft", INPUT)).id, 60)
                    assert other.status == "succeeded"
                assert first.terminate() == 0
            assert job.status == "succeeded", job.error
            assert _files(job) == files
            assert await jobs.list(status=("queued", "running")) == []

    run(scenario())


def test_a_name_in_use_is_refused_and_the_running_worker_goes_on(place: Place) -> None:
    with worker(place, name="one"):
        second = WorkerProcess(place, name="one")
        try:
            assert second.ready() == ""
            assert second.process.wait(30) != 0
            assert "'one' is running already" in second.errors()
        finally:
            second.close()

        async def scenario() -> None:
            async with place.jobs(worker=False) as jobs:
                job = await jobs.wait((await jobs.submit("draft", INPUT)).id, 60)
                assert job.status == "succeeded"

        run(scenario())


@pytest.mark.parametrize(("grace", "begun"), [(20.0, 1), (0.1, 2)])
def test_sigterm_finishes_the_step_or_hands_it_back(here: Place, grace: float, begun: int) -> None:
    async def scenario() -> None:
        async with here.jobs(worker=False) as jobs:
            with worker(here, delay=0.4, name="one", grace=grace) as first:
                job = await _running(jobs, "refiner")
                started = time.monotonic()
                assert first.terminate() == 0, first.errors()
                assert time.monotonic() - started < grace + 5 + SLACK
            job = await jobs.get(job.id)
            assert job.status == "queued"
            assert "text_to_image" in job.metadata
            assert ("refiner" in job.metadata) is (begun == 1)
            with worker(here, name="two"):
                job = await jobs.wait(job.id, 60)
            assert job.status == "succeeded", job.error
            assert job.attempts["refiner"] == begun

    run(scenario())


def test_what_was_cut_ends_with_the_same_bytes(place: Place) -> None:
    async def scenario() -> None:
        calm = Place(place.data / "calm", None)
        async with calm.jobs(cache_bytes=0) as jobs:
            expected = _digests(await jobs.wait((await jobs.submit(UNSIGNED, INPUT)).id, 60))
        async with place.jobs(worker=False) as jobs:
            with worker(place, delay=0.2, name="one") as first:
                job = await _running(jobs, "detailer")
                first.kill()
            with worker(place, delay=0.0, name="one"):
                job = await jobs.wait(job.id, 60)
        assert _digests(job) == expected

    run(scenario())


@pytest.mark.slow
def test_the_built_in_model_is_cut_and_ends_with_the_same_bytes(here: Place) -> None:
    calm = Place(here.data / "calm", None)
    small = UNSIGNED.with_settings([f"text_to_image.{side}=128" for side in ("width", "height")])

    async def job_of(place: Place, cut: bool) -> Job:
        async with place.jobs(worker=False, engines=None) as jobs:
            with worker(place, real=True, name="one") as first:
                if not cut:
                    return await jobs.wait((await jobs.submit(small, INPUT)).id, 300)
                job = await _running(jobs, "detailer", small)
                first.kill()
            with worker(place, real=True, name="one"):
                started = time.monotonic()
                async for event in jobs.events(job.id):
                    # Its second beginning; painting anew takes as long as it takes.
                    if isinstance(event, JobStageRetried):
                        assert time.monotonic() - started < 5 + SLACK
                return await jobs.wait(job.id, 300)

    expected, job = run(job_of(calm, cut=False)), run(job_of(here, cut=True))
    assert job.status == "succeeded", job.error
    assert job.attempts["text_to_image"] == 1
    assert _digests(job) == _digests(expected)
