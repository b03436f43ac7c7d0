"""Progress on stderr: lines where nobody watches, a bar and a picture on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.cli.progress import Lines
from ninefold.core.events import (
    Event,
    PipelineStarted,
    Rewound,
    StageFailed,
    StageFinished,
    StageProgressed,
    StageReused,
)
from ninefold.core.values import Failure
from tests.cli.conftest import Cli
from tests.cli.test_interrupt import SLOW

EVENTS: list[Event] = [
    PipelineStarted("job", ("prompt", "text_to_image", "refiner", "inspector")),
    StageReused("prompt"),
    StageProgressed("text_to_image", 1, 4),
    StageFinished("text_to_image", {"duration_ms": 1234.5}, ("generated.png",)),
    StageFailed("refiner", Failure("no"), skipped=True),
    StageFinished("inspector", {"duration_ms": 5000.0, "waited_ms": 32800.0, "load_ms": 0.4}, ()),
    StageFinished("inspector", {"duration_ms": 5000.0, "load_ms": 2100.0}, ()),
    Rewound("text_to_image", "inspector"),
    StageFailed("inspector", Failure("no"), skipped=False),
]


def test_a_line_for_each_stage_that_ends() -> None:
    lines: list[str] = []
    observer = Lines(lines.append, "image 1 of 2")
    for event in EVENTS:
        observer(event)
    assert lines == [
        "image 1 of 2: job",
        "[1/4] prompt          done before",
        "[2/4] text_to_image   1.2 s  generated.png",
        "[3/4] refiner         skipped",
        "[4/4] inspector       5.0 s (waited 32.8 s)",
        "[4/4] inspector       5.0 s (model loaded in 2.1 s)",
        "inspector sent the image back: once more from text_to_image",
    ]


def test_quiet_says_nothing_but_errors(cli: Cli) -> None:
    assert cli("run", "a house", "--preset", "draft", "--quiet").err == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar_and_the_picture(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm-kitty", "COLUMNS": "100"}
    command = [sys.executable, "-c", SLOW, "run", "a red house", "--preset", "draft"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = read_all(ours).decode()
        assert process.stdout is not None
        listed = process.stdout.read().decode()
    os.close(ours)
    assert process.returncode == 0
    assert "[2/3] text_to_image" in shown
    assert "step 2 of 4" in shown
    assert "\x1b_Gf=100" in shown
    assert listed.startswith("ninefold-out")
    assert "\x1b" not in listed


def read_all(handle: int) -> bytes:
    """What a pseudo-terminal shows until its other end is closed."""
    shown = b""
    try:
        while chunk := os.read(handle, 65536):
            shown += chunk
    except OSError:  # how Linux says that it was closed
        pass
    return shown
