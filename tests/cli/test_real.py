"""The command that users have, with the built-in model, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def ninefold(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ninefold", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_prompt_becomes_an_image_and_bad_words_a_warning(tmp_path: Path) -> None:
    prompt = "a red house and a spaceship"
    done = ninefold(tmp_path, "run", prompt, "--preset", "draft", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["metadata"]["text_to_image"]["model"] == "poster"
    assert Path(document["outputs"][0]["path"]).stat().st_size > 1000
    assert "does not know: spaceship" in done.stderr


def test_a_broken_lora_is_refused_before_anything_is_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NINEFOLD_LORAS", str(tmp_path))
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    failed = ninefold(tmp_path, "run", "a <lora:broken:1> house", "--preset", "draft")
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert "broken.safetensors is not a readable safetensors file" in failed.stderr
    assert not (tmp_path / "ninefold-out").exists()


def test_help_and_bad_input(tmp_path: Path) -> None:
    assert ninefold(tmp_path, "--help").returncode == 0
    assert ninefold(tmp_path, "run", "a house", "--model", "nothing").returncode == 2
    unknown = ninefold(tmp_path, "run", "a <lora:none:1> house", "--preset", "draft")
    assert unknown.returncode == 2
    assert "no LoRA is called 'none'" in unknown.stderr


def test_a_grid_that_was_killed_goes_on(tmp_path: Path) -> None:
    arguments = ("grid", "a red house by the sea", "--x", "steps=1,2", "--size", "128x128")
    command = [sys.executable, "-m", "ninefold", *arguments, "--preset", "draft", "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        while not list(tmp_path.glob("ninefold-out/grid-*/cells/2/generated.png")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    (folder,) = tmp_path.glob("ninefold-out/grid-*")
    assert not (folder / "grid.png").exists()
    (first,) = folder.glob("cells/1/outputs/*.png")
    made = first.stat().st_mtime_ns
    done = ninefold(tmp_path, "grid", "--resume", str(folder), "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(folder / "grid.png"), str(folder / "grid.html")]
    assert first.stat().st_mtime_ns == made
    pictures = [path.read_bytes() for path in sorted(folder.glob("cells/*/outputs/*.png"))]
    assert len(set(pictures)) == len(pictures) == 2
