"""`--settings FILE` counts for all that a command does, and nothing writes the environment."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import ninefold
from ninefold.cli import main
from ninefold.engines import defaults
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli

#: Calls that change the environment.
_WRITES = {"setdefault", "update", "pop", "popitem", "clear", "putenv", "unsetenv", "setenv"}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[EngineSettings]:
    """The settings that engines were built from; the engines themselves are fakes."""
    found: list[EngineSettings] = []

    def build(settings: EngineSettings) -> EngineSet:
        found.append(settings)
        return fake_engines(loras=("of-the-file",))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(defaults, "build_engines", build)
    monkeypatch.setattr("ninefold.cli.settings.build_engines", build)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Settings that differ from their defaults."""
    settings = tmp_path / "ninefold.toml"
    settings.write_text(
        f"threads = 3\nallow_pickle = true\nwildcards = '{tmp_path}'\nloras = '{tmp_path}'\n"
        f"data = '{tmp_path / 'there'}'\n"
    )
    return settings


def check(settings: EngineSettings, folder: Path) -> None:
    assert (settings.threads, settings.allow_pickle) == (3, True)
    assert (settings.wildcards, settings.loras) == (folder, folder)


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_worker_runs_with_the_engines_of_its_file(
    how: str,
    built: list[EngineSettings],
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--settings", str(file)] if how == "option" else []
    if how == "variable":
        monkeypatch.setenv("NINEFOLD_SETTINGS", str(file))
        defaults.default_engines.cache_clear()
    lora = "a house <lora:of-the-file:0.5>"
    assert main(["submit", lora, "--preset", "draft", "--seed", "1", *options]) == 0
    job = capsys.readouterr().out.strip()
    assert (tmp_path / "there" / "ninefold.db").is_file()
    built.clear()
    assert main(["worker", "--drain", *options]) == 0
    (settings,) = built
    check(settings, tmp_path)
    monkeypatch.setenv("NINEFOLD_SETTINGS", str(file))
    capsys.readouterr()
    assert main(["jobs", "show", job, "--json"]) == 0
    document: Any = json.loads(capsys.readouterr().out)
    assert document["status"] == "succeeded"
    defaults.default_engines.cache_clear()


@pytest.mark.parametrize(
    "command", [["run", "a house", "--preset", "draft", "--seed", "1", "--json"], ["models"]]
)
def test_other_commands_take_a_file_of_settings(
    command: list[str], built: list[EngineSettings], file: Path, tmp_path: Path
) -> None:
    assert main([*command, "--settings", str(file)]) == 0
    (settings,) = built
    check(settings, tmp_path)


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        (["run", "a house"], "error: nothing.toml: cannot be read: No such file or directory."),
        (["submit", "a house"], "error: nothing.toml: cannot be read: No such file or directory."),
        (["models"], "error: nothing.toml: cannot be read: No such file or directory."),
        (["worker"], "error: nothing.toml: cannot be read: No such file or directory."),
    ],
)
def test_a_file_that_is_not_there_is_refused(
    command: list[str],
    reported: str,
    built: list[EngineSettings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*command, "--settings", "nothing.toml"]) == 2
    assert capsys.readouterr().err.strip() == reported
    assert built == []


def test_what_the_command_says_goes_before_the_file(
    cli: Cli, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINEFOLD_SETTINGS", str(file))
    assert cli("submit", "a house", "--data", "here").code == 0
    assert (tmp_path / "here").is_dir()
    assert not (tmp_path / "there").exists()
    assert cli("keys", "create", "shop").code == 0
    assert (tmp_path / "there" / "ninefold.db").is_file()


def test_nothing_writes_the_environment() -> None:
    """But for the lines that keep ONNX Runtime from reporting, which it reads at import, and c2pa
    from asking a proxy for an address of this very process."""
    package = Path(ninefold.__file__).parent
    writes = []
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _writes_environment(node):
                writes.append(path.relative_to(package).as_posix())
    assert writes == ["engines/__init__.py", "files/signing/time_stamps.py"]


def _writes_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _WRITES and "environ" in ast.unparse(node.func.value) + (
            "environ" if node.func.attr in {"putenv", "unsetenv"} else ""
        )
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    return any(
        "environ" in ast.unparse(target) and "os." in ast.unparse(target) for target in targets
    )
