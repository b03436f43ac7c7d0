"""Engines over tiny models of every family, at sizes that take tenths of a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.types import Pixels
from tests.families.cases import Case
from tests.families.runs import gradient, real_diffusion, write_sidecar


@pytest.fixture(scope="session")
def engines() -> EngineSet:
    """Real diffusion beside fakes of all else."""
    return real_diffusion()


@pytest.fixture(scope="session")
def folder_of(
    tiny_models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Case], Path]:
    """A tiny model whose native size and steps are those of the case."""
    root = tmp_path_factory.mktemp("families")

    def folder(case: Case) -> Path:
        copy = root / case.model
        if not copy.is_dir():
            shutil.copytree(tiny_models(case.model), copy)
            write_sidecar(case, copy)
        return copy

    return folder


@pytest.fixture(scope="session")
def source() -> Callable[[int], Pixels]:
    """A picture with colours that change everywhere."""

    return gradient
