"""The GPU bench, on a machine that may have none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_a_dry_run_paints_the_bytes_of_plain_diffusers_with_tiny_models() -> None:
    command = [sys.executable, "-m", "bench.gpu", "--dry-run", "--rounds", "1", "--models", "SDXL"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "same bytes yes" in run.stdout
    assert "stages of full beside sampling" in run.stdout
