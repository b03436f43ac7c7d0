"""The pages on client packages show what works: their programs run against a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import ROOT
from tests.server.doors import Served, served

PAGES = ("openai-client.md", "a1111-clients.md", "call-from-python.md", "curl.md", "browser.md")
_BLOCK = re.compile(r"^```(py|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("howto"), engines={"steps_delay": 0.02}) as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_works(page: str, here: Served, tmp_path: Path) -> None:
    text = (ROOT / "docs/howto" / page).read_text(encoding="utf-8")
    programs = [
        (kind, body)
        for kind, body in _BLOCK.findall(text)
        if "NINEFOLD_KEY" in body or kind == "py"
    ]
    assert len(programs) >= 2
    for kind, body in programs:
        body = re.sub(r"http://127\.0\.0\.1:\d+", here.url, body)
        body = body.replace("port=7860", f"port={here.port}")
        command = [sys.executable, "-c", body] if kind == "py" else ["bash", "-ec", body]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "NINEFOLD_KEY": here.key},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{body}\n{done.stdout[-500:]}\n{done.stderr}"
