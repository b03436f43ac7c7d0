"""Negative prompts on models that were distilled with their guidance: `true_cfg_scale`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.pipeline import Pipeline
from ninefold.engines.diffusion import Inpaint
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.types import Pixels
from ninefold.plan_warnings import plan_warnings
from ninefold.stages.text_to_image import TextToImageStage

from .cases import Case
from .runs import by_hand, from_image, gradient, run, text

Models = Callable[[str], Path]
Folder = Callable[[Case], Path]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.slow,
]
SCALE = {"true_cfg_scale": 4.0}
DISTILLED = [
    Case("flux", guidance=3.5, by_hand={"guidance_scale": 3.5}, pipeline="FluxPipeline"),
    Case("flux-schnell", pipeline="FluxPipeline"),
    Case("flux-kontext", guidance=2.5, by_hand={"guidance_scale": 2.5}, pipeline="FluxPipeline"),
]


@pytest.mark.parametrize("case", DISTILLED, ids=lambda case: case.model)
@pytest.mark.parametrize("negative", ["blue zebras", ""])
def test_it_is_what_diffusers_paints_by_hand(
    engines: EngineSet, folder_of: Folder, case: Case, negative: str
) -> None:
    folder = folder_of(case)
    made = run(engines, text(case, folder, negative_prompt=negative, **SCALE))
    given = {**case.by_hand, **SCALE, "negative_prompt": negative or " "}
    expected = by_hand(Case(case.model, pipeline=case.pipeline, by_hand=given), folder)
    assert made.image.tobytes() == expected.tobytes()
    assert made.record.warnings == ()
    assert made.record.true_cfg_scale == 4.0
    assert made.record.guidance_scale == case.guidance
    assert made.record.to_json()["true_cfg_scale"] == 4.0
    plain = run(engines, text(case, folder))
    assert plain.image.tobytes() != made.image.tobytes()
    assert "true_cfg_scale" not in plain.record.to_json()


@pytest.mark.parametrize("masked", [False, True])
def test_it_acts_where_an_image_is_changed(
    engines: EngineSet, folder_of: Folder, masked: bool
) -> None:
    case = DISTILLED[0]
    mask = np.zeros((case.side, case.side), np.float32)
    mask[:, case.side // 2 :] = 1

    def painted(**changes: Any) -> Pixels:
        folder, image = folder_of(case), gradient(case.side)
        request = from_image(case, folder, image, strength=0.9, steps=4, **changes)
        made = run(engines, Inpaint(**vars(request), mask=mask) if masked else request)
        assert made.record.warnings == ()
        return made.image

    zebras = painted(negative_prompt="blue zebras", **SCALE)
    assert zebras.tobytes() != painted().tobytes()
    assert zebras.tobytes() != painted(negative_prompt="fog", **SCALE).tobytes()


def test_it_acts_on_an_edit(engines: EngineSet, tiny_models: Models) -> None:
    case = Case("flux-kontext", side=256, guidance=2.5)
    reference = (gradient(96),)

    def painted(**changes: Any) -> bytes:
        folder = tiny_models(case.model)
        made = run(engines, text(case, folder, references=reference, **changes))
        assert made.record.warnings == ()
        return made.image.tobytes()

    zebras = painted(negative_prompt="blue zebras", **SCALE)
    assert len({zebras, painted(), painted(negative_prompt="fog", **SCALE)}) == 3


@pytest.mark.parametrize(
    ("model", "params", "negative", "warns"),
    [
        ("flux", {}, "fog", ["FLUX.1 takes no negative prompt unless true_cfg_scale is above 1"]),
        ("flux", SCALE, "fog", []),
        ("flux", SCALE, "", []),
        (
            "sd15",
            SCALE,
            "",
            ["Stable Diffusion takes no true_cfg_scale; 4 was left out. Its guidance_scale leads"],
        ),
        (
            "flux2",
            SCALE,
            "fog",
            ["FLUX.2 takes no true_cfg_scale; 4 was left out.", "FLUX.2 takes no negative prompt"],
        ),
    ],
)
def test_what_does_not_act_is_reported_before_anything_runs(
    engines: EngineSet,
    tiny_models: Models,
    tmp_path: Path,
    model: str,
    params: dict[str, Any],
    negative: str,
    warns: list[str],
) -> None:
    stage = TextToImageStage(engines=engines, **params)
    context = PipelineContext(
        tmp_path, prompt="a", negative_prompt=negative, model=str(tiny_models(model))
    )
    said = [warning.detail for warning in plan_warnings(Pipeline([stage]), context)]
    assert len(said) == len(warns)
    assert all(text.startswith(start) for text, start in zip(said, warns, strict=True))


@pytest.mark.parametrize("scale", [0.5, float("nan"), 101])
def test_a_scale_that_is_none_is_refused(
    engines: EngineSet, folder_of: Folder, scale: float
) -> None:
    case = DISTILLED[0]
    with pytest.raises(InputError, match=r"true_cfg_scale: expected 1 to 100, got"):
        run(engines, text(case, folder_of(case), true_cfg_scale=scale))
