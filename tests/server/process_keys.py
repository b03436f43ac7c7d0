"""The keys of a server that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ninefold.jobs.database import connect, database_url
from ninefold.server.keys import Keys


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def keys(data: Path) -> Iterator[Keys]:
    """Keys as another process makes and revokes them."""
    engine = connect(database_url(data, None), create=True)
    yield Keys(engine)
    engine.dispose()
