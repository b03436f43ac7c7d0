"""A LoRA that was distilled for few steps changes what is not set, and the metadata says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ninefold import Pipeline, PipelineContext
from ninefold.core.values import Lora
from ninefold.slots import LORAS
from ninefold.stages import (
    DetailerStage,
    PromptStage,
    RefinerStage,
    RestorerStage,
    TextToImageStage,
)
from ninefold.testing import fake_engines

LORA = "Hyper-SD15-2steps-lora"
ENGINES = fake_engines(loras=("sketch", LORA))
CHANGED = (
    f"LoRA '{LORA}' was distilled for few steps (Hyper, by its name): steps 2 instead of 4, "
    "guidance_scale 1 instead of 4, scheduler ddim_sgm_uniform instead of default. Set them for "
    "other values."
)


def run(folder: Path, prompt: str, *stages: Any) -> dict[str, Any]:
    """The metadata of a run."""
    context = PipelineContext(folder, prompt=prompt, seed=7, job_id="job")
    asyncio.run(Pipeline([PromptStage(), *stages]).execute(context))
    context.raise_for_error()
    return dict(context.metadata)


def values(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["steps"], entry["guidance_scale"], entry["scheduler"]


def test_every_stage_that_paints_takes_few_steps(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        f"a red house <lora:{LORA}:1>",
        TextToImageStage(engines=ENGINES),
        RefinerStage(engines=ENGINES),
        DetailerStage(engines=ENGINES),
        RestorerStage(engines=ENGINES),
    )
    for name in ("text_to_image", "refiner", "detailer", "restorer"):
        assert values(found[name])[1:] == (1.0, "ddim_sgm_uniform"), name
        assert CHANGED in found[name]["warnings"], name
    assert found["text_to_image"]["steps"] == 2


@pytest.mark.parametrize("prompt", ["a house", "a house <lora:sketch:1>", f"a <lora:{LORA}:-1>"])
def test_others_and_one_that_is_taken_away_change_nothing(tmp_path: Path, prompt: str) -> None:
    found = run(tmp_path, prompt, TextToImageStage(engines=ENGINES))["text_to_image"]
    assert values(found) == (4, 4.0, "default")
    assert "warnings" not in found


def test_what_is_set_stays(tmp_path: Path) -> None:
    stage = TextToImageStage(
        engines=ENGINES, steps=8, guidance_scale=7, scheduler="euler", quality="fast"
    )
    found = run(tmp_path, f"a red house <lora:{LORA}:1>", stage)["text_to_image"]
    assert values(found) == (8, 7.0, "euler")
    (warning,) = found["warnings"]
    assert "steps 8 are more than it gains by, 2 are usual" in warning
    assert "guidance_scale 7 makes colours harsh, 1 is usual" in warning


def test_one_of_a_region_acts_in_that_alone(tmp_path: Path) -> None:
    detailer = DetailerStage(engines=ENGINES, prompt=f"a face <lora:{LORA}:1>")
    found = run(tmp_path, "a red house", TextToImageStage(engines=ENGINES), detailer)
    assert values(found["text_to_image"]) == (4, 4.0, "default")
    assert values(found["detailer"])[1:] == (1.0, "ddim_sgm_uniform")


def test_it_is_known_before_anything_runs(tmp_path: Path) -> None:
    stage = TextToImageStage(engines=ENGINES)
    for given in ({"prompt": f"a house <lora:{LORA}:1>"}, {"prompt": "a house"}):
        context = PipelineContext(tmp_path, **given)
        if given["prompt"] == "a house":
            context[LORAS] = (Lora(LORA),)
        assert list(stage.settings_without_effect(context, stage.model_info(context))) == [CHANGED]
