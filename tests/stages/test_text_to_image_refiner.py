"""`text_to_image` with a refiner that takes over before the image is finished."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold import Pipeline, PipelineContext
from ninefold.stages import TextToImageStage

from ..support import picture, recording_engines, run

XL, SD = "StableDiffusionXLPipeline", "StableDiffusionPipeline"


def problems(pipeline_class: str | None, given: dict[str, Any], **params: Any) -> tuple[str, ...]:
    engines, _ = recording_engines(pipeline_class=pipeline_class)
    stage = TextToImageStage(engines=engines, **params)
    return Pipeline([stage]).problems(PipelineContext(prompt="a red house", **given))


def test_the_request_names_it_and_the_metadata_says_so() -> None:
    engines, requests = recording_engines(pipeline_class=XL)
    context = PipelineContext(prompt="a red house", seed=7)
    stage = TextToImageStage(engines=engines, refiner="poster", handover=0.7)
    assert (stage.fingerprint(context) or {})["refiner"] == engines.diffusion.hash("poster")
    run(stage.execute(context))
    assert (requests[0].refiner, requests[0].handover) == ("poster", 0.7)
    entry = context.metadata["text_to_image"]
    assert (entry["refiner"], entry["handover"]) == ("poster", 0.7)
    assert entry["refiner_hash"] == engines.diffusion.hash("poster")


def test_without_one_nothing_is_handed_over() -> None:
    engines, requests = recording_engines(pipeline_class=XL)
    context = PipelineContext(prompt="a red house", seed=7)
    stage = TextToImageStage(engines=engines, handover=0.7)
    run(stage.execute(context))
    assert (requests[0].refiner, requests[0].handover) == ("", 1.0)
    assert "refiner" not in context.metadata["text_to_image"]
    assert "refiner" not in (stage.fingerprint(context) or {})


@pytest.mark.parametrize(
    ("pipeline_class", "given", "refiner", "says"),
    [
        (SD, {}, "poster", "text_to_image.refiner: poster (Stable Diffusion) hands nothing over"),
        (XL, {}, "no-such", "text_to_image.refiner: No model 'no-such'"),
        (XL, {"image": picture(128, 128)}, "poster", "refiner: expected no image to start from"),
    ],
)
def test_what_cannot_be_is_said_before_it_runs(
    pipeline_class: str, given: dict[str, Any], refiner: str, says: str
) -> None:
    (problem,) = problems(pipeline_class, given, refiner=refiner)
    assert says in problem


def test_two_that_go_together_are_taken() -> None:
    assert problems(XL, {}, refiner="poster") == ()
