"""Runs the command line in this process, over the fake engines."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninefold.cli import main
from ninefold.engines.engine_set import EngineSet
from ninefold.testing import fake_engines

# DBOS would keep the stderr of the first test that runs a worker, which is closed after it.
logging.getLogger("dbos").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON on stdout: exactly one value."""
        return json.loads(self.out)

    @property
    def files(self) -> list[Path]:
        """The paths on stdout, one a line."""
        return [Path(line) for line in self.out.splitlines()]


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cli("run", "a red house", engines=...)`, in an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: object, engines: EngineSet | None = None) -> Outcome:
        capsys.readouterr()
        code = main([str(item) for item in argv], engines=engines or fake_engines())
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run
