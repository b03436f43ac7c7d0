"""Workers that announced themselves before a migration go on after it, known by name alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from ninefold._version import __version__
from ninefold.jobs import dbos_adapter
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.leases import Lease, WorkerProcess, known_workers, locks_for
from ninefold.jobs.schema import MIGRATIONS
from tests.jobs.conftest import Place
from tests.migrations.folders import OldFolder

#: What versions up to migration 0006 write and read.
BEAT = (
    "UPDATE ninefold_workers SET beat=(ninefold_workers.beat + 1) WHERE ninefold_workers.id = :id"
)
ANNOUNCE = "INSERT INTO ninefold_workers (id, beat) VALUES (:id, 0)"
PULSES = "SELECT ninefold_workers.id, ninefold_workers.beat FROM ninefold_workers ORDER BY 1"


def made_by_version(place: Place, revision: str) -> None:
    """Make the tables as they were at an earlier migration."""
    place.data.mkdir()
    engine = sa.create_engine(database_url(place.data, place.database))
    dbos_adapter.migrate(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["version_table"] = "ninefold_migrations"
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_a_worker_of_the_version_before_goes_on(place: Place) -> None:
    made_by_version(place, "0006")
    url = database_url(place.data, place.database)
    old = sa.create_engine(url, pool_size=1, isolation_level="AUTOCOMMIT")
    lease = None
    with old.connect() as worker:
        worker.execute(sa.text(ANNOUNCE), {"id": "old"})
        for _ in range(10):  # until the driver keeps the statements prepared
            worker.execute(sa.text(BEAT), {"id": "old"})
            worker.execute(sa.text(PULSES))
        engine = connect(url, create=True)
        try:
            lease = Lease(engine, locks_for(engine, place.data), "new", kind="worker")
            lease.beat()
            assert worker.execute(sa.text(BEAT), {"id": "old"}).rowcount == 1
            worker.execute(sa.text(ANNOUNCE), {"id": "old-2"})
            pulses = [tuple(row) for row in worker.execute(sa.text(PULSES))]
            assert pulses == [("new", 0), ("old", 11), ("old-2", 0)]
            known = {worker.name: worker.process for worker in known_workers(engine, place.data)}
        finally:
            if lease is not None:
                lease.release()
            engine.dispose()
    old.dispose()
    assert known["old"] == known["old-2"] == WorkerProcess()
    assert (known["new"].kind, known["new"].version) == ("worker", __version__)


def test_workers_of_an_old_folder_are_known_by_name_alone(old: OldFolder) -> None:
    engine = connect(database_url(old.place.data, old.place.database), create=False)
    try:
        known = known_workers(engine, old.place.data)
    finally:
        engine.dispose()
    assert known
    assert {(worker.alive, worker.process) for worker in known} == {(False, WorkerProcess())}
