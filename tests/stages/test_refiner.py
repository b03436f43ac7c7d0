from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, InputError, ModelError, PipelineContext
from ninefold.engines.diffusion import ImageToImage
from ninefold.stages import RefinerStage
from ninefold.stages.refiner import STRENGTHS
from ninefold.testing import fake_engines

from ..support import box_mask, picture, pixels_of, recording_engines, run
from .contract import StageContract


class TestRefinerContract(StageContract):
    stage_type = RefinerStage
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 8}
    calls = "image_to_image"
    reports = 2

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(128, 128)}


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    return PipelineContext(
        tmp_path, prompt="a red house", negative_prompt="rain", seed=7, image=picture(128, 128)
    )


def test_an_image_is_refined(context: PipelineContext) -> None:
    engines, requests = recording_engines()
    run(RefinerStage(engines=engines).execute(context))
    (request,) = requests
    assert isinstance(request, ImageToImage)
    assert (request.prompt, request.negative_prompt, request.seed) == ("a red house", "rain", 7)
    assert np.array_equal(request.image, picture(128, 128))
    record = context["image"]
    assert (record.size, record.made_by) == ((128, 128), "refiner")
    assert record.path == context["refined_path"] == context.workdir / "generated_refined.png"
    assert (
        context.metadata["refiner"].items()
        >= {
            "refinement_level": 2,
            "strength": 0.25,
            "model": "poster",
            "size": [128, 128],
        }.items()
    )


def test_each_level_lets_more_change_than_the_one_before() -> None:
    assert STRENGTHS[0] == 0
    assert all(low < high <= 1 for low, high in pairwise(STRENGTHS))


@pytest.mark.parametrize("level", range(len(STRENGTHS)))
def test_each_level_has_its_strength(context: PipelineContext, level: int) -> None:
    engines, requests = recording_engines()
    run(RefinerStage(refinement_level=level, engines=engines).execute(context))
    entry = context.metadata["refiner"]
    assert (entry["refinement_level"], entry["strength"]) == (level, STRENGTHS[level])
    assert [r.strength for r in requests if isinstance(r, ImageToImage)] == [
        strength for strength in STRENGTHS[level : level + 1] if strength
    ]
    same = np.array_equal(picture(128, 128), pixels_of(context["image"].path))
    assert same == (level == 0)


def test_level_nought_asks_no_model(context: PipelineContext) -> None:
    engines = fake_engines(fail_on="image_to_image")
    run(RefinerStage(refinement_level=0, engines=engines).execute(context))
    assert np.array_equal(pixels_of(context["image"].path), picture(128, 128))
    assert context.artifacts[0].name == "generated_refined.png"


@pytest.mark.parametrize("level", [-1, 5, 1.5, "high"])
def test_other_levels_are_refused(level: Any) -> None:
    with pytest.raises(ConfigError, match=r"refiner.refinement_level: .*got"):
        RefinerStage(refinement_level=level)


def test_a_refiner_model_of_its_own(context: PipelineContext) -> None:
    engines, requests = recording_engines()
    context["model"] = "base"
    run(RefinerStage(model="poster", engines=engines).execute(context))
    assert requests[0].model == "poster"
    with pytest.raises(ModelError, match="'xl-refiner'"):
        run(RefinerStage(model="xl-refiner", engines=engines).execute(context))


def test_outside_a_mask_nothing_changes(context: PipelineContext) -> None:
    context.set("mask", box_mask(128, 128, (0, 0, 64, 128)))
    run(RefinerStage(refinement_level=4, engines=fake_engines()).execute(context))
    changed = (pixels_of(context["image"].path) != picture(128, 128)).any(axis=2)
    assert changed[:, :64].mean() > 0.9
    assert not changed[:, 64:].any()


def test_an_image_of_a_size_that_the_model_cannot_do_is_refused(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, prompt="a red house", image=picture(130, 128))
    with pytest.raises(InputError, match=r"width 130: expected a multiple of 16.*nearest: 128 or"):
        run(RefinerStage(engines=fake_engines()).execute(context))
    assert context["image"].made_by == "input"
