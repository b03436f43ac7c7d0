"""Names of files: how they end, and which of them are files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ninefold.core.paths import ending, files_below


@pytest.mark.parametrize("name", ["a.safetensors", "a.SAFETENSORS", "b/a.SafeTensors"])
def test_an_ending_is_the_same_in_any_case(name: str) -> None:
    assert ending(name) == ending(Path(name)) == ".safetensors"


def test_nothing_but_files_lies_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.PT", "in/a.pt", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "nowhere.pt").symlink_to(tmp_path / "gone.pt")
    assert files_below(tmp_path, {".pt"}) == [tmp_path / "b.PT", tmp_path / "in" / "a.pt"]
    assert files_below(tmp_path / "gone", {".pt"}) == []
