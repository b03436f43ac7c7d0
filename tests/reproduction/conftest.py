"""Fakes with wildcards, and a place where nothing is found by chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.engines.engine_set import EngineSet
from ninefold.testing import fake_engines


@pytest.fixture
def engines(tmp_path: Path) -> EngineSet:
    """Fakes, with a folder of wildcards."""
    folder = tmp_path / "wildcards"
    folder.mkdir()
    (folder / "place.txt").write_text("sea\nlake\nriver\nforest\n")
    (folder / "style.txt").write_text("{oil|ink}\nwatercolour\nwoodcut\n")
    return fake_engines(wildcards=folder)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found in the current folder or the data folder by chance."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("NINEFOLD_DATA", str(tmp_path / "data"))
