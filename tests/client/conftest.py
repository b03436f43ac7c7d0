"""Clients of a service that runs, or that answers by a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from ninefold import Client
from ninefold.client import flows
from tests.client.clients import Blocking, Script
from tests.server.process import ServerProcess


@pytest.fixture(params=[Client, Blocking])
def client(request: pytest.FixtureRequest, running: ServerProcess) -> Iterator[Client]:
    """Either client, of the service that a module has `running`."""
    found = request.param(running.url)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "FIRST_WAIT", 0.01)


@pytest.fixture(params=[Client, Blocking])
def scripted(request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[Client, Script]]]:
    made: list[Any] = []

    def make(*answers: httpx2.Response | Exception) -> tuple[Client, Script]:
        script = Script(*answers)
        made.append(request.param("http://service.example", key="nf_x", transport=script))
        return made[-1], script

    yield make
    for client in made:
        client.close()
