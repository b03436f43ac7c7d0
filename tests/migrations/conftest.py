"""The data folder of the last version without migrations, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs import postgres
from tests.jobs.conftest import here, place, postgres_server
from tests.migrations.folders import OldFolder, unpack

__all__ = ["here", "old", "place", "postgres_server"]


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> OldFolder:
    """The folder, unpacked anew for each test."""
    server: postgres.Server | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
    return unpack("before-alembic", tmp_path, server)
