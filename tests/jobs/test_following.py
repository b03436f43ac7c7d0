"""Many who follow jobs at once: one look for all, and only what is new is read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ninefold.core.errors import InputError
from ninefold.jobs import JobEnded, JobEvent, JobExecutor
from ninefold.jobs.following import Follower
from ninefold.jobs.model import JobVersion
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.support import run

INPUT = {"prompt": "a red house", "seed": 7}
READERS = 30


def _counted(jobs: JobExecutor, monkeypatch: pytest.MonkeyPatch, *names: str) -> Counter[str]:
    """Counts calls of the store's methods."""
    calls: Counter[str] = Counter()

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return method(*args, **kwargs)

        return call

    for name in names:
        monkeypatch.setattr(jobs.store, name, counting(name, getattr(jobs.store, name)))
    return calls


def test_many_streams_share_one_look_and_lose_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.02)) as jobs:
            await jobs.pause()
            group = await jobs.submit_group("draft", INPUT, count=READERS)
            calls = _counted(jobs, monkeypatch, "job_and_spec", "own_steps", "reports")
            looks: list[int] = []
            versions = jobs.store.versions

            def look(ids: Sequence[str]) -> dict[str, JobVersion]:
                looks.append(len(ids))
                return versions(ids)

            monkeypatch.setattr(jobs.store, "versions", look)

            async def follow(job_id: str) -> list[JobEvent]:
                return [event async for event in jobs.events(job_id)]

            streams = [asyncio.create_task(follow(job.id)) for job in group.jobs]
            while looks.count(READERS) < 5:  # all of them share a look
                await asyncio.sleep(0.05)
            # Nothing happened: every stream read its job once.
            assert calls["job_and_spec"] == calls["reports"] == READERS
            await jobs.resume()
            for job, events in zip(group.jobs, await asyncio.gather(*streams), strict=True):
                assert isinstance(events[-1], JobEnded)
                assert events == await follow(job.id)

    run(scenario())


def test_a_job_that_is_pruned_ends_its_streams(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            job = await jobs.submit("draft", INPUT)
            stream = asyncio.ensure_future(anext(aiter(jobs.events(job.id))))
            waiting = asyncio.create_task(jobs.wait(job.id))
            while len(jobs._follower._waiting) < 2:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(jobs.store.delete, [job.id])
            with pytest.raises(InputError, match="no job"):
                await stream
            with pytest.raises(InputError, match="no job"):
                await waiting

    run(scenario())


def test_a_look_that_fails_is_reported_to_all_and_the_next_one_counts() -> None:
    first = JobVersion("queued", 0, 0)
    looks: Iterator[dict[str, JobVersion] | OSError] = iter(
        [OSError("away"), {"a": first, "b": first}, {"a": JobVersion("running", 0, 0)}]
    )
    asked: list[Sequence[str]] = []

    async def look(ids: Sequence[str]) -> dict[str, JobVersion]:
        asked.append(ids)
        found = next(looks)
        if isinstance(found, OSError):
            raise found
        return found

    async def scenario() -> None:
        follower = Follower(look, 0.01)
        results = await asyncio.gather(
            *(follower.changed(name, first) for name in ("a", "b", "a")), return_exceptions=True
        )
        assert [str(result) for result in results] == ["away"] * 3
        changed = await asyncio.gather(follower.changed("a", first), follower.changed("b", first))
        assert [*changed] == [JobVersion("running", 0, 0), None]
        assert asked == [["a", "b"]] * 3

    run(scenario())
