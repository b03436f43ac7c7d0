"""Clients that others wrote, unmodified, against a server process over the fake engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.clients.run import needs_node_clients, run
from tests.server.doors import Served, opened, served


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    names = "dall-e-2=poster,dall-e-3=poster,gpt-image-1=poster"
    environment = {"NINEFOLD_OPENAI_MODELS": names}
    with served(tmp_path_factory.mktemp("openai"), environment=environment) as found:
        yield found


def variables(here: Served) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{here.url}/v1", "OPENAI_API_KEY": here.key}


@needs_node_clients
def test_openai_for_node(here: Served, tmp_path: Path) -> None:
    run("openai_node.mjs", str(tmp_path), environment=variables(here))
    assert opened((tmp_path / "picture.png").read_bytes()).size == (512, 512)
