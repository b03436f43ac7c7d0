"""A short run of the fuzzer; `make fuzz` runs the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readers.fuzz import KINDS, fuzzed

ROOT = Path(__file__).resolve().parents[2]


def test_hostile_files_are_described_or_refused(tmp_path: Path) -> None:
    """In a process of its own, whose memory is measured."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.readers.fuzz", "--files", "60"]
    done = subprocess.run(
        [*command, "--keep", str(tmp_path / "kept")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 files: " in done.stdout


@pytest.mark.parametrize("seed", range(0, len(KINDS), 3))
def test_files_are_the_same_every_time(seed: int) -> None:
    assert fuzzed(seed) == fuzzed(seed)
