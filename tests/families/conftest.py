"""Engines over tiny models of every family, at sizes that take tenths of a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
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


@pytest.fixture(autouse=True)
def _small_longcat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """LongCat-Image-Edit paints a million pixels, whatever its reference: here 320 x 320."""
    if "longcat-image-edit" not in request.node.name:
        return
    module = import_module("diffusers.pipelines.longcat_image.pipeline_longcat_image_edit")
    sized = module.calculate_dimensions
    monkeypatch.setattr(module, "calculate_dimensions", lambda _, ratio: sized(320 * 320, ratio))
