from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import (
    ConfigError,
    ModelError,
    Pipeline,
    PipelineContext,
    Rewind,
    StageError,
    Step,
    Verdict,
)
from ninefold.core.events import Event, Rewound, StageStarted
from ninefold.core.values import Seams
from ninefold.engines.detection import Detection
from ninefold.imaging import measures
from ninefold.slots import MAX_SEED, SEAMS, VERDICT
from ninefold.stages import InspectorStage, PromptStage, PublisherStage, TextToImageStage
from ninefold.testing import fake_engines

from ..support import Pixels, picture, recording_engines, run
from .contract import StageContract

GOOD = picture(96, 64)


class TestInspectorContract(StageContract):
    stage_type = InspectorStage
    params: ClassVar[dict[str, Any]] = {"detector": "detector"}
    calls = "detect"
    writes = False

    def inputs(self) -> dict[str, Any]:
        return {"image": GOOD}


def inspected(
    folder: Path, pixels: Pixels, prompt: str = "", seams: Seams | None = None, **params: Any
) -> PipelineContext:
    context = PipelineContext(folder, seed=7, prompt=prompt, image=pixels)
    if seams is not None:
        context[SEAMS] = seams
    found = [Detection("face", 0.9, 1, 1, 20, 20), Detection("house", 0.4, 30, 30, 60, 60)]
    engines, _ = recording_engines(found)
    return run(InspectorStage(engines=engines, **params).execute(context))


def test_a_good_image_passes(tmp_path: Path) -> None:
    context = inspected(tmp_path, GOOD)
    verdict = context[VERDICT]
    assert (verdict.decision, verdict.score, verdict.reasons) == ("pass", 1.0, ())
    assert set(verdict.measures) == {"sharpness", "clipped", "contrast", "blankness"}
    assert (
        context.metadata["inspector"].items()
        >= {
            "verdict": "pass",
            "score": 1.0,
            "reasons": [],
            "measures": verdict.measures,
            "checks": 4,
            "attempts": [{"seed": 7, "score": 1.0, "reasons": []}],
        }.items()
    )
    assert "warnings" not in context.metadata["inspector"]


def _halves() -> Pixels:
    """Black and white in equal parts, finely mixed."""
    draw = np.random.default_rng(1).integers(0, 2, (64, 64, 1)) * 255
    return np.repeat(draw, 3, axis=2).astype(np.uint8)


def _seam() -> Pixels:
    image = (picture(96, 64) // 4).astype(np.uint8)
    image[:, 30:] += 120
    return image


@pytest.mark.parametrize(
    ("pixels", "params", "reason"),
    [
        (GOOD, {"min_sharpness": 1e6}, r"Blurred: sharpness .* is below 1e\+06\."),
        (GOOD, {"min_contrast": 126}, r"Flat: contrast .* is below 126\."),
        (GOOD, {"max_blankness": 0.01}, r"Blank: blankness .* is above 0\.01\."),
        (_halves(), {"max_clipped": 0.9, "max_blankness": 1}, r"Clipped: .* 1 is above 0\.9\."),
        (_seam(), {"max_seam": 2}, r"Seams: strength .* is above 2\."),
    ],
)
def test_each_threshold_acts(
    tmp_path: Path, pixels: Pixels, params: dict[str, Any], reason: str
) -> None:
    height, width = pixels.shape[:2]
    seams = Seams(width, height, (30,), ())
    verdict = inspected(tmp_path, pixels, seams=seams, **params)[VERDICT]
    assert verdict.decision == "warn"
    (reported,) = verdict.reasons
    assert re.fullmatch(reason, reported)
    assert verdict.score == pytest.approx(1 - 1 / 5)


def test_a_blank_image_fails_in_every_way_but_clipping(tmp_path: Path) -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    verdict = inspected(tmp_path, flat)[VERDICT]
    assert len(verdict.reasons) == 3
    assert verdict.score == 0.25


def test_seams_of_another_size_are_not_looked_for(tmp_path: Path) -> None:
    context = inspected(tmp_path, _seam(), seams=Seams(48, 32, (15,), ()), max_seam=1)
    assert "seam" not in context[VERDICT].measures


# -- agreement with the prompt --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "params", "agreement"),
    [
        ("a face and a house", {}, 1.0),
        ("two Faces, houses", {}, 1.0),
        ("a face and a house", {"confidence": 0.5}, 0.5),
        ("a house", {"confidence": 0.5}, 0.0),
        ("a tree", {"confidence": 0.5}, 1.0),
        ("a surface", {"confidence": 0.95}, 1.0),
        ("", {}, 1.0),
    ],
)
def test_things_named_in_the_prompt_are_looked_for(
    tmp_path: Path, prompt: str, params: dict[str, Any], agreement: float
) -> None:
    context = inspected(tmp_path, GOOD, prompt, detector="detector", **params)
    assert context[VERDICT].measures["agreement"] == agreement
    assert context.metadata["inspector"]["checks"] == 5


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    context = inspected(tmp_path, GOOD, "a house", detector="detector", confidence=0.5)
    (reason,) = context[VERDICT].reasons
    assert reason == "Not found: house. Agreement 0 is below 0.5."
    enough = inspected(
        tmp_path, GOOD, "a house", detector="detector", confidence=0.5, min_agreement=0
    )
    assert enough[VERDICT].decision == "pass"


def test_an_unknown_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="yolo"):
        inspected(tmp_path, GOOD, detector="yolo")


# -- warn, fail, retry ----------------------------------------------------------------------------


def test_warn_goes_on_and_says_why(tmp_path: Path) -> None:
    context = inspected(tmp_path, GOOD, min_contrast=126)
    assert context.error is None
    assert context.metadata["inspector"]["warnings"] == list(context[VERDICT].reasons)


def test_fail_stops_with_the_reasons_and_a_remedy(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, seed=7, image=GOOD)
    stage = InspectorStage(min_contrast=126, on_fail="fail", engines=fake_engines())
    with pytest.raises(StageError, match=r"inspector: the image failed: Flat: .*set inspector\.on"):
        run(stage.execute(context))
    assert context[VERDICT].decision == "fail"
    assert context.metadata["inspector"]["verdict"] == "fail"


def test_retry_asks_for_the_image_again(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, seed=7, image=GOOD)
    stage = InspectorStage(min_contrast=126, on_fail="retry", engines=fake_engines())
    with pytest.raises(Rewind) as raised:
        run(stage.execute(context))
    assert raised.value.remake.name == "image"
    assert {slot.name: value for slot, value in raised.value.changes.items()}["seed"] == 8


def generating(seed: int, folder: Path, **params: Any) -> tuple[PipelineContext, list[Event]]:
    engines = fake_engines()
    context = PipelineContext(folder, prompt="a {red|blue} house", seed=seed, job_id="job")
    pipeline = Pipeline(
        [
            PromptStage(),
            TextToImageStage(engines=engines),
            InspectorStage(engines=engines, on_fail="retry", **params),
            PublisherStage(engines=engines),
        ]
    )
    events: list[Event] = []
    run(pipeline.execute(context, observer=events.append))
    return context, events


def test_retries_take_the_next_seed_and_are_all_on_record(tmp_path: Path) -> None:
    context, events = generating(7, tmp_path, min_contrast=126, min_sharpness=0, max_retries=2)
    with pytest.raises(StageError, match=r"inspector: the image failed after 3 attempts: Flat"):
        context.raise_for_error()
    attempts = context.metadata["inspector"]["attempts"]
    assert [attempt["seed"] for attempt in attempts] == [7, 8, 9]
    assert all("Flat" in attempt["reasons"][0] for attempt in attempts)
    assert context.metadata["text_to_image"]["seed"] == context["seed"] == 9
    assert [artifact.name for artifact in context.artifacts] == ["generated.png"]
    rewound = [event for event in events if isinstance(event, Rewound)]
    assert rewound == [Rewound("text_to_image", "inspector")] * 2
    started = [event.stage for event in events if isinstance(event, StageStarted)]
    assert started == ["prompt", *["text_to_image", "inspector"] * 3]
    assert PipelineContext.from_json(context.to_json()).to_json() == context.to_json()


def test_a_retry_that_succeeds_goes_on(tmp_path: Path) -> None:
    contrasts = []
    for seed in range(6):
        context, _ = generating(seed, tmp_path / "try", min_contrast=0, min_sharpness=0)
        contrasts.append(context.metadata["inspector"]["measures"]["contrast"])
    first = int(np.argmin(contrasts[:5]))
    between = (contrasts[first] + contrasts[first + 1]) / 2
    context, _ = generating(first, tmp_path / "job", min_contrast=between, min_sharpness=0)
    context.raise_for_error()
    attempts = context.metadata["inspector"]["attempts"]
    assert [attempt["seed"] for attempt in attempts] == [first, first + 1]
    assert attempts[0]["reasons"]
    assert not attempts[1]["reasons"]
    assert context[VERDICT].decision == "pass"
    assert [attempt.seed for attempt in context["attempts"]] == [first]
    assert context["outputs"]
    # The variant stays as it was chosen; only the noise is new.
    assert context["prompt"] == context.metadata["prompt"]["prompt"]


@pytest.mark.parametrize("retries", [0, 1])
def test_the_number_of_retries(tmp_path: Path, retries: int) -> None:
    context, _ = generating(7, tmp_path, min_contrast=126, max_retries=retries)
    assert len(context.metadata["inspector"]["attempts"]) == retries + 1


def test_after_the_largest_seed_comes_nought(tmp_path: Path) -> None:
    context, _ = generating(MAX_SEED - 1, tmp_path, min_contrast=126, max_retries=1)
    attempts = context.metadata["inspector"]["attempts"]
    assert [attempt["seed"] for attempt in attempts] == [MAX_SEED - 1, 0]


def test_an_inspector_that_may_be_skipped_lets_the_run_go_on(tmp_path: Path) -> None:
    engines = fake_engines()
    stage = InspectorStage(engines=engines, min_contrast=126, on_fail="fail")
    pipeline = Pipeline([Step(stage, "skip"), PublisherStage(engines=engines)])
    context = run(pipeline.execute(PipelineContext(tmp_path, image=GOOD)))
    context.raise_for_error()
    assert context["outputs"]
    assert VERDICT not in context


@pytest.mark.parametrize(
    "params",
    [
        {"min_sharpness": -1}, {"max_clipped": 1.1}, {"min_contrast": 128}, {"max_blankness": 2},
        {"max_seam": 0.5}, {"on_fail": "stop"}, {"max_retries": 21}, {"min_agreement": -0.1},
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    (name,) = params
    with pytest.raises(ConfigError, match=f"inspector.{name}"):
        InspectorStage(**params)


def test_the_measures_are_those_of_imaging(tmp_path: Path) -> None:
    verdict: Verdict = inspected(tmp_path, GOOD)[VERDICT]
    assert verdict.measures["sharpness"] == round(measures.sharpness(GOOD), 4)
    assert verdict.measures["contrast"] == round(measures.luma_deviation(GOOD), 4)


def test_a_cut_out_is_judged_by_what_is_seen(tmp_path: Path) -> None:
    """A small subject on nothing is no blank image; one where nothing is seen is."""
    height, width = GOOD.shape[:2]
    alpha = np.zeros((height, width), np.uint8)
    alpha[4:20, 4:24] = 255
    measures = inspected(tmp_path / "cut", np.dstack([GOOD, alpha]))[VERDICT].measures
    assert measures["visible"] == round(16 * 20 / alpha.size, 4)
    alone = inspected(tmp_path / "alone", np.ascontiguousarray(GOOD[4:20, 4:24]))[VERDICT]
    assert {name: measures[name] for name in alone.measures} == alone.measures
    empty = inspected(tmp_path / "empty", np.dstack([GOOD, np.zeros_like(alpha)]))[VERDICT]
    assert "Blank: all of it is transparent." in empty.reasons
