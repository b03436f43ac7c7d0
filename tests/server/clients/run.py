"""Runs client libraries of other projects in environments of their own, made by `install.sh`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
_PYTHON = FOLDER / ".venv/bin/python"
_MODULES = FOLDER / "node_modules"
#: Longest that a script may take, in seconds; its imports alone take many.
_TIMEOUT = 600

needs_python_clients = pytest.mark.skipif(
    not _PYTHON.exists(), reason="run tests/server/clients/install.sh first"
)
needs_node_clients = pytest.mark.skipif(
    shutil.which("node") is None or not _MODULES.exists(),
    reason="needs Node; then run tests/server/clients/install.sh",
)


def run(script: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run a script of this folder; returns what it printed, and fails where it fails.

    The script sees the variables of `environment`, and of this process only what programs need to
    run at all: no proxy and no key of whoever runs the tests.
    """
    program = "node" if script.endswith(".mjs") else str(_PYTHON)
    needed = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [program, str(FOLDER / script), *arguments],
        env=needed | environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    assert done.returncode == 0, f"{script}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
