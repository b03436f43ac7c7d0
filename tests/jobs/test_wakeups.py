"""How a worker learns of new jobs: the database says so, or the worker looks."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import sqlalchemy as sa

from ninefold import PipelineConfig
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.wakeups import LISTENED, POLL, FileWakeups, NotifiedWakeups, notify_now
from tests.jobs import postgres
from tests.jobs.conftest import Place
from tests.jobs.processes import worker
from tests.support import run

NULL = PipelineConfig.parse({"stages": [{"stage": "prompt"}]})
PROMPT = {"prompt": "a red house", "seed": 7}
#: Seconds after which a test is taken to hang.
HANG = 60.0


def test_a_file_tells_when_another_connection_has_written(tmp_path: Path) -> None:
    engine = connect(database_url(tmp_path, None), create=True)
    wakeups = FileWakeups(str(engine.url.database))
    try:
        wakeups.changed()
        assert not wakeups.changed()
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO ninefold_workers (id, beat) VALUES ('one', 0)"))
        assert wakeups.changed()
        assert not wakeups.changed()
        assert wakeups.pause() == POLL
    finally:
        wakeups.close()
        engine.dispose()


def test_a_file_that_does_not_answer_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "ninefold.db").write_bytes(b"no database at all" * 99)
    wakeups = FileWakeups(str(tmp_path / "ninefold.db"))
    assert wakeups.changed()
    assert wakeups.changed()
    wakeups.close()


def test_postgres_tells_and_is_listened_to_again_after_its_session_was_lost(
    postgres_server: postgres.Server, tmp_path: Path
) -> None:
    engine = connect(database_url(tmp_path, postgres_server.database()), create=True)
    woken = threading.Event()
    wakeups = NotifiedWakeups(engine, woken.set)

    def listening() -> None:
        for _ in range(int(HANG / 0.05)):
            if wakeups.pause() == LISTENED:
                return
            threading.Event().wait(0.05)
        raise AssertionError("nobody listens")

    def reported() -> None:
        woken.clear()
        notify_now(engine)
        assert woken.wait(HANG)

    try:
        listening()
        reported()
        woken.clear()
        with engine.connect() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
            )
        assert woken.wait(HANG)  # the dispatcher is to look by itself meanwhile
        listening()
        reported()
    finally:
        wakeups.close()
        assert not [t for t in threading.enumerate() if t.name == "ninefold-listen"]
        engine.dispose()


def test_jobs_of_another_process_start_and_those_handed_back_go_on(place: Place) -> None:
    """The worker is idle when each comes, and again when another gives its jobs back."""

    async def scenario() -> None:
        async with place.jobs(worker=False) as jobs:
            with worker(place, name="one"):
                for _ in range(3):
                    await asyncio.sleep(0.2)
                    await jobs.ended((await jobs.submit(NULL, PROMPT)).id, HANG)
                await jobs.pause()
                held = await jobs.submit(NULL, PROMPT)
                await jobs.resume()
                await jobs.ended(held.id, HANG)

    run(scenario())
