"""Disks that fill, databases that go away, clocks that jump: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from ninefold.core.errors import StorageError
from ninefold.jobs import Job, JobExecutor, JobStageStarted, database
from ninefold.jobs.worker import WATCH
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.jobs.postgres import Server
from tests.support import run

INPUT = {"prompt": "a red house", "seed": 7}
STEPS = 9


@contextmanager
def full_disk(engine: Engine) -> Iterator[None]:
    """Let the database refuse to store the outcome of a step, as on a full disk."""
    if engine.dialect.name == "sqlite":
        with _no_more_pages(engine):
            yield
        return
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON dbos.operation_outputs "
                "EXECUTE FUNCTION refuse()"
            )
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER refuse ON dbos.operation_outputs"))


@contextmanager
def _no_more_pages(engine: Engine) -> Iterator[None]:
    def limit(connection: sqlite3.Connection, _: Any, __: Any) -> None:
        # SQLite then says what it says where the disk is full, and at the same places.
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    def lift(connection: sqlite3.Connection, _: Any, __: Any) -> None:
        connection.execute("PRAGMA max_page_count=1000000")

    event.listen(engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(engine, "checkout", limit)
        event.listen(engine, "checkout", lift)


async def _reached(jobs: JobExecutor, job: Job, stage: str) -> None:
    async for seen in jobs.events(job.id):
        if isinstance(seen, JobStageStarted) and seen.stage == stage:
            return


def _done_once(jobs: JobExecutor, job: Job) -> None:
    """The job succeeded, and each step has one outcome."""
    assert job.status == "succeeded", job.error
    names = [step["function_name"] for step in jobs.store.workflows.steps_of(job.id)]
    assert len(names) == len(set(names)) == STEPS


def test_a_full_disk_loses_nothing(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.1), cache_bytes=0) as jobs:
            job = await jobs.submit("full", INPUT)
            await _reached(jobs, job, "refiner")
            with full_disk(jobs.store.engine):
                await asyncio.sleep(3)
                assert (await jobs.get(job.id)).status in ("queued", "running")
            job = await jobs.wait(job.id, 60)
            _done_once(jobs, job)

    run(scenario())


def test_a_worker_that_stops_on_a_full_disk_leaves_its_jobs_to_the_next(
    here: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As if it had died; and what it cannot do is said once, not with every look."""

    def full(*_: object) -> int:
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))

    async def scenario() -> None:
        options: dict[str, Any] = {"engines": fake_engines(steps_delay=0.5), "cache_bytes": 0}
        async with here.jobs(**options, grace=0.0) as jobs:
            job = await jobs.submit("full", INPUT)
            await _reached(jobs, job, "text_to_image")
            monkeypatch.setattr(jobs.store.queue, "requeue", full)
            await asyncio.sleep(3 * WATCH)
        said = [record.message for record in caplog.records if "disk is full" in record.message]
        assert len(said) == 2
        assert "go on by themselves" in said[0]
        assert said[1].endswith("What this worker had begun goes on in the next one.")
        async with here.jobs(engines=fake_engines(), cache_bytes=0) as jobs:
            _done_once(jobs, await jobs.wait(job.id, 60))

    run(scenario())


def test_a_database_that_restarts_under_load_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Server
) -> None:
    place = Place(tmp_path_factory.mktemp("data"), postgres_server.database())

    async def scenario() -> None:
        engines = fake_engines(steps_delay=0.05)
        async with place.jobs(engines=engines, cache_bytes=0, concurrency=4) as jobs:
            group = await jobs.submit_group("full", INPUT, count=8)
            await _reached(jobs, group.jobs[0], "refiner")
            for _ in range(2):
                await asyncio.to_thread(postgres_server.stop)
                await asyncio.sleep(1)
                await asyncio.to_thread(postgres_server.start)
                await asyncio.sleep(1)
            for job in group.jobs:
                _done_once(jobs, await _patient(jobs, job))

    run(scenario())


async def _patient(jobs: JobExecutor, job: Job) -> Job:
    """Wait for a job through connections that break."""
    for _ in range(20):
        try:
            return await jobs.wait(job.id, 60)
        except TimeoutError:
            raise
        except Exception:
            await asyncio.sleep(0.5)
    raise AssertionError("the database did not come back")


def test_a_database_locked_by_another_program_is_waited_for(here: Place) -> None:
    async def scenario() -> None:
        async with here.jobs(engines=fake_engines(steps_delay=0.05), cache_bytes=0) as jobs:
            job = await jobs.submit("full", INPUT)
            await _reached(jobs, job, "refiner")
            other = sqlite3.connect(here.data / "ninefold.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(3)
            other.execute("ROLLBACK")
            other.close()
            _done_once(jobs, await jobs.wait(job.id, 60))

    run(scenario())


def test_a_database_that_stays_locked_is_reported_and_stores_nothing(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)

    async def scenario() -> None:
        async with here.jobs(worker=False):
            pass
        other = sqlite3.connect(here.data / "ninefold.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="Another program holds it"):
            async with here.jobs():
                pass
        async with here.jobs(worker=False) as jobs:
            with pytest.raises(StorageError, match="Another program holds it"):
                await jobs.submit("draft", INPUT)
            assert list((here.data / "jobs").glob("*")) == []
        other.execute("ROLLBACK")
        other.close()
        async with here.jobs() as jobs:
            job = await jobs.wait((await jobs.submit("draft", INPUT)).id, 60)
            assert job.status == "succeeded", job.error

    run(scenario())


def test_a_database_that_can_only_be_read_is_reported(here: Place) -> None:
    here.data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(here.data)]
    if os.name == "nt" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("cannot mount a file system here")

    async def scenario() -> None:
        async with here.jobs(worker=False):
            pass
        subprocess.run(["mount", "-o", "remount,ro", str(here.data)], check=True)
        for options in ({}, {"worker": False}, {"worker": False, "create": False}):
            with pytest.raises(StorageError, match=r"Change (its|the folder's) permissions"):
                async with here.jobs(**options) as jobs:
                    await jobs.submit("draft", INPUT)

    try:
        run(scenario())
    finally:
        subprocess.run(["umount", str(here.data)], check=True)


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    real = time.time

    async def scenario() -> None:
        async with place.jobs(engines=fake_engines(steps_delay=0.1), cache_bytes=0) as jobs:
            first = await jobs.submit("full", INPUT)
            await _reached(jobs, first, "refiner")
            monkeypatch.setattr(time, "time", lambda: real() + days * 86400)
            second = await jobs.submit("full", {**INPUT, "seed": 8})
            for job in (first, second):
                job = await jobs.wait(job.id, 60)
                _done_once(jobs, job)
                assert set(job.attempts.values()) == {1}

    run(scenario())
