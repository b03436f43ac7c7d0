"""The service in this process, over the fake engines: one client a test, and keys for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from ninefold.engines.engine_set import EngineSet
from ninefold.jobs.database import FILE_NAME, connect, database_url
from ninefold.server import create_app
from ninefold.server.keys import Scope
from ninefold.server.service import Service
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.support import picture

# DBOS would keep the stderr of the first test that runs a worker, which is closed after it.
logging.getLogger("dbos").addHandler(logging.NullHandler())

#: A job of the fake engines, done in an instant.
JOB: dict[str, Any] = {"preset": "draft", "input": {"prompt": "a red house", "seed": 7}}


@dataclass(frozen=True)
class Door:
    """A running service, and clients of it."""

    app: Any
    client: TestClient

    @property
    def service(self) -> Service:
        """What the routes work with."""
        service: Service = self.app.state.service
        return service

    def key(self, *scopes: Scope, **limits: Any) -> str:
        """The text of a new key; by default it may submit and read."""
        return self.service.keys.create("test", scopes or ("submit", "read"), **limits)[1]

    def headers(self, *scopes: Scope, **limits: Any) -> dict[str, str]:
        """Headers that carry a new key."""
        return {"Authorization": f"Bearer {self.key(*scopes, **limits)}"}

    def submit(self, document: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Submit a job that must be accepted."""
        answer = self.client.post("/v1/jobs", json=document or JOB, **options)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def done(self, document: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Submit a job and follow it to its end."""
        job = self.submit(document, **options)
        self.client.get(job["links"]["events"], **options)  # ends with the job
        found: dict[str, Any] = self.client.get(job["links"]["self"], **options).json()
        assert found["status"] == "succeeded", found
        return found

    def upload(self, data: bytes | None = None, kind: str = "image", **options: Any) -> str:
        """Send an image that must be accepted; its id."""
        answer = self.client.post(
            "/v1/uploads",
            files={"file": ("picture.png", png() if data is None else data)},
            data={"kind": kind},
            **options,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


Open = Callable[..., Door]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without jobs, to be copied: most of a service's start is to make one."""
    folder = tmp_path_factory.mktemp("empty-database")
    connect(database_url(folder, None), create=True).dispose()
    return folder / FILE_NAME


@pytest.fixture
def open_door(tmp_path: Path, empty_database: Path) -> Iterator[Open]:
    """`open_door(worker=False, ...)`: a running service in a folder of its own."""
    data = tmp_path / "data"
    data.mkdir()
    copyfile(empty_database, data / FILE_NAME)
    with ExitStack() as stack:

        def opened(engines: EngineSet | None = None, **settings: Any) -> Door:
            chosen = Settings(**{"data": data, **settings})
            app = create_app(chosen, engines=engines or fake_engines())
            client = local_client(app)
            stack.enter_context(client)
            return Door(app, client)

        yield opened


@pytest.fixture
def door(open_door: Open) -> Door:
    """A service with a worker and no keys."""
    return open_door()


@pytest.fixture
def idle(open_door: Open) -> Door:
    """A service without a worker: its jobs stay queued."""
    return open_door(worker=False)


def local_client(app: Any) -> TestClient:
    """A client on the server's own machine."""
    return TestClient(
        app,
        base_url="http://localhost",
        raise_server_exceptions=False,
        client=("127.0.0.1", 50000),
    )


def png(width: int = 64, height: int = 48, seed: int = 9) -> bytes:
    """A picture as a PNG file."""
    file = BytesIO()
    Image.fromarray(picture(width, height, seed)).save(file, "PNG")
    return file.getvalue()
