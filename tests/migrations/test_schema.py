"""Migrations: they make what the code declares, wholly or not at all, once, and never backwards."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import ninefold.server
from ninefold.core.errors import StorageError
from ninefold.jobs import dbos_adapter
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.listing import JOBS, describe
from ninefold.jobs.schema import HEAD, MIGRATIONS
from ninefold.jobs.search import JobFilter
from ninefold.jobs.store import JobStore
from ninefold.jobs.tables import FORMER_SCHEMA, TABLES
from ninefold.server.keys import Keys
from tests.forked import ROOT, Forked
from tests.jobs.conftest import Place
from tests.migrations.folders import OldFolder
from tests.support import run

#: Opens a database, and stops in the last migration of our tables for somebody to kill it.
CUT = """
import sys, time
from pathlib import Path
import alembic.op
def stop(*_, **__):
    print("half way", flush=True)
    time.sleep(600)
alembic.op.drop_table = stop
"""
#: Opens a database, and waits for SIGUSR1 in the migration that drops a table.
PAUSED = """
import signal, sys
from pathlib import Path
import alembic.op
drop = alembic.op.drop_table
def drop_and_wait(*arguments, **options):
    drop(*arguments, **options)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    print("dropped", flush=True)
    signal.sigwait([signal.SIGUSR1])
alembic.op.drop_table = drop_and_wait
"""
OPEN = """
import sys
from pathlib import Path
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.listing import JOBS, describe
connect(database_url(Path(sys.argv[1]), sys.argv[2] or None), create=True).dispose()
print("opened", flush=True)
"""


def opened(place: Place) -> sa.Engine:
    place.data.mkdir(exist_ok=True)
    return connect(database_url(place.data, place.database), create=True)


def opening(place: Place, before: str = "") -> Forked:
    """A process that opens the database, after the code `before`."""
    place.data.mkdir(exist_ok=True)
    command = ["-c", before + OPEN, str(place.data), place.database or ""]
    return Forked(command, stdout=subprocess.PIPE)


def revisions() -> list[str]:
    """The migrations that there are, the oldest first."""
    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def ids(old: OldFolder) -> set[str]:
    """Ids of all jobs that the folder's database is read to hold."""

    async def listed() -> set[str]:
        async with old.place.jobs(worker=False) as jobs:
            return {job.id for job in await jobs.list(limit=None)}

    return run(listed())


def waits_for_a_lock(old: OldFolder) -> bool:
    """Whether any process waits in PostgreSQL for what another one holds."""
    waiting = (
        "SELECT pid FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(old.execute(waiting)[0])


def check_tables(place: Place) -> None:
    """The database has all tables that any module declares, exactly so, and no others of ours."""
    for module in pkgutil.walk_packages(ninefold.server.__path__, "ninefold.server."):
        importlib.import_module(module.name)
    own = {"include_name": lambda name, kind, _: kind != "table" or name in TABLES.tables}
    engine = opened(place)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=own)
            assert compare_metadata(context, TABLES) == []
            found = set(sa.inspect(connection).get_table_names())
    finally:
        engine.dispose()
    ours = {name for name in found if name.startswith("ninefold_")}
    # Each database has the words of jobs its own way; SQLite keeps them in several tables.
    words = {name for name in ours if name.startswith("ninefold_job_words")}
    assert "ninefold_job_words" in words
    assert ours - words == {*TABLES.tables, "ninefold_migrations"}


def revision(place: Place) -> object:
    """The newest migration that the database notes."""
    return OldFolder(place, {}).execute("SELECT version_num FROM ninefold_migrations")[0][0][0]


def test_migrations_are_numbered_and_the_newest_is_the_head() -> None:
    found = revisions()
    assert found == [f"{number:04}" for number in range(1, len(found) + 1)]
    assert found[-1] == HEAD
    files = sorted(path.name[:5] for path in (MIGRATIONS / "versions").glob("*.py"))
    assert files == [f"m{number}" for number in found]


def test_migrations_make_what_the_code_declares(place: Place) -> None:
    check_tables(place)


def test_an_old_folder_gets_the_same_tables(old: OldFolder) -> None:
    check_tables(old.place)


def test_a_folder_that_no_server_opened_yet_gets_what_it_lacks(old: OldFolder) -> None:
    others = ("ninefold_workers", "ninefold_schema")
    served = [name for name in TABLES.tables if name not in others and old.has(name)]
    old.execute(*(f"DROP TABLE {name}" for name in (*served, "ninefold_layouts")))
    engine = opened(old.place)
    try:
        keys = Keys(engine)
        _, token = keys.create("a shop", ["submit"])
        assert keys.find(token) is not None
    finally:
        engine.dispose()
    assert set(old.jobs.values()) <= ids(old)


def test_jobs_of_an_old_folder_are_listed_as_new_ones_are(old: OldFolder) -> None:
    """The migration works rows out by itself: as the code does that writes them today."""
    engine = opened(old.place)
    store = JobStore(engine, old.place.data)
    try:
        jobs = store.jobs()
        for job in jobs:
            spec = store.job_and_spec(job.id)[1]
            known = describe(spec, [item.record for item in store.done(job.id, spec)])
            with engine.connect() as connection:
                row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job.id)).one()
            assert {name: row._mapping[name] for name in known.fields} == known.fields
            assert (row.owner, row.group_id, row.parent) == (job.owner, job.group, job.parent)
            assert row.ended == (job.status if job.ended else None)
            assert known.words
            for word in known.words:
                assert job.id in store.search.page(JobFilter(text=word), 100).ids
        newest_first = store.search.page(JobFilter(), 100).ids
        assert newest_first == [job.id for job in jobs]
    finally:
        store.close()
        engine.dispose()


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ("UPDATE ninefold_migrations SET version_num = '9999'", "migration 9999"),
        ("UPDATE {dbos}dbos_migrations SET version = 9999", "DBOS migration 9999"),
    ],
)
def test_a_newer_database_is_refused_untouched(place: Place, change: str, got: str) -> None:
    opened(place).dispose()
    folder = OldFolder(place, {})
    folder.execute(change.format(dbos="" if place.database is None else "dbos."))
    before = folder.execute(f"SELECT * FROM {FORMER_SCHEMA.name}")
    with pytest.raises(StorageError, match="Upgrade ninefold") as caught:
        opened(place)
    assert got in str(caught.value)
    assert folder.execute(f"SELECT * FROM {FORMER_SCHEMA.name}") == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ninefold_schema SET version = 7",
        "UPDATE ninefold_layouts SET version = 7 WHERE name = 'keys'",
    ],
)
def test_unknown_layouts_of_versions_without_migrations_are_refused(
    old: OldFolder, change: str
) -> None:
    old.execute(change)
    with pytest.raises(StorageError, match="expected tables up to layout 1, got layout 7"):
        opened(old.place)
    assert not old.has("ninefold_migrations")


def test_versions_without_migrations_refuse_what_was_migrated(old: OldFolder) -> None:
    """They know the number 1 alone."""
    assert old.execute("SELECT version FROM ninefold_schema") == [[(1,)]]
    opened(old.place).dispose()
    assert old.execute("SELECT version FROM ninefold_schema") == [[(2,)]]


def test_a_migration_cut_by_kill_9_changes_nothing_and_is_done_by_the_next(old: OldFolder) -> None:
    with opening(old.place, CUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.kill()
    assert not old.has("ninefold_migrations")
    assert old.execute("SELECT version FROM ninefold_schema") == [[(1,)]]
    assert old.has("ninefold_layouts")
    assert set(old.jobs.values()) <= ids(old)
    assert revision(old.place) == HEAD
    assert not old.has("ninefold_layouts")


def test_a_new_database_cut_by_kill_9_is_made_by_the_next(place: Place) -> None:
    with opening(place, CUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.kill()
    opened(place).dispose()
    assert revision(place) == HEAD


@pytest.mark.parametrize("fresh", [True, False])
def test_processes_that_start_at_once_migrate_it_once(
    old: OldFolder, tmp_path: Path, fresh: bool
) -> None:
    place = old.place
    if fresh:
        place = Place(tmp_path / "fresh", place.database)
        if place.database is not None:
            old.execute("DROP SCHEMA dbos CASCADE", "DROP SCHEMA public CASCADE")
            old.execute("CREATE SCHEMA public")
    processes = [opening(place) for _ in range(3)]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert printed == ["opened\n"] * 3
    assert revision(place) == HEAD
    assert OldFolder(place, {}).execute("SELECT version FROM ninefold_schema") == [[(2,)]]


def test_a_table_that_is_dropped_while_another_process_looks_into_it(old: OldFolder) -> None:
    with opening(old.place, PAUSED) as migrating:
        assert migrating.stdout is not None
        assert migrating.stdout.readline() == "dropped\n"
        with opening(old.place) as looking:
            if old.place.database is not None:  # SQLite's readers wait for nobody
                while not waits_for_a_lock(old):
                    assert looking.poll() is None
                    time.sleep(0.05)
            migrating.send_signal(signal.SIGUSR1)
            assert looking.communicate(timeout=120)[0] == "opened\n"
        assert migrating.communicate(timeout=120)[0] == "opened\n"
    assert revision(old.place) == HEAD


def test_alembic_is_not_imported_where_nothing_is_to_migrate(here: Place) -> None:
    check = "assert 'alembic' not in sys.modules, 'alembic was imported'\n"
    for before, fails in (("", True), ("", False)):  # the first makes the tables
        command = [sys.executable, "-c", before + OPEN + check, str(here.data), ""]
        here.data.mkdir(exist_ok=True)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ("alembic was imported" in done.stderr) is fails, done.stderr


def test_tables_of_dbos_are_migrated_by_dbos(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that an older DBOS made is brought on, though ours are as they should be."""
    opened(here).dispose()
    called: list[str] = []
    monkeypatch.setattr(dbos_adapter, "newest_layout", lambda _: 10_000)
    monkeypatch.setattr(dbos_adapter, "migrate", lambda _: called.append("dbos"))
    opened(here).dispose()
    assert called == ["dbos"]
