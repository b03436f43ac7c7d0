"""A folder of tiny control models, and engines that have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.engines.defaults import build_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels

from .helpers import drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("control")


@pytest.fixture(scope="module")
def engines(folder: Path) -> EngineSet:
    return build_engines(EngineSettings(device="cpu", control=folder))


@pytest.fixture(scope="module")
def edges() -> Pixels:
    return drawn(64)
