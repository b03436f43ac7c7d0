"""Help and plain imports stay quick: they load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "diffusers", "transformers", "onnxruntime"),
    *("numpy", "PIL", "rich", "dbos", "sqlalchemy", "pydantic"),
)
PROBE = """
import sys
{code}
print("loaded:", *(name for name in {heavy} if name in sys.modules), file=sys.stderr)
"""
MAIN = """
from ninefold.cli import main
assert main({argv}) == 0
"""


def loaded(code: str, heavy: tuple[str, ...] = HEAVY) -> str:
    """Which heavy modules a fresh process has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code, heavy=heavy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("loaded:")[2].strip()


def test_import_loads_nothing_heavy() -> None:
    assert loaded("import ninefold") == ""


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["jobs", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    assert loaded(MAIN.format(argv=argv), HEAVY[:-1]) == ""  # typer itself may load pydantic


@pytest.mark.parametrize(
    "argv",
    [["stages"], ["models"], ["doctor"], ["run", "a house", "--dry-run"], ["config", "schema"]],
)
def test_nothing_but_a_run_loads_torch(argv: list[str]) -> None:
    assert loaded(MAIN.format(argv=argv), HEAVY[:4]) == ""


def test_no_check_of_a_server_loads_torch() -> None:
    code = """
from ninefold.engines.defaults import build_engines
from ninefold.health.checks import server_checks
from ninefold.settings import Settings
settings = Settings()
for check in server_checks(settings, build_engines(settings)).values():
    assert list(check()) or check.__name__ == "check_plugins"
"""
    assert loaded(code, HEAVY[:4]) == ""
