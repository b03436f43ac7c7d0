"""Lists of jobs: what is found by which words and fields, in pages, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ninefold.config import PipelineConfig
from ninefold.jobs import Job, JobExecutor
from ninefold.jobs.search import JobFilter
from ninefold.jobs.words import words_of
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.support import run

PAINT = PipelineConfig.parse({"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]})


def found(jobs: JobExecutor, **wanted: Any) -> list[str]:
    """The prompts of the jobs that are found, the newest first."""
    page, found = jobs.store.page(JobFilter(**wanted), count=True)
    assert found.total == len(page)
    return [job.input.get("prompt", "") for job in page]


def test_words_are_those_of_any_script_in_one_case() -> None:
    assert list(words_of("A (Red:1.2) café, Straße_雪の山")) == [
        *("a", "red", "1", "2", "café", "strasse", "雪", "の", "山")
    ]
    assert list(words_of("हिन्दी ﬁne Ｗｉｄｅ")) == ["हिन्दी", "fine", "wide"]
    assert list(words_of("  ,;'\"\\ \0")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("house", ["a red house"]),
        ("HOU red", ["a red house"]),
        ("ouse", []),
        ("red boat", []),
        ("café", ["un CAFÉ à Paris"]),
        ("CAFE\u0301", ["un CAFÉ à Paris"]),
        ("cafe", []),
        ("雪の", ["雪の山"]),
        ("山", ["雪の山"]),
        ("の雪", []),
        ("дом", ["Красный Дом"]),
        ("blurry", ["a red house"]),
        ("'", []),
        ('" OR words : *', []),
        ("a & !b | (c", []),
        ("\\", []),
    ],
)
def test_jobs_are_found_by_words(searched: JobExecutor, text: str, expected: list[str]) -> None:
    assert found(searched, text=text) == expected


def test_jobs_are_found_by_fields(searched: JobExecutor) -> None:
    assert found(searched, seed=7) == ["a red house"]
    assert len(found(searched, model="poster")) == 4
    assert found(searched, model="ink") == []
    assert found(searched, lora="sketch") == ["un CAFÉ à Paris"]
    assert found(searched, lora="sket") == []
    assert found(searched, lora="sketch", text="paris") == ["un CAFÉ à Paris"]
    assert found(searched, lora="sketch", text="house") == []
    assert found(searched, lora="sketch", owner="shop") == []
    assert found(searched, owner="shop") == ["Красный Дом"]
    assert found(searched, status=["succeeded"]) == []
    assert len(found(searched, status=["queued", "failed"])) == 4
    assert found(searched, text="a", favourite=True) == []
    now = datetime.now(UTC)
    assert len(found(searched, created_after=now - timedelta(hours=1))) == 4
    assert found(searched, created_after=now + timedelta(hours=1)) == []
    assert found(searched, created_before=now - timedelta(hours=1)) == []
    assert len(found(searched, created_before=now + timedelta(hours=1))) == 4


def test_pages_follow_one_another_by_position_and_by_offset(searched: JobExecutor) -> None:
    store = searched.store
    first, at = store.page(JobFilter(), limit=3, count=True)
    assert (len(first), at.total) == (3, 4)
    assert at.next is not None
    rest, end = store.page(JobFilter(), limit=3, after=at.next, count=True)
    assert (len(rest), end.next, end.total) == (1, None, 4)
    jumped, _ = store.page(JobFilter(), limit=2, offset=2)
    assert [job.id for job in jumped] == [job.id for job in (*first, *rest)][2:]
    beyond, nothing = store.page(JobFilter(), limit=2, offset=9, count=True)
    assert (beyond, nothing.next, nothing.total) == ([], None, 4)


def test_what_is_found_is_counted_beyond_the_page(searched: JobExecutor) -> None:
    """By an index alone, or with what is asked of the jobs beside it."""

    async def submit() -> list[str]:
        ink = {"prompt": "a common boat", "seed": 3, "loras": [{"name": "sketch", "weight": 0.5}]}
        rest = [await searched.submit(PAINT, ink) for _ in range(2)]
        return [
            job.id
            for job in (*rest, *[await searched.submit(PAINT, ink, owner="shop") for _ in range(3)])
        ]

    [cafe] = searched.store.search.page(JobFilter(lora="sketch"), 9).ids
    ids = run(submit())[::-1]
    for wanted, expected in (
        (JobFilter(text="common"), ids),
        (JobFilter(lora="sketch"), [*ids, cafe]),
        (JobFilter(lora="sketch", seed=3), ids),
        (JobFilter(text="common", lora="sketch"), ids),
        (JobFilter(text="common", owner="shop"), ids[:3]),
        (JobFilter(lora="sketch", owner="shop"), ids[:3]),
        (JobFilter(text="common", created_after=datetime(2020, 1, 1, tzinfo=UTC)), ids),
        (JobFilter(lora="sketch", status=["queued"], seed=3), ids),
    ):
        seen, at = list[str](), None
        for _ in expected:
            page = searched.store.search.page(wanted, 1, after=at, count=True)
            assert page.total == len(expected)
            seen, at = [*seen, *page.ids], page.next
        assert (seen, at) == (expected, None)


def test_what_steps_make_known_is_found_and_shown(place: Place) -> None:
    async def work() -> None:
        async with place.jobs() as jobs:
            job = await jobs.submit(PAINT, "a {crimson|azure} house")
            done = await jobs.wait(job.id)
            chosen = "crimson" if "crimson" in done.metadata["prompt"]["prompt"] else "azure"
            [listed] = await jobs.list()
            assert listed.listing.seed == done.seed
            assert (listed.listing.width, listed.listing.height) == (128, 128)
            assert listed.listing.picture == "generated.png"
            store = jobs.store
            assert await asyncio.to_thread(_ids, store.page(JobFilter(seed=done.seed))) == [job.id]
            # As typed, both; as resolved, one twice.
            for word in ("crimson", "azure", chosen):
                assert _ids(store.page(JobFilter(text=word))) == [job.id]
            assert _ids(store.page(JobFilter(status=["succeeded"]), count=True)) == [job.id]
            again = await jobs.rerun(job.id, from_stage="text_to_image")
            assert _ids(store.page(JobFilter(parent=job.id))) == [again.id]
            await jobs.wait(again.id)
            store.search.note_ended()
            assert len(_ids(store.page(JobFilter(status=["succeeded"]), count=True))) == 2
            await jobs.delete(job.id)
            assert _ids(store.page(JobFilter(text=chosen))) == [again.id]
            assert _ids(store.page(JobFilter())) == [again.id]

    run(work())


def test_a_running_job_shows_what_its_steps_have_made(here: Place) -> None:
    async def work() -> None:
        async with here.jobs(engines=fake_engines(steps_delay=0.5)) as jobs:
            job = await jobs.submit(PAINT, "a house")
            while (listed := (await jobs.list())[0]).stage != "text_to_image":
                assert not listed.ended
                await asyncio.sleep(0.02)
            assert listed.listing.seed is not None
            assert listed.listing.picture is None
            assert (await jobs.wait(job.id)).seed == listed.listing.seed

    run(work())


def _ids(page: tuple[list[Job], Any]) -> list[str]:
    return [job.id for job in page[0]]


@pytest.fixture
def searched(place: Place) -> Any:
    """Four jobs that wait."""
    jobs = place.jobs(worker=False)

    async def submitted() -> None:
        negative = {"prompt": "a red house", "negative_prompt": "Blurry", "seed": 7}
        await jobs.submit(PAINT, negative)
        loras = [{"name": "sketch", "weight": 0.5}]
        await jobs.submit(PAINT, {"prompt": "un CAFÉ à Paris", "loras": loras})
        await jobs.submit(PAINT, "雪の山")
        await jobs.submit(PAINT, "Красный Дом", owner="shop")

    async def opened() -> None:
        await jobs.__aenter__()
        await submitted()

    run(opened())
    yield jobs
    jobs.close()
