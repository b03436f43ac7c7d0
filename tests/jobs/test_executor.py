"""A job's life, on both databases, with a worker in this process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ninefold import PipelineConfig, PipelineContext
from ninefold.core.errors import ConfigError, InputError, StorageError
from ninefold.jobs import (
    Job,
    JobEnded,
    JobExecutor,
    JobStageFinished,
    JobStageRetried,
    JobStageStarted,
    JobStarted,
    JobStepped,
)
from ninefold.stages.registry import find_stage
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.support import files_in, picture, run

NINE = (
    "prompt",
    "text_to_image",
    "refiner",
    "detailer",
    "upscaler",
    "restorer",
    "finisher",
    "inspector",
    "publisher",
)
INPUT = {"prompt": "a red house", "seed": 7}


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


def test_the_same_key_gives_the_same_job_and_refuses_another(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            image = {**INPUT, "image": picture(64, 64)}
            first = await jobs.submit("full", image, idempotency_key="k")
            source = (first.folder / "source.png").read_bytes()
            assert (await jobs.submit("full", image, idempotency_key="k")).id == first.id
            other = {**INPUT, "image": picture(64, 64, seed=1)}
            with pytest.raises(InputError, match="idempotency_key"):
                await jobs.submit("full", other, idempotency_key="k")
            assert len(await jobs.list()) == 1
            assert (first.folder / "source.png").read_bytes() == source
            assert [folder.name for folder in (jobs.data / "jobs").iterdir()] == [first.id]

    run(scenario())


@pytest.mark.parametrize(
    ("config", "given", "match"),
    [
        ("full", {}, "prompt"),
        ("full", {"prompt": "x" * 5000}, "prompt"),
        ("full", {"prompt": "a", "seed": -1}, "seed"),
        ("full", {"prompt": "a", "model": "nowhere/at-all"}, "model"),
        ("fulll", {"prompt": "a"}, "full"),
        ("full", {"prompt": "a {b|c"}, "braces?"),
    ],
)
def test_what_cannot_run_is_refused_and_leaves_nothing(
    here: Place, config: str, given: dict[str, object], match: str
) -> None:
    async def scenario() -> None:
        async with here.jobs(worker=False) as jobs:
            with pytest.raises((ConfigError, InputError), match=match):
                await jobs.submit(config, given)
            assert await jobs.list() == []
        assert not {name for name in files_in(here.data) if name.startswith("jobs/")}

    run(scenario())


def test_limits_on_priority_key_and_group(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs(worker=False) as jobs:
            with pytest.raises(InputError, match="priority"):
                await jobs.submit("draft", INPUT, priority=0)
            with pytest.raises(InputError, match="idempotency_key"):
                await jobs.submit("draft", INPUT, idempotency_key="k" * 201)
            with pytest.raises(InputError, match="1 to 10000"):
                await jobs.submit_group("draft", INPUT, count=1_000_000)
            with pytest.raises(InputError, match="no job"):
                await jobs.get("nothing")
            with pytest.raises(InputError, match="no group"):
                await jobs.group("nothing")
            assert await jobs.list() == []

    run(scenario())


def test_events_can_be_read_from_anywhere_without_loss_or_repeat(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.3)) as jobs:
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
            assert stepped
            assert stepped[0].preview
            for cut in (0, len(live) // 2, len(live) - 1):
                rest = [event async for event in jobs.events(job.id, live[cut].sequence)]
                assert rest == live[cut + 1 :]

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


def test_a_failed_job_is_rerun_from_where_it_stopped(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(fail_on="upscale")) as jobs:
            failed = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
        async with place.jobs() as jobs:
            with pytest.raises(InputError, match="stopped before finisher"):
                await jobs.rerun(failed.id, from_stage="finisher")
            job = await jobs.wait((await jobs.rerun(failed.id, from_stage="upscaler")).id, 60)
        assert job.status == "succeeded", job.error
        assert job.parent == failed.id
        assert job.reused == NINE[:4]
        assert set(job.attempts) == set(NINE[4:])

    run(scenario())


def test_rerun_with_a_change_reuses_what_came_before(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            first = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
            again = await jobs.rerun(first.id, changes={"upscaler.upscale_factor": 3})
            again = await jobs.wait(again.id, 60)
            await jobs.prune(0)  # the parent's files go, the child's stay
            assert again.status == "succeeded", again.error
            whole = await jobs.wait(
                (
                    await jobs.submit(
                        PipelineConfig.preset("full").with_settings(["upscaler.upscale_factor=3"]),
                        INPUT,
                        cache=False,
                    )
                ).id,
                60,
            )
        assert again.reused == NINE[:4]
        assert again.metadata["upscaler"]["upscaled_size"] == [384, 384]
        assert _digests(again) == _digests(whole)

    run(scenario())


@pytest.mark.parametrize("said_in", ["config", "input"])
def test_rerun_with_another_input_begins_where_it_is_read(here: Place, said_in: str) -> None:
    config = PipelineConfig.preset("full")
    given = {"prompt": "a red house"}
    if said_in == "config":
        config = config.with_settings(["seed=7"])
    else:
        given |= {"seed": 7}  # type: ignore[dict-item]

    async def scenario() -> None:
        async with here.jobs() as jobs:
            first = await jobs.wait((await jobs.submit(config, given)).id, 60)
            other = await jobs.rerun(first.id, input={"seed": 9, "prompt": "a tree"})
            other = await jobs.wait(other.id, 60)
            assert (other.status, other.seed, other.reused) == ("succeeded", 9, ())
            assert other.parent == first.id
            assert other.metadata["prompt"]["prompt"] == "a tree"
            anew = await jobs.submit("full", {"prompt": "a tree", "seed": 9}, cache=False)
            assert _digests(other)[:-1] == _digests(await jobs.wait(anew.id, 60))[:-1]
            assert (said_in == "config") is ("seed" in other.config)
            # The prompt is read by the stage before the one that reads the model.
            same = await jobs.rerun(first.id, input={"model": "poster"})
            assert (await jobs.wait(same.id, 60)).reused == ("prompt",)
            group = await jobs.submit_group("draft", INPUT, count=2)
            await jobs.wait_group(group.id, 60)
            again = await jobs.rerun_group(group.id, input={"seed": 20})
            again = await jobs.wait_group(again.id, 60)
            assert [(await jobs.get(job.id)).seed for job in again.jobs] == [20, 21]

    run(scenario())


@pytest.mark.parametrize(
    ("start", "given", "match"),
    [
        (None, {"seed": -1}, "seed"),
        (None, {"prompt": " "}, "prompt"),
        (None, {"image": "x.png"}, "submit anew"),
        (None, {"model": "nowhere/at-all"}, "model"),
        ("upscaler", {"seed": 9}, "seed belong to stages before upscaler"),
    ],
)
def test_another_input_that_cannot_be_is_refused(
    here: Place, start: str | None, given: dict[str, object], match: str
) -> None:
    async def scenario() -> None:
        async with here.jobs() as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
            with pytest.raises((ConfigError, InputError), match=match):
                await jobs.rerun(job.id, from_stage=start, input=given)
            assert [folder.name for folder in (jobs.data / "jobs").iterdir()] == [job.id]

    run(scenario())


@pytest.mark.parametrize(
    ("start", "changes", "match"),
    [
        ("nothing", {}, "from_stage"),
        ("upscaler", {"upscale_factor": 99}, "upscale_factor"),
        ("upscaler", {"refiner.refinement_level": 2}, "before upscaler"),
        (None, {"upscale_factor": 2}, "stage.parameter"),
        (None, {"nothing.at_all": 2}, "nothing"),
        ("refiner", {"model": "nowhere"}, "model"),
    ],
)
def test_a_rerun_that_cannot_be_is_refused(
    here: Place, start: str | None, changes: dict[str, object], match: str
) -> None:
    async def scenario() -> None:
        async with here.jobs() as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, 60)
            with pytest.raises((ConfigError, InputError), match=match):
                await jobs.rerun(job.id, from_stage=start, changes=changes)
            assert len(await jobs.list()) == 1

    run(scenario())


@pytest.mark.parametrize("stage", NINE)
def test_a_running_job_is_cancelled_and_keeps_what_it_made(
    here: Place, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find_stage(stage)
    execute = kind.execute

    async def slowly(self: Any, context: PipelineContext) -> PipelineContext:
        if context.get("seed") == 7:
            await asyncio.sleep(5)
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


def test_smaller_priorities_run_first(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(concurrency=1) as jobs:
            await jobs.pause()
            late = await jobs.submit("draft", INPUT, priority=200)
            soon = await jobs.submit("draft", INPUT, priority=10)
            await jobs.resume()
            begun = []
            for job in (soon, late):
                await jobs.wait(job.id, 60)
                step = jobs.store.client.list_workflow_steps(job.id)[0]
                begun.append(step["started_at_epoch_ms"] or 0)
        assert begun == sorted(begun)

    run(scenario())


def test_a_group_is_judged_cancelled_and_listed_as_a_whole(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            group = await jobs.submit_group("full", [INPUT, {"prompt": "a tree"}], count=2)
            group = await jobs.wait_group(group.id, 60)
            assert group.counts == {"succeeded": 4}
            assert group.status == "succeeded"
            seeds = [(await jobs.get(job.id)).seed for job in group.jobs]
            assert seeds[:2] == [7, 8]
            (best,) = await jobs.best(group.id)
            assert best.verdict is not None
            assert len(await jobs.list(group=group.id)) == 4
            await jobs.pause()
            other = await jobs.submit_group("draft", INPUT, count=3)
            assert (await jobs.cancel_group(other.id)).counts == {"cancelled": 3}

    run(scenario())


def test_a_group_has_every_variant_of_a_prompt_and_is_rerun_as_a_whole(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs() as jobs:
            given = {"prompt": "a {red|blue} {house|tree}", "seed": 7}
            group = await jobs.submit_group("full", given, variants=True)
            group = await jobs.wait_group(group.id, 60)
            prompts = {job.input["prompt"] for job in group.jobs}
            assert prompts == {"a red house", "a red tree", "a blue house", "a blue tree"}
            again = await jobs.rerun_group(group.id, changes={"upscaler.upscale_factor": 3})
            again = await jobs.wait_group(again.id, 60)
            assert again.counts == {"succeeded": 4}
            assert [job.parent for job in again.jobs] == [job.id for job in group.jobs]
            assert all(job.reused == NINE[:4] for job in again.jobs)
            many = {"prompt": "{a|b|c|d|e|f|g|h|i|j}" * 5}
            with pytest.raises(InputError, match="1 to 10000"):
                await jobs.submit_group("full", many, variants=True)

    run(scenario())


def test_prune_removes_old_jobs_with_their_files(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs() as jobs:
            ids = [(await jobs.submit("draft", {**INPUT, "seed": n})).id for n in range(3)]
            for job_id in ids:
                await jobs.wait(job_id, 60)
            assert await jobs.prune(3600) == 0
            assert await jobs.prune(0, keep=1) == 2
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


def test_a_database_that_cannot_be_used_is_told(tmp_path: Path) -> None:
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
        connection.execute("UPDATE ninefold_schema SET version = 99")
    with pytest.raises(StorageError, match="another version"):
        run(open_(tmp_path / "old"))
    with pytest.raises(ConfigError, match="postgresql://"):
        run(open_(tmp_path, database="mysql://user:secret@host/name"))
    with pytest.raises(StorageError, match="Is the database running") as caught:
        run(open_(tmp_path, database="postgresql://user:secret@127.0.0.1:1/name"))
    assert "secret" not in str(caught.value)


def _digests(job: object) -> list[tuple[str, str]]:
    """Name and hash of every artifact but the manifest, which tells times."""
    artifacts = job.artifacts  # type: ignore[attr-defined]
    return [(a.name, a.sha256) for a in artifacts if not a.name.endswith("manifest.json")]
