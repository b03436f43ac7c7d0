"""Closed streams, readers that go away, encodings, and paths that are no UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold import PipelineContext
from ninefold.cli import main
from ninefold.core.json_text import json_text
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli

_LIST = "config show --preset full --resolved"


def shell(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What bash makes of `command`, in which NF is ninefold."""
    return subprocess.run(
        ["bash", "-c", f'NF() {{ "{sys.executable}" -m ninefold "$@"; }}; {command}'],
        cwd=folder,
        capture_output=True,
        timeout=600,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("closed", "command", "code"),
    [
        ("2>&-", _LIST, 0),
        (">&-", _LIST, 0),
        ("<&-", _LIST, 0),
        ("2>&- >&- <&-", _LIST, 0),
        ("2>&-", "stages nothing", 2),
        ("2>&- >&- <&-", "jobs list --data nowhere", 2),
        ("<&-", "run -", 2),
        ("2>/dev/full", _LIST, 0),
        (">/dev/full", _LIST, 1),
        ("| head -1", _LIST, 0),
        ("2>&1 | head -1", _LIST, 0),
        ("2>&1 | true", "jobs list --data nowhere", 2),
    ],
)
def test_a_stream_that_nobody_reads_harms_nothing(
    tmp_path: Path, closed: str, command: str, code: int
) -> None:
    done = shell(tmp_path, f"NF {command} {closed}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"Exception" not in done.stdout + done.stderr
    assert b"bug" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_run_goes_on_without_anyone_to_tell(tmp_path: Path) -> None:
    draft = 'run "a red house" --preset draft --set text_to_image.steps=1'
    done = shell(tmp_path, f"NF {draft} --out a 2>&-; echo $?; NF {draft} --out b 2>&1 | true")
    assert done.stdout.splitlines()[-1] == b"0"
    assert done.stderr == b""
    assert len(list(tmp_path.glob("[ab]/*/outputs/*.png"))) == 2


def test_none_for_a_stream_is_a_stream_that_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["run", "a house", "--preset", "draft"], engines=fake_engines()) == 0
    assert main(["run", "-"], engines=fake_engines()) == 2
    assert sys.stderr is None
    assert len(list(tmp_path.glob("ninefold-out/*/outputs/*.png"))) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_any_encoding_can_be_printed(tmp_path: Path, encoding: str) -> None:
    text = "snow ☃ é 🏠"
    command = f"NF config show --preset draft --set 'prompt.negative_prompt={text}' --json"
    done = shell(tmp_path, command, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    reported = done.stdout.decode("utf-8" if encoding == "ascii" else encoding)
    assert json.loads(reported)["stages"][0]["params"]["negative_prompt"] == text


@pytest.mark.parametrize("text", ["ph\udcffto", "é ☃", "\ud800", "a\U0001f3e0b"])
def test_json_of_any_text_is_utf_8(text: str) -> None:
    written = json_text({text: [text]}).encode()
    assert json.loads(written) == {text: [text]}


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bad\udcffname", "two\nlines", "🏠", "a" * 255, " ", "-x", "é"])
def test_any_folder_can_hold_a_run(cli: Cli, tmp_path: Path, name: str) -> None:
    done = cli("run", "a house", "--preset", "draft", "--out", name, "--json")
    assert done.code == 0, done.err
    (output,) = done.document["outputs"]
    assert Path(output["path"]).is_file()
    (folder,) = (tmp_path / name).iterdir()
    assert PipelineContext.from_json((folder / "context.json").read_text()).workdir == folder
    again = cli("run", "--resume", folder, "--json")
    assert again.code == 0, again.err
    assert again.document["outputs"] == done.document["outputs"]


def test_a_current_folder_of_any_name_will_do(cli: Cli, tmp_path: Path) -> None:
    here = tmp_path / "cwd\udcff"
    here.mkdir()
    os.chdir(here)
    assert cli("run", "a house", "--preset", "draft").code == 0
    refused = cli("submit", "a house", "--preset", "draft")
    assert refused.code == 2
    assert "data: expected a folder whose path is UTF-8" in refused.err
    assert sorted(path.name for path in here.iterdir()) == ["ninefold-out"]


def test_files_of_any_name_are_read(cli: Cli, tmp_path: Path) -> None:
    made = cli("run", "a house", "--preset", "draft", "--out", "o").files[0]
    name = "ph\udcffto\n☃.png"
    (tmp_path / name).write_bytes(made.read_bytes())
    for options in (
        ["--image", name],
        ["--image", name, "--mask", name],
        ["--preset", "full", "--set", f"finisher.overlay={name}"],
    ):
        preset = [] if "--preset" in options else ["--preset", "draft"]
        done = cli("run", "a house", *preset, *options, "--json")
        assert done.code == 0, done.err
    config = tmp_path / "c\udcff.yaml"
    config.write_text("stages: [{stage: prompt}, {stage: text_to_image}]")
    assert cli("run", "a house", "--config", config, "--json").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "file"],
        ["--out", "file/below"],
        ["--out", "loop"],
        ["--out", "a" * 256],
        ["--out", "x/" * 2100],
        ["--image", "loop"],
        ["--image", "folder"],
        ["--image", "a" * 300],
        ["--mask", "loop", "--image", "loop"],
        ["--config", "loop"],
        ["--config", "folder"],
        ["--config", "n\udcff.yaml"],
        ["--settings", "loop"],
        ["--settings", "folder"],
        ["--settings", "n\udcff"],
        ["--set", "finisher.overlay=loop"],
        ["--set", "finisher.lut=n\udcff.cube"],
        ["--set", "text_to_image.model=m\udcff"],
        ["--model", "m\udcff"],
        ["--negative", "n\udcff"],
        ["--resume", "loop"],
        ["--resume", "n\udcff"],
    ],
)
def test_a_path_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Through the real engines, which never get to run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    prompt = [] if arguments[0] == "--resume" else ["a house"]
    assert main(["run", *prompt, *arguments]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]
