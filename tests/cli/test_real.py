"""The command that users have, with the built-in model, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
