"""What a model cannot do is reported before anything runs, with what it is for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineConfig, PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusion import Inpaint
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.types import Pixels

from .cases import Case
from .runs import from_image, text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
Models = Callable[[str], Path]
QUIET = SilentProgress()


def problems(
    engines: EngineSet, preset: str, job: Path, *settings: str, model: Path
) -> tuple[str, ...]:
    config = PipelineConfig.preset(preset).with_settings(settings)
    context = PipelineContext(job, prompt="a red house", seed=7, job_id="job", model=str(model))
    return config.build(engines).problems(context)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            "flux-fill",
            r"flux-fill \(FLUX.1 Fill\) cannot paint from a prompt alone: it",
        ),
        ("sd-inpainting", "Stable Diffusion inpainting.*model of the detailer"),
        ("instruct-pix2pix", "InstructPix2Pix.*changes a reference image"),
        ("sdxl-refiner", "SDXL refiner.*model of the refiner"),
    ],
)
def test_a_model_that_does_not_paint_from_text(
    engines: EngineSet, tiny_models: Models, tmp_path: Path, model: str, says: str
) -> None:
    (problem,) = problems(engines, "draft", tmp_path, model=tiny_models(model))
    assert re.search(says, problem)
    assert problem.startswith("text_to_image: ")
    with pytest.raises(InputError, match="cannot paint from a prompt alone"):
        engines.diffusion.run(text(Case(model), tiny_models(model)), QUIET)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("StableDiffusionUpscalePipeline", "enlarges images"),
        ("KandinskyV22Pipeline", "needs its prior"),
        ("TextToVideoSDPipeline", "makes no images from a prompt"),
        ("FluxControlPipeline", "only from a control image"),
    ],
)
def test_a_class_that_makes_no_images_from_text(
    engines: EngineSet, tiny_models: Models, tmp_path: Path, name: str, says: str
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_models("sd15"), folder)
    index: dict[str, Any] = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    (problem,) = problems(engines, "draft", tmp_path / "job", model=folder)
    assert says in problem


def test_a_later_stage_says_so_too(engines: EngineSet, tiny_models: Models, tmp_path: Path) -> None:
    fill = tiny_models("sd-inpainting")
    found = problems(
        engines,
        "full",
        tmp_path,
        f"refiner.model={fill}",
        f"detailer.model={fill}",
        f"restorer.model={fill}",
        model=tiny_models("sd15"),
    )
    assert [problem.partition(":")[0] for problem in found] == ["refiner", "restorer"]
    assert all("cannot work over a whole image" in problem for problem in found)
    assert not problems(
        engines,
        "full",
        tmp_path,
        "refiner.refinement_level=0",
        f"refiner.model={fill}",
        model=tiny_models("sd15"),
    )


def test_the_refiner_takes_a_refiner(
    engines: EngineSet, tiny_models: Models, tmp_path: Path
) -> None:
    refiner = f"refiner.model={tiny_models('sdxl-refiner')}"
    assert problems(engines, "standard", tmp_path, refiner, model=tiny_models("sdxl")) == ()


@pytest.mark.parametrize("model", ["sd-inpainting", "flux-fill", "sdxl-refiner"])
def test_they_paint_what_they_are_for(
    engines: EngineSet, tiny_models: Models, source: Callable[[int], Pixels], model: str
) -> None:
    case = Case(model, side=256 if model == "flux-fill" else 64, guidance=5.0)
    request = from_image(case, tiny_models(model), source(case.side), strength=0.8, steps=3)
    half = case.side // 2
    mask = np.zeros((case.side, case.side), np.float32)
    mask[:, :half] = 1
    made = engines.diffusion.run(Inpaint(**vars(request), mask=mask), QUIET)
    assert np.array_equal(made.image[:, half:], request.image[:, half:])
    assert not np.array_equal(made.image[:, :half], request.image[:, :half])


def test_the_base_of_a_controlnet_pipeline_paints(engines: EngineSet, tiny_models: Models) -> None:
    case = Case("sd15", guidance=7.5)
    alone = engines.diffusion.run(text(case, tiny_models("sd15")), QUIET)
    beside = engines.diffusion.run(text(case, tiny_models("sd-controlnet")), QUIET)
    assert beside.image.shape == alone.image.shape
    assert beside.record.warnings == ()


def test_more_pixels_than_a_network_knows(
    engines: EngineSet, tiny_models: Models, tmp_path: Path
) -> None:
    hidream = tiny_models("hidream")
    size = ("text_to_image.width=1536", "text_to_image.height=1024")
    (problem,) = problems(engines, "draft", tmp_path, *size, model=hidream)
    assert "at most 1048576 pixels in all" in problem
    assert not problems(
        engines,
        "draft",
        tmp_path,
        "text_to_image.width=1216",
        "text_to_image.height=832",
        model=hidream,
    )


def test_more_steps_than_a_schedule_has(
    engines: EngineSet, tiny_models: Models, tmp_path: Path
) -> None:
    (problem,) = problems(
        engines, "draft", tmp_path, "text_to_image.steps=60", model=tiny_models("lcm")
    )
    assert problem.startswith("text_to_image.steps: expected at most 50")
