from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, ModelError, PipelineContext
from ninefold.engines.defaults import default_engines
from ninefold.engines.detection import Detection
from ninefold.engines.faults import fake_hash
from ninefold.imaging.boxes import Box
from ninefold.slots import MAX_SEED, REGIONS
from ninefold.stages import DetailerStage
from ninefold.testing import fake_engines

from ..support import (
    box_mask,
    holds,
    picture,
    pixels_of,
)
from ..support import run as run_async
from .contract import StageContract
from .detailing import FACE, HOUSE, SIDE, TREE, detailed, labels, soft_mask, village

#: Least mean change of a region, in levels of 255, with the built-in model.
LEAST_CHANGE = 1.0


class TestDetailerContract(StageContract):
    stage_type = DetailerStage
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 6, "confidence": 0.0, "top_k": 1}
    calls = "inpaint"
    reports = 2

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(128, 128)}


class TestDetailerWithMaskContract(TestDetailerContract):
    def options(self) -> dict[str, Any]:
        return super().options() | {"mask": box_mask(128, 128, (32, 32, 96, 96))}


class TestDetectionContract(TestDetailerContract):
    calls = "detect"


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    return village(tmp_path)


# -- what is kept on record -----------------------------------------------------------------------


def test_every_region_is_on_record_with_its_crops(context: PipelineContext) -> None:
    source = pixels_of(context["image"].path)
    regions, requests, _ = detailed(context, FACE, HOUSE)
    assert labels(regions) == ["house", "face"]
    assert [region.score for region in regions] == [0.6, 0.9]
    entries = context.metadata["detailer"]["regions"]
    for region, entry, request in zip(regions, entries, requests, strict=True):
        assert entry == {
            "label": region.label,
            "score": region.score,
            "box": list(region.box),
            "area": pytest.approx(Box(*region.box).area / SIDE**2, abs=1e-4),
            "prompt": "a village",
            "negative_prompt": "",
            "seed": region.seed,
            "before": region.before.name,
            "after": region.after.name,
        }
        assert request.seed == region.seed
        for crop in (region.before, region.after):
            assert crop.path == context.workdir / crop.name
            assert hashlib.sha256(crop.path.read_bytes()).hexdigest() == crop.sha256
        before, after = pixels_of(region.before.path), pixels_of(region.after.path)
        assert before.shape == after.shape
        assert (before != after).any()
    assert [region.seed for region in regions] == [7, 8]
    assert holds(source, pixels_of(regions[0].before.path))
    assert not holds(source, pixels_of(regions[0].after.path))
    assert [artifact.name for artifact in context.artifacts] == ["generated_detailed.png"]
    assert context["detail_path"] == context["image"].path


def test_metadata_names_the_detector_and_the_model(context: PipelineContext) -> None:
    detailed(context, FACE)
    assert (
        context.metadata["detailer"].items()
        >= {
            "detector": "detector",
            "detector_hash": fake_hash(1),
            "model": "poster",
            "strength": 0.4,
            "size": [SIDE, SIDE],
        }.items()
    )


def test_regions_are_painted_at_the_models_native_size(context: PipelineContext) -> None:
    _, requests, _ = detailed(context, FACE, HOUSE)
    assert {(request.width, request.height) for request in requests} == {(128, 128)}
    assert {request.mask.shape for request in requests} == {(128, 128)}
    assert {request.strength for request in requests} == {0.4}


def test_nothing_found_leaves_the_image_as_it_is(context: PipelineContext) -> None:
    regions, requests, changed = detailed(context)
    assert (regions, requests) == ((), [])
    assert not changed.any()
    assert context.metadata["detailer"]["regions"] == []
    assert context.artifacts[0].name == "generated_detailed.png"


# -- what it paints -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["a village", "a village", "a village"]),
        ({"prompt": "a {label} of {prompt}"}, [
            "a house of a village", "a face of a village", "a tree of a village",
        ]),
        ({"prompt": "one [SEP] two"}, ["one", "two", "two"]),
        ({"prompt": "one[SEP][SKIP][SEP]three"}, ["one", "three"]),
        ({"prompt": "[SKIP][SEP]{label}"}, ["face", "tree"]),
        ({"prompt": "[SKIP]"}, []),
        ({"class_prompts": {"face": "smiling {label}"}}, [
            "a village", "smiling face", "a village",
        ]),
        ({"class_prompts": {"house": "[SKIP]", "tree": "an oak"}}, ["a village", "an oak"]),
        ({"prompt": ""}, ["", "", ""]),
    ],
)  # fmt: skip
def test_what_each_region_shows(
    context: PipelineContext, params: dict[str, Any], expected: list[str]
) -> None:
    regions, requests, _ = detailed(context, FACE, HOUSE, TREE, **params)
    assert [request.prompt for request in requests] == expected
    assert [region.prompt for region in regions] == expected


def test_a_skipped_region_is_untouched(context: PipelineContext) -> None:
    _, _, changed = detailed(context, FACE, HOUSE, class_prompts={"face": "[SKIP]"})
    assert not changed[soft_mask(HOUSE) == 0].any()


def test_without_a_prompt_regions_are_painted_all_the_same(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, image=picture(SIDE, SIDE))
    regions, requests, _ = detailed(context, FACE)
    assert labels(regions) == ["face"]
    assert (requests[0].prompt, requests[0].seed) == ("", 0)


def test_after_the_largest_seed_comes_nought(context: PipelineContext) -> None:
    context["seed"] = MAX_SEED - 1
    regions, _, _ = detailed(context, FACE, HOUSE)
    assert [region.seed for region in regions] == [MAX_SEED - 1, 0]


def test_labels_make_safe_file_names(context: PipelineContext) -> None:
    regions, _, _ = detailed(context, Detection("../a b", 0.9, 40, 40, 72, 80))
    assert regions[0].before.name == "regions/1_---a-b_before.png"


# -- bad parameters -------------------------------------------------------------------------------


def test_an_unknown_detector_is_refused(context: PipelineContext) -> None:
    with pytest.raises(ModelError, match="'yolo'"):
        run_async(DetailerStage(engines=fake_engines(), detector="yolo").execute(context))


@pytest.mark.parametrize(
    "params",
    [
        {"confidence": 1.1}, {"top_k": -1}, {"order": "size"}, {"min_area": -0.1}, {"blur": -1},
        {"max_area": 2}, {"padding": 5}, {"dilate": 300}, {"strength": 0}, {"mask_mode": "xor"},
        {"offset_x": 5000}, {"classes": "face"},
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    (name,) = params
    with pytest.raises(ConfigError, match=f"detailer.{name}"):
        DetailerStage(**params)


# -- with the built-in model ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("masked", [True, False])
def test_the_built_in_model_changes_its_regions_and_nothing_else(
    tmp_path: Path, masked: bool
) -> None:
    """With the built-in detector at its least confidence, whatever it takes for a thing."""
    context = PipelineContext(tmp_path, prompt="a red house", seed=7, image=picture(192, 160))
    if masked:
        context.set("mask", box_mask(192, 160, (60, 50, 130, 120)))
    stage = DetailerStage(steps=6, confidence=0, top_k=2, max_area=0.3, engines=default_engines())
    source = pixels_of(context["image"].path).astype(int)
    run_async(stage.execute(context))
    difference = np.abs(pixels_of(context["image"].path) - source).mean(axis=2)
    outside = np.ones(difference.shape, bool)
    for region in context[REGIONS]:
        place = Box(*region.box).slices
        assert difference[place].mean() > LEAST_CHANGE
        outside[place] = False
    assert outside.any()
    assert not difference[outside].any()
    assert len(context[REGIONS]) == 1 or not masked
