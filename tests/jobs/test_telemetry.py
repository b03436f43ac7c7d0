"""What a worker tells: each step once, how it ended, and nothing that harms the job."""

from __future__ import annotations

import asyncio

from ninefold import PipelineConfig
from ninefold.jobs import Job, JobEvent, JobStageFinished
from ninefold.jobs.telemetry import JobBegan, JobLeft, StageRan, WorkerEvent
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.support import run

CONFIG = PipelineConfig.parse(
    {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "finisher"}]}
)
INPUT = {"prompt": "a red house", "seed": 7}


def test_a_job_tells_its_beginning_each_step_and_its_end(here: Place) -> None:
    events: list[WorkerEvent] = []

    async def scenario() -> list[int]:
        async with here.jobs() as jobs:
            jobs.listen(events.append)
            for _ in range(2):
                await jobs.wait((await jobs.submit(CONFIG, INPUT)).id)
            assert jobs.cache is not None
            return [jobs.cache.hits, jobs.cache.misses]

    hits, misses = run(scenario())
    first, second = events[: len(events) // 2], events[len(events) // 2 :]
    for part in (first, second):
        assert isinstance(part[0], JobBegan)
        assert not part[0].again
        assert part[-1] == JobLeft(part[0].job_id, "succeeded")
    ran = [[item for item in part if isinstance(item, StageRan)] for part in (first, second)]
    assert [[item.stage for item in part] for part in ran] == [list(_names())] * 2
    assert not any(item.cached for item in ran[0])
    assert [item.stage for item in ran[1] if item.cached] == list(_names())[3 - hits :]
    assert hits == misses > 0
    assert all(item.seconds >= 0 and item.failure is None for part in ran for item in part)


def test_failures_retries_and_cancels_are_reported(here: Place) -> None:
    events: list[WorkerEvent] = []
    engines = fake_engines(fail_on="text_to_image", fail_times=1, error=OSError, steps_delay=0.05)

    def angry(_: WorkerEvent) -> None:
        raise RuntimeError("no")

    async def scenario() -> None:
        async with here.jobs(engines=engines) as jobs:
            jobs.listen(angry)
            jobs.listen(events.append)
            job = await jobs.wait((await jobs.submit(CONFIG, INPUT)).id)
            assert job.status == "succeeded"
            long = PipelineConfig.parse(
                {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]}
            ).with_settings(["text_to_image.steps=100"])
            job = await jobs.submit(long, INPUT)
            while not any(isinstance(item, JobBegan) and item.job_id == job.id for item in events):
                await asyncio.sleep(0.02)
            await jobs.cancel(job.id)
            while not any(isinstance(item, JobLeft) and item.job_id == job.id for item in events):
                await asyncio.sleep(0.02)

    run(scenario())
    failures = [item.failure.kind for item in events if isinstance(item, StageRan) and item.failure]
    assert failures == ["OSError"]
    assert [item.outcome for item in events if isinstance(item, JobLeft)] == [
        "succeeded",
        "cancelled",
    ]


def _names() -> tuple[str, ...]:
    return tuple(step.name for step in CONFIG.build(fake_engines()).steps)


def test_waiting_for_a_model_is_no_work_of_a_stage(here: Place) -> None:
    seen: list[WorkerEvent] = []
    engines = fake_engines(wait_delay=0.2, load_delay=0.1)

    async def scenario() -> tuple[Job, Job, list[JobEvent]]:
        async with here.jobs(engines=engines) as jobs:
            jobs.listen(seen.append)
            first, second = [
                await jobs.wait((await jobs.submit("draft", INPUT)).id) for _ in range(2)
            ]
            return first, second, [event async for event in jobs.events(first.id)]

    first, second, events = run(scenario())
    entry = first.metadata["text_to_image"]
    assert entry["waited_ms"] >= 200
    assert entry["load_ms"] >= 100
    ran = next(item for item in seen if isinstance(item, StageRan) and item.stage != "prompt")
    assert (ran.waited, ran.loaded) == (
        entry["waited_ms"] / 1000,
        entry["load_ms"] / 1000,
    )
    assert entry["duration_ms"] / 1000 <= ran.seconds - 0.3
    assert "waited_ms" not in first.metadata["publisher"]
    finished = [e for e in events if isinstance(e, JobStageFinished) and e.stage == ran.stage]
    assert finished[0].metadata["waited_ms"] == entry["waited_ms"]
    cached = second.metadata["text_to_image"]
    assert cached["cached"]
    assert not {"waited_ms", "load_ms"} & cached.keys()
