"""LoRAs are found below their folder, by path or by a file name that is there once."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ninefold import InputError
from ninefold.core.values import Lora
from ninefold.engines.loras import find_loras, known_lora, lora_files


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Names and files of a folder as users have it, beside a built-in LoRA."""
    built_in = tmp_path / "built-in" / "loras"
    own = tmp_path / "own"
    for path in (
        built_in / "neon.safetensors",
        own / "ink.v1.safetensors",
        own / "style" / "pen.safetensors",
        own / "people" / "face.safetensors",
        own / "old" / "face.safetensors",
        own / "face2" / "ink.v1.safetensors",
        tmp_path / "outside.safetensors",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(struct.pack("<Q", 2) + b"{}")
    return lora_files(own, tmp_path / "built-in")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("neon", "neon"),
        ("ink.v1", "ink.v1"),
        ("face2/ink.v1", "face2/ink.v1"),
        ("pen", "style/pen"),
        ("style/pen", "style/pen"),
        ("old/face", "old/face"),
    ],
)
def test_names_are_paths_or_file_names(files: dict[str, Path], name: str, found: str) -> None:
    assert known_lora(name, files) == found
    assert find_loras([Lora(name)], files)[0].path.as_posix().endswith(f"/{found}.safetensors")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("face", "'face' is there more than once: old/face, people/face. Name it with its folder"),
        ("Pen", "no LoRA is called 'Pen'. (Did you mean|Known)"),
        ("../outside", "no LoRA is called '../outside'"),
        ("style/../style/pen", "no LoRA is called"),
        ("/style/pen", "no LoRA is called"),
        ("own/style/pen", "no LoRA is called"),
    ],
)
def test_other_names_are_refused(files: dict[str, Path], name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        known_lora(name, files)


def test_one_file_by_two_names_acts_twice(files: dict[str, Path]) -> None:
    found = find_loras([Lora("pen", 0.5), Lora("style/pen", 0.25)], files)
    assert [(lora.path.name, lora.weight) for lora in found] == [
        ("pen.safetensors", 0.5),
        ("pen.safetensors", 0.25),
    ]


def test_a_users_file_replaces_the_built_in_one_of_its_name(tmp_path: Path) -> None:
    for folder in (tmp_path / "built-in" / "loras", tmp_path / "own" / "new"):
        folder.mkdir(parents=True)
        (folder / "neon.safetensors").write_bytes(b"weights")
    assert list(lora_files(tmp_path / "own", tmp_path / "built-in")) == ["new/neon"]
