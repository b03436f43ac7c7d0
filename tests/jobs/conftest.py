"""Both databases for every test that asks for one; PostgreSQL's server starts once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninefold.config import PipelineConfig
from ninefold.jobs import JobExecutor
from ninefold.testing import fake_engines
from tests.jobs import postgres

NINE = (
    "prompt",
    "text_to_image",
    "refiner",
    "detailer",
    "upscaler",
    "restorer",
    "finisher",
    "inspector",
    "publisher",
)
INPUT = {"prompt": "a red house", "seed": 7}
#: For jobs of which the bytes are compared: signatures hold times and random numbers.
UNSIGNED = PipelineConfig.preset("full").with_settings(["publisher.sign=false"])


@dataclass(frozen=True)
class Place:
    """A data folder, and the URL of its database where that is not in the folder."""

    data: Path
    database: str | None

    def jobs(self, **options: Any) -> JobExecutor:
        """An executor here, with fake engines where none are given."""
        return JobExecutor(self.data, self.database, **{"engines": fake_engines(), **options})


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    # A socket's path may be 107 bytes long, which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="nf-pg-"))
    try:
        with postgres.server(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for jobs, on each database in turn."""
    if request.param == "sqlite":
        return Place(tmp_path / "data", None)
    server: postgres.Server = request.getfixturevalue("postgres_server")
    return Place(tmp_path / "data", server.database())


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """An empty place for jobs on SQLite."""
    return Place(tmp_path / "data", None)
