"""Ctrl-C, kill -9 and a full disk, in a process of its own, and how the run goes on."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ninefold.cli.interrupt import cancelled_by_interrupt
from tests.cli.conftest import Cli
from tests.forked import Forked
from tests.support import files_in

SLOW = """
import sys
from ninefold.cli import main
from ninefold.testing import fake_engines
sys.exit(main(engines=fake_engines(steps_delay=0.3)))
"""


def started(folder: Path, *arguments: object) -> Forked:
    """The command line over slow fake engines, as a process."""
    return Forked(
        ["-c", SLOW, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(process: Forked, stage: str) -> str:
    """Read stderr until `stage` has finished; returns what was read."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if f"] {stage}" in line:
            return seen
    raise AssertionError(f"{stage} never finished: {seen}")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Forked]:
    """A run of which the refiner is at work."""
    process = started(tmp_path, "run", "a red house", "--seed", 7, "--json")
    try:
        wait_for(process, "text_to_image")
        time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.communicate()


def only_run(folder: Path) -> Path:
    (found,) = (folder / "ninefold-out").iterdir()
    return found


def test_ctrl_c_keeps_what_was_made_and_says_how_to_go_on(
    running: Forked, tmp_path: Path, cli: Cli
) -> None:
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert json.loads(out)["status"] == "cancelled"
    folder = only_run(tmp_path)
    assert f"ninefold run --resume {folder.relative_to(tmp_path)}" in err
    assert "generated.png" in err
    resumed = cli("run", "--resume", folder, "--json")
    assert resumed.code == 0
    assert resumed.err.count("done before") == 2
    assert same_images(resumed.document, cli("run", "a red house", "--seed", 7, "--json").document)


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    process = started(tmp_path, "run", "a house", "--set", "text_to_image.steps=200", "--quiet")
    while not list(tmp_path.glob("ninefold-out/*/context.json")):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


class _Interrupted(io.RawIOBase):
    """Takes what is written, while somebody presses Ctrl-C."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.taken:
            signal.raise_signal(signal.SIGINT)
        self.taken += bytes(data)
        return len(data)


def test_ctrl_c_in_the_middle_of_a_line_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _Interrupted()

    async def work() -> None:
        with cancelled_by_interrupt():
            print("prompt is done", file=sys.stderr, flush=True)
            await asyncio.sleep(60)

    stderr = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    monkeypatch.undo()
    assert raw.taken.startswith(b"prompt is done\n")
    assert b"Stopping after the current step" in raw.taken


def test_kill_leaves_a_run_that_can_be_resumed(running: Forked, tmp_path: Path, cli: Cli) -> None:
    running.kill()
    running.communicate()
    folder = only_run(tmp_path)
    assert json.loads((folder / "context.json").read_text())["completed"] == [
        "prompt",
        "text_to_image",
    ]
    resumed = cli("run", "--resume", folder, "--json")
    assert resumed.code == 0
    assert same_images(resumed.document, cli("run", "a red house", "--seed", 7, "--json").document)


def test_ctrl_c_among_several_images_says_how_many_are_left(tmp_path: Path) -> None:
    steps = ("--set", "text_to_image.steps=200")
    process = started(tmp_path, "run", "a house", "--preset", "draft", "--count", 10, *steps)
    seen = wait_for(process, "prompt")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "2 of 10 images were not begun." in err  # eight were at work, which all ended
    assert (seen + err).count("ninefold run --resume") == 8
    assert "Traceback" not in err


def same_images(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether two runs made the same images in every stage."""

    def hashes(document: dict[str, object]) -> dict[str, str]:
        artifacts = document["artifacts"]
        assert isinstance(artifacts, list)
        found = {item["name"]: item["sha256"] for item in artifacts}
        return {name: digest for name, digest in found.items() if name.startswith("generated")}

    return len(hashes(one)) == 6 and hashes(one) == hashes(other)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 KiB; needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if os.name == "nt" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_while_running(small_disk: Path, cli: Cli) -> None:
    failed = cli("run", "a house", "--out", small_disk)
    assert failed.code == 1
    assert "No space left on device" in failed.err
    assert "Free some space" in failed.err
    assert "Traceback" not in failed.err
    names = files_in(small_disk)
    assert not any(name.endswith((".part", "error.txt")) for name in names)
    folder = next(small_disk.iterdir())
    json.loads((folder / "context.json").read_text())
    moved = small_disk.parent / "moved"
    subprocess.run(["cp", "-r", folder, moved], check=True)
    assert cli("run", "--resume", moved).code == 0


def test_a_disk_that_is_full_before_the_run(small_disk: Path, cli: Cli) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                break
    refused = cli("run", "a house", "--out", small_disk)
    assert refused.code == 2
    assert "No space left on device" in refused.err
    assert files_in(small_disk) == {"filler"}


def test_a_read_only_disk(small_disk: Path, cli: Cli) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused = cli("run", "a house", "--out", small_disk / "here")
    assert refused.code == 2
    assert "Read-only file system" in refused.err
