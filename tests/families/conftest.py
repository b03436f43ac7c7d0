"""Engines over tiny models of every family, at sizes that take tenths of a second."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import DIFFUSION, ImageToImage, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from ninefold.testing import fake_engines
from tests.families.cases import Case


@pytest.fixture(scope="session")
def engines() -> EngineSet:
    """Real diffusion beside fakes of all else."""
    real = build_engines(EngineSettings(device="cpu"))
    fakes = fake_engines()
    return replace(fakes, engines={**fakes.engines, DIFFUSION: (real.diffusion,)})


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
            sides = {"native_size": [case.side] * 2, "min_size": case.side}
            sidecar = {**sides, "default": {"steps": case.steps}}
            (copy / "ninefold.json").write_text(json.dumps(sidecar))
        return copy

    return folder


@pytest.fixture(scope="session")
def source() -> Callable[[int], Pixels]:
    """A picture with colours that change everywhere."""

    def picture(side: int) -> Pixels:
        down, across = np.mgrid[0:side, 0:side] / (side - 1)
        unit = np.stack([down, across, np.sin(9 * down * across) / 2 + 0.5], axis=2)
        pixels: Pixels = np.rint(unit * 255).astype(np.uint8)
        return pixels

    return picture


def text(case: Case, folder: Path, **changes: Any) -> TextToImage:
    """A request for the case's model, as a stage without parameters makes it."""
    return TextToImage(**(_fields(case, folder) | changes))


def from_image(case: Case, folder: Path, image: Pixels, **changes: Any) -> ImageToImage:
    """The same with a source."""
    fields = {**_fields(case, folder), "image": image, "strength": 0.5}
    return ImageToImage(**(fields | changes))


def _fields(case: Case, folder: Path) -> dict[str, Any]:
    return {
        "model": str(folder),
        "prompt": "a red house",
        "negative_prompt": "",
        "width": case.side,
        "height": case.side,
        "steps": case.steps,
        "guidance_scale": case.guidance,
        "scheduler": "default",
        "seed": 7,
    }
