"""What is submitted: what is refused, keys, priorities, and groups of jobs."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold import Pipeline, PipelineConfig
from ninefold.core.errors import ConfigError, InputError
from tests.jobs.conftest import INPUT, NINE, Place
from tests.support import files_in, picture, run


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
        ("full", {"prompt": "x" * 25_000}, "prompt"),
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
            with pytest.raises(InputError, match="expected 1 to 10000 jobs, got 1000000"):
                await jobs.submit_group("draft", INPUT, count=1_000_000)
            with pytest.raises(InputError, match="no job"):
                await jobs.get("nothing")
            with pytest.raises(InputError, match="no group"):
                await jobs.group("nothing")
            assert await jobs.list() == []

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
                step = jobs.store.workflows.steps_of(job.id)[0]
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
            with pytest.raises(InputError, match="at most 10,000 jobs, got 100,000"):
                await jobs.submit_group("full", many, variants=True)

    run(scenario())


def test_a_config_is_built_once_for_all_jobs_that_have_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Pipeline] = []
    init = Pipeline.__init__

    def counted(pipeline: Pipeline, *args: Any, **options: Any) -> None:
        built.append(pipeline)
        init(pipeline, *args, **options)

    async def scenario() -> None:
        async with place.jobs() as jobs:
            monkeypatch.setattr(Pipeline, "__init__", counted)
            config = PipelineConfig.parse({"description": "once", "stages": [{"stage": "prompt"}]})
            job = await jobs.submit(config, INPUT)
            group = await jobs.submit_group(config, INPUT, count=20)
            for each in (job, *group.jobs):
                await jobs.ended(each.id, 120)
            await jobs.get(job.id)
            await jobs.ended((await jobs.rerun(job.id, from_stage="prompt")).id, 120)

    run(scenario())
    assert len(built) == 1


def test_jobs_of_a_group_are_stored_alike_and_none_where_an_id_is_taken(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            group = await jobs.submit_group(
                "draft", [f"house {n}" for n in range(5)], priority=7, idempotency_key="k"
            )
            stored = [await jobs.get(job.id) for job in group.jobs]
            assert [job.input["prompt"] for job in stored] == [f"house {n}" for n in range(5)]
            assert {(job.priority, job.status, job.group) for job in stored} == {
                (7, "queued", group.id)
            }
            same = await jobs.submit_group(
                "draft", [f"house {n}" for n in range(5)], priority=7, idempotency_key="k"
            )
            assert [job.id for job in same.jobs] == [job.id for job in group.jobs]
            with pytest.raises(InputError, match="idempotency_key"):
                await jobs.submit_group("draft", ["another"] * 5, idempotency_key="k")
            assert len(await jobs.list()) == 5

    run(scenario())
