"""All jobs as one sequence: in order, to many at once, resumed without a gap, or reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from ninefold.core.errors import ConflictError
from ninefold.jobs import JobExecutor, activity
from ninefold.jobs.activity import Activity, ActivityEvent
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.jobs.test_search import PAINT
from tests.support import run


async def _call(function: Any, *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


def everyone(_: str | None) -> bool:
    return True


async def until(
    events: AsyncGenerator[ActivityEvent, None], name: str, job: str | None = None
) -> list[ActivityEvent]:
    """The events up to the first of this name, about the job where one is given."""
    found = []
    async for event in events:
        found.append(event)
        if event.name == name and (job is None or event.data["job"] == job):
            return found
    raise AssertionError(f"ended before {name}: {found}")


def test_what_happens_is_reported_in_order(place: Place) -> None:
    async def work() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.7)) as jobs:
            follow = Activity(jobs.store, _call)
            events = follow.follow(everyone)
            assert (await anext(events)).name == "ready"
            job = await jobs.submit(PAINT, "a house", owner="shop")
            found = await until(events, "job_ended")
            about = [event for event in found if event.data.get("job") == job.id]
            assert about == found
            names = [event.name for event in found]
            assert names[:2] == ["job_queued", "job_started"]
            assert found[1].data["steps"] == ["prompt", "text_to_image"]
            assert found[-1].data == {"job": job.id, "status": "succeeded"}
            stages = [(e.name, e.data["stage"]) for e in found if "stage" in e.data]
            assert ("stage_started", "text_to_image") in stages
            assert ("stage_progressed", "text_to_image") in stages
            assert ("preview_available", "text_to_image") in stages
            assert stages[-1] == ("stage_finished", "text_to_image")
            assert {event.owner for event in found} == {"shop"}
            numbers = [event.number for event in found]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            await jobs.pause()
            assert [e.name for e in await until(events, "queue_paused")] == ["queue_paused"]
            await jobs.resume()
            await until(events, "queue_resumed")
            store = jobs.store
            store.order.change(job.id, "shop", favourite=True, priority=None)
            [changed] = await until(events, "job_changed")
            assert changed.data == {"job": job.id, "favourite": True}
            await jobs.delete(job.id)
            [deleted] = await until(events, "job_deleted")
            assert (deleted.data, deleted.owner) == ({"job": job.id}, "shop")
            await events.aclose()
            await follow.close()

    run(work())


def test_whoever_comes_back_misses_nothing_or_is_told(here: Place) -> None:
    async def work() -> None:
        async with here.jobs(worker=False) as jobs:
            follow = Activity(jobs.store, _call)
            first, other = follow.follow(everyone), follow.follow(everyone)
            await anext(first)
            await anext(other)
            one = await jobs.submit(PAINT, "one")
            [seen] = await until(first, "job_queued")
            await first.aclose()
            two = await jobs.submit(PAINT, "two")
            await jobs.cancel(two.id)
            whole = await until(other, "job_ended")
            again = follow.follow(everyone, seen.number)
            assert await until(again, "job_ended") == whole[1:]
            assert whole[0].data["job"] == one.id
            for unknown in (seen.number - 10, whole[-1].number + 10, 7):
                lost = follow.follow(everyone, unknown)
                assert (await anext(lost)).name == "reset"
                await lost.aclose()
            await again.aclose()
            await other.aclose()
            await follow.close()
            restarted = Activity(jobs.store, _call)
            events = restarted.follow(everyone, whole[-1].number)
            assert (await anext(events)).name == "reset"
            await events.aclose()
            await restarted.close()

    run(work())


def test_many_followers_share_one_look_and_see_their_own(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = activity._Looks.look

    def counted(self: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(self)

    monkeypatch.setattr(activity._Looks, "look", counted)

    async def work() -> None:
        async with here.jobs(worker=False) as jobs:
            follow = Activity(jobs.store, _call)
            mine = [follow.follow(lambda owner: owner == "shop") for _ in range(10)]
            for events in mine:
                assert (await anext(events)).name == "ready"
            await jobs.submit(PAINT, "not theirs", owner="other")
            job = await jobs.submit(PAINT, "theirs", owner="shop")
            before = looks
            for events in mine:
                [event] = await until(events, "job_queued")
                assert event.data["job"] == job.id
            assert looks - before <= 3
            for events in mine:
                await events.aclose()
            await follow.close()

    run(work())


def test_a_follower_that_does_not_keep_up_is_sent_away(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_BEHIND", 5)

    async def work() -> None:
        async with here.jobs(worker=False) as jobs:
            follow = Activity(jobs.store, _call)
            slow, quick = follow.follow(everyone), follow.follow(everyone)
            await anext(slow)
            await anext(quick)
            await jobs.submit_group(PAINT, "a house", count=4)
            for _ in range(4):
                await anext(quick)
            last = (await jobs.submit_group(PAINT, "a house", count=4)).jobs[-1]
            await until(quick, "job_queued", last.id)
            assert [event async for event in slow] == []
            await quick.aclose()
            await follow.close()

    run(work())


def _waiting(jobs: JobExecutor, owner: str | None = None) -> list[str]:
    return jobs.store.order.waiting(owner, 100)


def test_jobs_that_wait_are_reordered_within_their_places(place: Place) -> None:
    async def work() -> None:
        async with place.jobs(worker=False) as jobs:
            order = jobs.store.order
            a, x, b, y, c = [
                (await jobs.submit(PAINT, name, owner=owner)).id
                for name, owner in [
                    ("a", "shop"),
                    ("x", "other"),
                    ("b", "shop"),
                    ("y", "other"),
                    ("c", "shop"),
                ]
            ]
            order.move(c, "shop", "shop", "first", None)
            assert _waiting(jobs) == [c, x, a, y, b]
            order.move(c, "shop", "shop", None, b)
            assert _waiting(jobs) == [a, x, c, y, b]
            order.move(a, "shop", "shop", "last", None)
            assert _waiting(jobs) == [c, x, b, y, a]
            order.move(y, "other", None, "first", None)  # by whoever sees all
            assert _waiting(jobs) == [y, c, x, b, a]
            order.change(a, "shop", favourite=None, priority=10)
            assert _waiting(jobs) == [a, y, c, x, b]
            assert _waiting(jobs, "shop") == [a, c, b]
            for job, before in ((c, a), (c, x), (c, c), (c, "none"), ("none", c)):
                with pytest.raises(ConflictError):
                    order.move(job, "shop", "shop", None, before)
            later = await jobs.submit(PAINT, "later", owner="shop")
            assert _waiting(jobs) == [a, y, c, x, b, later.id]
            await jobs.cancel(c)
            with pytest.raises(ConflictError, match="does not wait"):
                order.change(c, "shop", favourite=True, priority=5)
            assert not (await jobs.get(c)).listing.favourite
        async with place.jobs(concurrency=1) as jobs:
            ended = []
            for job in (a, y, x, b, later.id):
                done = await jobs.wait(job)
                ended.append((done.started_at, job))
            assert [job for _, job in sorted(ended)] == [a, y, x, b, later.id]

    run(work())
