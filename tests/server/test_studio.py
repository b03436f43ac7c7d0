"""The studio's files: how they are sent, and what stands where there is no build."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from ninefold.server import problems
from ninefold.server.http_forms import RequestForms
from ninefold.server.studio import StudioPart
from ninefold.settings import Settings
from tools.openapi import FILE, document

PAGE = b"<!doctype html><title>ninefold</title>" + b" " * 100
SCRIPT = b"export const answer = 42;\n" * 20


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(PAGE)
    (tmp_path / "assets" / "index-1.js").write_bytes(SCRIPT)
    return tmp_path


@pytest.fixture
def client_of() -> Callable[[Path], TestClient]:
    def make(folder: Path) -> TestClient:
        app = FastAPI()
        problems.install(app, {})
        app.add_middleware(RequestForms)
        part = StudioPart(folder)
        part.install(app, Settings())
        app.include_router(part.router)
        return TestClient(app)

    return make


@pytest.mark.parametrize(
    "path", ["", "/", "/jobs/20261128-1", "/library/", "/..%2f..%2fetc/passwd"]
)
def test_every_place_of_the_app_is_its_page(
    client_of: Callable[[Path], TestClient], build: Path, path: str
) -> None:
    answer = client_of(build).get(f"/studio{path}")
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_assets_are_kept_for_ever_and_sent_compressed(
    client_of: Callable[[Path], TestClient], build: Path
) -> None:
    client = client_of(build)
    answer = client.get("/studio/assets/index-1.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(gzip.compress(SCRIPT, mtime=0))
    assert answer.content == SCRIPT
    assert "immutable" in answer.headers["cache-control"]
    plain = client.get("/studio/assets/index-1.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    again = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/studio/assets/index-1.js", headers=again).status_code == 304


def test_an_asset_of_another_build_is_not_the_page(
    client_of: Callable[[Path], TestClient], build: Path
) -> None:
    answer = client_of(build).get("/studio/assets/index-0.js")
    assert answer.status_code == 404
    assert "Load it again" in answer.json()["detail"]


def test_without_a_build_a_page_says_how_to_get_one(
    client_of: Callable[[Path], TestClient], tmp_path: Path
) -> None:
    client = client_of(tmp_path / "none")
    answer = client.get("/")  # to the studio
    assert answer.url.path == "/studio/"
    assert "make studio" in answer.text
    assert "<script" not in answer.text


def test_the_types_of_the_studio_are_made_from_the_api_as_it_is() -> None:
    assert FILE.read_text(encoding="utf-8") == document(), "run: make docs"
