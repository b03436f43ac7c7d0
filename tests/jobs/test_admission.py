"""Submitting for others: whose a job is, how many may wait, and what is stored with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from ninefold.core.errors import ConflictError, InputError, NotFoundError, QueueFullError
from ninefold.jobs.admission import Admission, Quota
from ninefold.jobs.search import JobFilter
from tests.jobs.conftest import Place
from tests.support import files_in, picture, run

_METADATA = sa.MetaData()
_NOTES = sa.Table("notes", _METADATA, sa.Column("job", sa.String(100), primary_key=True))


def test_a_quota_is_exact_however_many_submit_at_once(place: Place) -> None:
    async def main() -> None:
        async with place.jobs(worker=False) as jobs:

            async def submit(owner: str, number: int) -> bool:
                try:
                    await jobs.submit(
                        "draft",
                        f"house {number}",
                        owner=owner,
                        admission=Admission(Quota(own=4, total=6)),
                    )
                except QueueFullError:
                    return False
                return True

            got = await asyncio.gather(*(submit("abc"[n % 3], n) for n in range(30)))
            assert sum(got) == len(await jobs.list(limit=None)) == 6
            for owner in "abc":
                assert len(await jobs.list(owner=owner)) <= 4
            [first, *_] = await jobs.list()
            await jobs.cancel(first.id)
            assert sum(await asyncio.gather(*(submit("d", n) for n in range(5)))) == 1

    run(main())


def test_what_is_stored_with_a_job_is_stored_with_it_or_not_at_all(place: Place) -> None:
    def note(connection: sa.Connection, job_ids: Sequence[str]) -> None:
        connection.execute(sa.insert(_NOTES), [{"job": job_id} for job_id in job_ids])

    def fail(connection: sa.Connection, job_ids: Sequence[str]) -> None:
        note(connection, job_ids)
        raise InputError("no")

    async def main() -> None:
        async with place.jobs(worker=False) as jobs:
            _METADATA.create_all(jobs.store.engine)

            def noted() -> set[str]:
                with jobs.store.engine.connect() as connection:
                    return set(connection.execute(sa.select(_NOTES.c.job)).scalars())

            key: Any = {"idempotency_key": "a", "admission": Admission(beside=note)}
            job = await jobs.submit("draft", "a house", **key)
            assert (await jobs.submit("draft", "a house", **key)).id == job.id
            assert noted() == {job.id}
            group = await jobs.submit_group(
                "draft", ["one", "two"], admission=Admission(beside=note)
            )
            assert noted() == {job.id, *(member.id for member in group.jobs)}
            before = noted()
            source = {"prompt": "a house", "image": picture(64, 64)}
            with pytest.raises(InputError):
                await jobs.submit("draft", source, admission=Admission(beside=fail))
            assert noted() == before
            assert len(await jobs.list()) == 3
            assert not [name for name in files_in(jobs.data) if "source.png" in name]

    run(main())


def test_the_same_key_must_bring_the_same(place: Place) -> None:
    async def main() -> None:
        async with place.jobs(worker=False) as jobs:
            source = {"prompt": "a house", "image": picture(64, 64)}

            async def submit(owner: str | None, given: Any, asked: Any = None) -> str:
                admission = Admission(asked=asked)
                job = await jobs.submit(
                    "draft", given, idempotency_key="a", owner=owner, admission=admission
                )
                return job.id

            first = await submit("one", source)
            assert await submit("one", source) == first
            assert len({first, await submit("two", source), await submit(None, source)}) == 3
            for other in ({**source, "seed": 1}, {**source, "image": picture(64, 64, seed=1)}):
                with pytest.raises(ConflictError):
                    await submit("one", other)
            with pytest.raises(ConflictError):
                await submit("one", source, {"webhook": "https://host"})
            assert len(await jobs.list()) == 3
            folders = {name.split("/")[1] for name in files_in(jobs.data / "jobs")}
            assert folders <= {"source.png"}
            assert len(list((jobs.data / "jobs").iterdir())) == 3

    run(main())


def test_a_group_of_a_key(place: Place) -> None:
    async def main() -> None:
        async with place.jobs(worker=False) as jobs:
            key: Any = {"idempotency_key": "a", "owner": "one"}
            asked: Any = ("draft", [{"prompt": "a house", "image": picture(64, 64)}])
            both = await asyncio.gather(
                *(jobs.submit_group(*asked, count=3, **key) for _ in range(4))
            )
            assert len({group.id for group in both}) == 1
            assert len({job.input["seed"] for job in both[0].jobs}) == 3
            assert len(await jobs.list()) == 3
            for count in (2, 4):
                with pytest.raises(ConflictError):
                    await jobs.submit_group(*asked, count=count, **key)
            assert len(await jobs.list()) == 3
            assert len(list((jobs.data / "jobs").iterdir())) == 3

    run(main())


def test_a_job_is_deleted_once_it_has_ended(place: Place) -> None:
    async def main() -> None:
        async with place.jobs(worker=False) as jobs:
            job = await jobs.submit("draft", {"prompt": "a house", "image": picture(64, 64)})
            with pytest.raises(ConflictError):
                await jobs.delete(job.id)
            await jobs.cancel(job.id)
            await jobs.delete(job.id)
            assert not job.folder.exists()
            with pytest.raises(NotFoundError):
                await jobs.get(job.id)

    run(main())


def test_pages_show_each_job_once(place: Place) -> None:
    async def main() -> None:
        async with place.jobs(worker=False) as jobs:
            own = [await jobs.submit("draft", f"house {n}", owner="one") for n in range(7)]
            for n in range(3):
                await jobs.submit("draft", f"tent {n}", owner="two")
            seen: list[str] = []
            after = None
            while True:
                page, found = jobs.store.page(JobFilter(owner="one"), limit=3, after=after)
                seen += [job.id for job in page]
                after = found.next
                if after is None:
                    break
            assert sorted(seen) == sorted(job.id for job in own)
            assert {job.owner for job in page} == {"one"}

    run(main())


def test_the_key_of_a_rerun(here: Place) -> None:
    async def main() -> None:
        async with here.jobs() as jobs:
            job = await jobs.submit("draft", "a house", owner="one")
            await jobs.wait(job.id, 30)
            key: Any = {"idempotency_key": "a", "owner": "one"}
            first = await jobs.rerun(job.id, **key, input={"seed": 1})
            assert (await jobs.rerun(job.id, **key, input={"seed": 1})).id == first.id
            assert first.owner == "one"
            others: list[Any] = [{"input": {"seed": 2}}, {"changes": {"publisher.quality": 5}}]
            for other in others:
                with pytest.raises(ConflictError):
                    await jobs.rerun(job.id, **key, **other)

    run(main())
