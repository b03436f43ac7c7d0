"""Data folders that earlier versions wrote, unpacked for a test."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from tests.jobs import postgres
from tests.jobs.conftest import Place
from tests.migrations.write_data_folder import ARCHIVES


@dataclass(frozen=True)
class OldFolder:
    """A data folder as an earlier version left it, with what lies in it."""

    place: Place
    expected: dict[str, Any] = field(repr=False)

    @property
    def jobs(self) -> dict[str, str]:
        """Ids of jobs by what became of them."""
        found: dict[str, str] = self.expected["jobs"]
        return found

    def execute(self, *statements: str) -> list[list[Any]]:
        """Run SQL as nobody of ninefold does; the rows of each statement."""
        database = self.place.database
        url = (
            sa.URL.create("sqlite", database=str(self.place.data / "ninefold.db"))
            if database is None
            else sa.make_url(database).set(drivername="postgresql+psycopg")
        )
        engine = sa.create_engine(url)
        try:
            with engine.begin() as connection:
                done = [connection.execute(sa.text(statement)) for statement in statements]
                return [list(result) if result.returns_rows else [] for result in done]
        finally:
            engine.dispose()

    def has(self, table: str) -> bool:
        """Whether the database has a table of our own."""
        catalogue = (
            "SELECT name FROM sqlite_master"
            if self.place.database is None
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return (table,) in [tuple(row) for row in self.execute(catalogue)[0]]


def unpack(name: str, folder: Path, server: postgres.Server | None) -> OldFolder:
    """The folder `name` on SQLite, or on a database of `server`."""
    kind = "sqlite" if server is None else "postgresql"
    with tarfile.open(ARCHIVES / f"{name}-{kind}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    data = folder / "data"
    database = None
    if server is not None:
        database = server.database()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute((data / "database.sql").read_bytes())
    return OldFolder(Place(data, database), json.loads((data / "expected.json").read_text()))
