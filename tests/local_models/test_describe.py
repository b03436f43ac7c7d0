"""Descriptions of models at hand: read once, until something that they hang on changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines import hub
from ninefold.engines.local_models import describe as describe_module
from ninefold.engines.local_models.describe import describe_quickly
from ninefold.engines.local_models.identity import identify
from ninefold.engines.local_models.lookup import LocalModel
from ninefold.engines.local_models.places import Place
from ninefold.engines.models import resolve
from ninefold.engines.settings import EngineSettings
from tests.local_models.conftest import checkpoint

SETTINGS = EngineSettings(device="cpu")


@pytest.fixture
def resolved(
    no_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[tuple[Any, ...]]:
    """What was resolved; the hub's cache is `hub` in the test's folder."""
    calls: list[tuple[Any, ...]] = []

    def counted(*args: Any) -> Any:
        calls.append(args)
        return resolve(*args)

    monkeypatch.setattr(describe_module, "resolve", counted)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    hub._cache_state.cache_clear()
    return calls


def at_hand(path: Path) -> LocalModel:
    place = Place(path, path.stem, "folder")
    return LocalModel(path.stem, place, identify(place))


def test_a_model_is_read_anew_where_its_files_changed(
    tiny_models: Callable[[str], Path], tmp_path: Path, resolved: list[tuple[Any, ...]]
) -> None:
    folder = shutil.copytree(tiny_models("sd15"), tmp_path / "model")
    first = describe_quickly(at_hand(folder), SETTINGS)
    assert describe_quickly(at_hand(folder), SETTINGS) == first
    assert len(resolved) == 1
    index = folder / "model_index.json"
    index.write_text(f"{index.read_text()}\n")
    assert describe_quickly(at_hand(folder), SETTINGS).name == "model"
    assert len(resolved) == 2


def test_what_cannot_be_used_is_read_anew_where_what_it_lacks_may_have_come(
    tmp_path: Path, resolved: list[tuple[Any, ...]]
) -> None:
    model = at_hand(checkpoint(tmp_path / "models" / "one.safetensors"))
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: (tmp_path / "models" / "one").mkdir(),
        lambda: (tmp_path / "hub" / "models--a--b" / "snapshots" / "1" / "unet").mkdir(
            parents=True
        ),
        lambda: model.place.path.write_bytes(model.place.path.read_bytes() + b"\0"),
    ]
    for count, change in enumerate(changes, 1):
        change()
        hub._cache_state.cache_clear()
        for _ in range(2):
            with pytest.raises(ModelError, match=r"one\.safetensors: its unet is not laid out"):
                describe_quickly(model, SETTINGS)
        assert len(resolved) == count
