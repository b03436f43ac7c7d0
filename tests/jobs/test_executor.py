"""A job's life, on both databases, with a worker in this process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from ninefold import PipelineConfig, PipelineContext
from ninefold.core import atomic
from ninefold.core.errors import ConfigError, InputError, StorageError
from ninefold.jobs import (
    Job,
    JobEnded,
    JobExecutor,
    JobStageFinished,
    JobStageRetried,
    JobStageStarted,
    JobStageWaiting,
    JobStarted,
    JobStepped,
)
from ninefold.jobs.database import storage_error
from ninefold.stages.registry import find_stage
from ninefold.testing import fake_engines
from tests.jobs.conftest import INPUT, NINE, Place
from tests.support import run


def test_a_job_runs_all_stages_and_can_be_read_by_any_process(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            job = await jobs.submit("full", INPUT)
            assert job.status in ("queued", "running")
            job = await jobs.wait(job.id, 60)
            assert job.status == "succeeded", job.error
        async with place.jobs(worker=False, create=False) as jobs:
            again = await jobs.get(job.id)
            (listed,) = await jobs.list()
            assert [item.status for item in await jobs.list(status="failed")] == []
        assert again.to_json() == job.to_json()
        assert listed.id == job.id
        assert tuple(job.metadata) == NINE
        assert job.attempts == dict.fromkeys(NINE, 1)
        assert job.seed == 7
        assert job.stage is None
        assert all(item.path.is_file() for item in job.artifacts)
        assert json.loads(json.dumps(job.to_json()))["outputs"][0]["path"] == "outputs/poster-7.png"

    run(scenario())


def test_events_can_be_read_from_anywhere_without_loss_or_repeat(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.5)) as jobs:
            job = await jobs.submit("draft", INPUT, cache=False)
            live = [event async for event in jobs.events(job.id)]
            after = [event async for event in jobs.events(job.id)]
            assert live == after
            assert isinstance(live[0], JobStarted)
            assert isinstance(live[-1], JobEnded)
            assert live[-1].status == "succeeded"
            numbers = [event.sequence for event in live]
            assert numbers == sorted(set(numbers))
            steps = live[0].steps
            assert tuple(e.stage for e in live if isinstance(e, JobStageStarted)) == steps
            assert tuple(e.stage for e in live if isinstance(e, JobStageFinished)) == steps
            stepped = [event for event in live if isinstance(event, JobStepped)]
            assert any(event.preview for event in stepped)
            for cut in (0, len(live) // 2, len(live) - 1):
                rest = [event async for event in jobs.events(job.id, live[cut].sequence)]
                assert rest == live[cut + 1 :]

    run(scenario())


def test_a_job_that_waits_for_its_model_says_so_while_it_does(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs(engines=fake_engines(wait_delay=3.0)) as jobs:
            job = await jobs.submit("draft", INPUT, cache=False)
            names = []
            async for event in jobs.events(job.id):
                names.append(event.to_json()["event"])
                if isinstance(event, JobStageWaiting):
                    assert event.stage == "text_to_image"
                    assert not (await jobs.get(job.id)).artifacts  # it is under way
            assert names.count("stage_waiting") == 1
            assert names.index("stage_waiting") < names.index("stage_finished", 3)
            assert (await jobs.get(job.id)).attempts["text_to_image"] == 1
            again = [event.to_json()["event"] async for event in jobs.events(job.id)]
            assert again == names

    run(scenario())


def test_bad_input_is_not_tried_again(place: Place) -> None:
    async def scenario() -> None:
        engines = fake_engines(fail_on="inpaint", error=InputError)
        async with place.jobs(engines=engines) as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
        assert job.status == "failed"
        assert job.stage == "detailer"
        assert job.attempts["detailer"] == 1
        assert job.error is not None
        assert job.error.user_error
        assert not job.error.trace
        assert [item.name for item in job.artifacts][:2] == [
            "generated.png",
            "generated_refined.png",
        ]

    run(scenario())


@pytest.mark.parametrize("error", [MemoryError, OSError])
def test_trouble_that_may_pass_is_tried_again(here: Place, error: type[Exception]) -> None:
    async def scenario() -> None:
        engines = fake_engines(fail_on="upscale", fail_times=2, error=error)
        async with here.jobs(engines=engines) as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
            events = [event async for event in jobs.events(job.id)]
        assert job.status == "succeeded", job.error
        assert job.attempts["upscaler"] == 3
        retried = [event for event in events if isinstance(event, JobStageRetried)]
        assert [event.stage for event in retried] == ["upscaler", "upscaler"]

    run(scenario())


def test_a_bug_fails_the_job_and_its_trace_is_kept(place: Place) -> None:
    async def scenario() -> None:
        engines = fake_engines(fail_on="upscale", error=ZeroDivisionError)
        async with place.jobs(engines=engines) as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
        assert job.status == "failed"
        assert job.attempts["upscaler"] == 1
        assert job.error is not None
        assert "ZeroDivisionError" in job.error.trace
        assert job.error.stage == "upscaler"

    run(scenario())


def test_a_stage_that_may_be_skipped_is(here: Place) -> None:
    async def scenario() -> None:
        document = PipelineConfig.preset("full").document()
        document["stages"][3]["on_error"] = "skip"
        config = PipelineConfig.parse(document)
        async with here.jobs(engines=fake_engines(fail_on="detect")) as jobs:
            job = await jobs.wait((await jobs.submit(config, INPUT)).id, 60)
        assert job.status == "succeeded", job.error
        assert "skipped" in job.metadata["detailer"]["warnings"][0]

    run(scenario())


def test_the_same_job_again_hits_the_cache_in_every_stage(place: Place) -> None:
    async def submitted() -> Job:
        async with place.jobs() as jobs:
            return await jobs.wait((await jobs.submit("full", INPUT)).id, 60)

    first, again = run(submitted()), run(submitted())
    assert not any("cached" in fields for fields in first.metadata.values())
    assert all(fields["cached"] for fields in again.metadata.values())
    assert [a.sha256 for a in again.artifacts] == [a.sha256 for a in first.artifacts]


@pytest.mark.parametrize("stage", NINE)
def test_a_running_job_is_cancelled_and_keeps_what_it_made(
    here: Place, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find_stage(stage)
    execute = kind.execute

    async def slowly(self: Any, context: PipelineContext) -> PipelineContext:
        if context.get("seed") == 7:
            await asyncio.sleep(60)  # it is cancelled
        return await execute(self, context)

    monkeypatch.setattr(kind, "execute", slowly)

    async def scenario() -> None:
        async with here.jobs(cache_bytes=0) as jobs:
            job = await jobs.submit("full", INPUT)
            async for event in jobs.events(job.id):
                if isinstance(event, JobStageStarted) and event.stage == stage:
                    break
            other = await jobs.submit("full", {"prompt": "another", "seed": 8})
            await jobs.cancel(job.id)
            job = await jobs.wait(job.id, 30)
            assert job.status == "cancelled"
            assert job.stage == stage
            assert list(job.metadata) == list(NINE[: NINE.index(stage)])
            assert all(item.path.is_file() for item in job.artifacts)
            assert (await jobs.wait(other.id, 60)).status == "succeeded"

    run(scenario())


def test_a_queued_job_is_cancelled_before_it_starts(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            await jobs.pause()
            job = await jobs.submit("draft", INPUT)
            await asyncio.sleep(0.3)
            assert (await jobs.get(job.id)).status == "queued"
            assert await jobs.paused()
            await jobs.cancel(job.id)
            await jobs.resume()
            other = await jobs.wait((await jobs.submit("draft", INPUT)).id, 60)
            assert other.status == "succeeded"
            job = await jobs.get(job.id)
            assert job.status == "cancelled"
            assert job.metadata == {}
            assert (await jobs.cancel(other.id)).status == "succeeded"

    run(scenario())


def test_prune_removes_old_jobs_with_their_files(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            ids = [(await jobs.submit("draft", {**INPUT, "seed": n})).id for n in range(3)]
            for job_id in ids:
                await jobs.wait(job_id, 60)
            part = jobs.data / "manifests" / ".0123456789abcdef.part"  # of a process that died
            part.parent.mkdir(exist_ok=True)
            part.touch()
            assert await jobs.prune(3600) == 0
            assert part.exists()  # it may be under way
            monkeypatch.setattr(atomic, "_ABANDONED", -1.0)
            assert await jobs.prune(0, keep=1) == 2
            assert not part.exists()
            left = [job.id for job in await jobs.list()]
            assert left == ids[2:]
            assert [folder.name for folder in (jobs.data / "jobs").iterdir()] == left

    run(scenario())


def test_the_inspector_may_send_a_job_back(here: Place) -> None:
    async def scenario() -> None:
        config = PipelineConfig.preset("full").with_settings(
            ["inspector.on_fail=retry", "inspector.min_sharpness=1e9", "inspector.max_retries=2"]
        )
        async with here.jobs() as jobs:
            job = await jobs.wait((await jobs.submit(config, INPUT)).id, 60)
            events = [event async for event in jobs.events(job.id)]
        assert job.status == "failed"
        assert job.stage == "inspector"
        assert job.attempts["text_to_image"] == 3
        rewound = [e for e in events if isinstance(e, JobStageFinished) and e.rewound]
        assert len(rewound) == 2
        assert job.seed == 9

    run(scenario())


def test_one_process_runs_one_worker(here: Place, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with here.jobs():
            with pytest.raises(ConfigError, match="already"):
                async with JobExecutor(tmp_path / "other", engines=fake_engines()):
                    pass
        async with here.jobs() as jobs:
            assert jobs.worker_name

    run(scenario())


def test_a_database_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    async def open_(path: Path, create: bool = True, database: str | None = None) -> None:
        async with JobExecutor(path, database, worker=False, create=create):
            pass

    with pytest.raises(StorageError, match="no jobs in"):
        run(open_(tmp_path / "missing", create=False))
    assert not (tmp_path / "missing").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "ninefold.db").write_text("hello, I am no database" * 99)
    with pytest.raises(StorageError, match="not a database"):
        run(open_(broken))
    run(open_(tmp_path / "old"))
    with sqlite3.connect(tmp_path / "old" / "ninefold.db") as connection:
        connection.execute("UPDATE ninefold_migrations SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer version"):
        run(open_(tmp_path / "old"))
    with pytest.raises(ConfigError, match="postgresql://"):
        run(open_(tmp_path, database="mysql://user:secret@host/name"))
    with pytest.raises(StorageError, match="Is the database running") as caught:
        run(open_(tmp_path, database="postgresql://user:secret@127.0.0.1:1/name"))
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert "127.0.0.1" not in caught.value.public


@pytest.mark.parametrize(
    "cause",
    [
        "database or disk is full",
        'could not extend file "5/26": No space left on device\nHINT: Check it.',
    ],
)
def test_a_full_disk_is_named_with_its_remedy(cause: str) -> None:
    error = OperationalError("INSERT", {}, sqlite3.OperationalError(cause))
    found = storage_error(make_url("postgresql://user:secret@here/name"), error)
    assert "Free some space" in str(found)
    assert "Free some space" in found.public
    assert "secret" not in str(found)
    assert "here" not in found.public
