"""The disk fills up under a job: its page says so, and goes on once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.server.process import server
from tests.studio.conftest import Studio
from tests.studio.test_lasting import painting


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.name == "nt" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write until nothing more can be."""
    with file.open("wb", buffering=0) as found:
        try:
            while True:
                found.write(bytes(65536))
        except OSError:
            return


def test_a_full_disk_is_told_and_the_job_goes_on_once_there_is_room(
    studio_of: Callable[[str], Studio], disk: Path
) -> None:
    with server(disk, engines={"steps_delay": 1.0}) as process:
        studio = studio_of(process.url)
        studio.expected.append("Failed to load resource")
        page = studio.page()
        painting(page)
        job = page.url
        fill(disk / "full")
        expect(page.get_by_role("alert")).to_contain_text("Free some space")
        beside = studio.page()
        beside.get_by_label("Prompt", exact=True).fill("a boat")
        beside.get_by_role("button", name="Paint").click()
        paint = beside.get_by_role("region", name="Paint", exact=True)
        expect(paint.get_by_role("alert")).to_contain_text("Not now: all is kept here")
        beside.goto(f"{studio.url}/studio/queue")
        expect(beside.get_by_role("alert")).to_contain_text("Nothing goes on for now")
        (disk / "full").unlink()
        expect(page.get_by_text("succeeded")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.get_by_role("img", name="Published: a red house")).to_be_visible()
        beside.goto(f"{studio.url}/studio/")
        beside.get_by_role("button", name="Paint").click()
        beside.wait_for_url("**/studio/jobs/*")
        assert beside.url != job
        expect(beside.get_by_text("succeeded")).to_be_visible()
        studio.close()
