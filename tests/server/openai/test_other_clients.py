"""Clients that others wrote, unmodified, against a server process over the fake engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.server.clients.run import needs_node_clients, needs_python_clients, run
from tests.server.doors import Served, opened, served

NAMES = ("dall-e-2", "dall-e-3", "gpt-image-1")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"NINEFOLD_OPENAI_MODELS": ",".join(f"{name}=poster" for name in NAMES)}
    with served(tmp_path_factory.mktemp("openai"), environment=environment) as found:
        yield found


@pytest.fixture
def variables(here: Served) -> dict[str, str]:
    """Where the clients look for a server and a key."""
    names = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
    return {"OPENAI_API_KEY": here.key, **dict.fromkeys(names, f"{here.url}/v1")}


def size_of(file: Path | str) -> tuple[int, int]:
    return opened(Path(file).read_bytes()).size


def size_at(url: str) -> tuple[int, int]:
    return opened(httpx.get(url).content).size


@needs_node_clients
def test_openai_for_node(variables: dict[str, str], tmp_path: Path) -> None:
    *models, error = run("openai_node.mjs", str(tmp_path), environment=variables).splitlines()
    assert size_of(tmp_path / "made.png") == size_of(tmp_path / "edited.png") == (512, 512)
    assert size_of(tmp_path / "streamed.png") == (256, 256)
    assert models == ["poster", *NAMES]
    assert error == "BadRequestError 400 invalid_request_error size"


@needs_node_clients
def test_the_ai_sdk(variables: dict[str, str], tmp_path: Path) -> None:
    reported = run("ai_sdk.mjs", str(tmp_path), environment=variables)
    sizes = [size_of(tmp_path / f"{name}.png") for name in ("made-0", "made-1", "edited")]
    assert sizes == [(512, 512)] * 3
    assert reported.startswith("size: expected WIDTHxHEIGHT")


@needs_python_clients
def test_langchains_wrapper(variables: dict[str, str]) -> None:
    url = run("langchain_dalle.py", environment=variables).strip()
    assert size_at(url) == (512, 512)


@needs_python_clients
def test_llamaindex_tool(variables: dict[str, str], tmp_path: Path) -> None:
    url, file = run("llamaindex_tool.py", str(tmp_path), environment=variables).splitlines()
    assert size_at(url) == (1024, 1024)
    assert size_of(file) == (512, 512)


@needs_python_clients
def test_litellm(variables: dict[str, str], tmp_path: Path) -> None:
    # It would ask the internet what pictures cost.
    local = variables | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    reported = run("litellm_images.py", str(tmp_path), environment=local)
    assert size_of(tmp_path / "made.png") == size_of(tmp_path / "edited.png") == (512, 512)
    assert "size: expected WIDTHxHEIGHT" in reported
