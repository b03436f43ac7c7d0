"""Running a job again, with changes or another input: what is reused, and what is refused."""

from __future__ import annotations

import pytest

from ninefold.core.errors import ConfigError, InputError
from ninefold.testing import fake_engines
from tests.jobs.conftest import INPUT, NINE, UNSIGNED, Place
from tests.support import run


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
            first = await jobs.wait((await jobs.submit(UNSIGNED, INPUT)).id, 60)
            again = await jobs.rerun(first.id, changes={"upscaler.upscale_factor": 3})
            again = await jobs.wait(again.id, 60)
            await jobs.prune(0)  # the parent's files go, the child's stay
            assert again.status == "succeeded", again.error
            whole = await jobs.wait(
                (
                    await jobs.submit(
                        UNSIGNED.with_settings(["upscaler.upscale_factor=3"]),
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
    config = UNSIGNED
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
            anew = await jobs.submit(config, {"prompt": "a tree", "seed": 9}, cache=False)
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
        (None, {"image": "x.png"}, "x.png: expected a file"),
        (None, {"loras": []}, "submit anew"),
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


def _digests(job: object) -> list[tuple[str, str]]:
    """Name and hash of every artifact but the manifest, which tells times."""
    artifacts = job.artifacts  # type: ignore[attr-defined]
    return [(a.name, a.sha256) for a in artifacts if not a.name.endswith("manifest.json")]
