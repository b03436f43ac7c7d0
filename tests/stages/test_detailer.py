from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, ModelError, PipelineContext, Region
from ninefold.engines.defaults import default_engines
from ninefold.engines.detection import Detection
from ninefold.engines.diffusion import Inpaint
from ninefold.imaging import masks
from ninefold.imaging.boxes import Box
from ninefold.slots import MAX_SEED, REGIONS
from ninefold.stages import DetailerStage
from ninefold.testing import fake_engines

from ..support import (
    FixedDetection,
    Mask,
    Pixels,
    box_mask,
    holds,
    picture,
    pixels_of,
    recording_engines,
)
from ..support import run as run_async
from .contract import StageContract

SIDE = 256
#: Least mean change of a region, in levels of 255, with the built-in model.
LEAST_CHANGE = 1.0
FACE = Detection("face", 0.9, 40, 40, 72, 80)
HOUSE = Detection("house", 0.6, 120, 100, 220, 220)
TREE = Detection("tree", 0.75, 10, 200, 40, 230)


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
    return PipelineContext(tmp_path, prompt="a village", seed=7, image=picture(SIDE, SIDE))


def detailed(
    context: PipelineContext, *found: Detection, **params: Any
) -> tuple[tuple[Region, ...], list[Inpaint], Pixels]:
    """The regions, the requests, and where the image has changed (height x width)."""
    engines, requests = recording_engines(found)
    before = pixels_of(context["image"].path)
    run_async(DetailerStage(engines=engines, **params).execute(context))
    after = pixels_of(context["image"].path)
    inpaints = [request for request in requests if isinstance(request, Inpaint)]
    assert len(inpaints) == len(requests)
    return context[REGIONS], inpaints, (after != before).any(axis=2)


def soft_mask(item: Detection, dilate: int = 4, blur: float = 3.0) -> Mask:
    """The mask that a detection's region has."""
    box = Box.around(item.left, item.top, item.right, item.bottom).clip(SIDE, SIDE)
    hard = masks.box_mask(box, SIDE, SIDE)
    return masks.blur(masks.dilate(hard, dilate), blur)


def labels(regions: tuple[Region, ...]) -> list[str]:
    return [region.label for region in regions]


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
            "detector_hash": "fa4e000001",
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


# -- where it paints ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dilate", "blur"), [(0, 0.0), (4, 3.0), (12, 0.0), (-6, 2.0), (0, 10.0)])
def test_outside_the_blurred_masks_every_pixel_is_untouched(
    context: PipelineContext, dilate: int, blur: float
) -> None:
    _, _, changed = detailed(context, FACE, HOUSE, dilate=dilate, blur=blur)
    union = np.maximum(soft_mask(FACE, dilate, blur), soft_mask(HOUSE, dilate, blur))
    assert not changed[union == 0].any()
    assert changed[union == 1].mean() > 0.9


def test_a_mask_grows_and_shrinks_by_dilate(context: PipelineContext) -> None:
    sizes = []
    for dilate in (-8, 0, 8):
        regions, _, _ = detailed(context, HOUSE, dilate=dilate, blur=0)
        sizes.append(regions[0].box)
    assert sizes == [(128, 108, 212, 212), (120, 100, 220, 220), (112, 92, 228, 228)]


def test_a_mask_that_shrinks_to_nothing_is_left_out(context: PipelineContext) -> None:
    regions, _, changed = detailed(context, FACE, HOUSE, dilate=-20, blur=0)
    assert labels(regions) == ["house"]
    assert not changed[40:80, 40:72].any()


def test_blur_softens_the_edge(context: PipelineContext) -> None:
    _, (hard,), _ = detailed(context, HOUSE, dilate=0, blur=0)
    _, (soft,), _ = detailed(context, HOUSE, dilate=0, blur=8)
    assert ((soft.mask > 0.05) & (soft.mask < 0.95)).mean() > 3 * (
        (hard.mask > 0.05) & (hard.mask < 0.95)
    ).mean()


def test_a_mask_moves_by_its_offset(context: PipelineContext) -> None:
    regions, _, _ = detailed(context, FACE, dilate=0, blur=0, offset_x=20, offset_y=-30)
    assert regions[0].box == (60, 10, 92, 50)


def test_padding_gives_the_model_more_to_see(context: PipelineContext) -> None:
    sides = []
    for padding in (0, 0.5, 2):
        regions, _, _ = detailed(context, FACE, padding=padding, dilate=0, blur=0)
        sides.append(pixels_of(regions[0].before.path).shape[1])
        assert regions[0].box == (40, 40, 72, 80)
    assert sides[0] == 40
    assert sides[0] < sides[1] < sides[2]


def test_padding_may_be_given_in_pixels(context: PipelineContext) -> None:
    sides = []
    for pixels in (0, 20):
        regions, _, _ = detailed(context, FACE, padding=4, padding_pixels=pixels, dilate=0, blur=0)
        sides.append(pixels_of(regions[0].before.path).shape[1])
    assert sides == [40, 80]


def test_a_detection_at_the_edge_is_cut_to_the_image(context: PipelineContext) -> None:
    edge = Detection("face", 0.9, -20.5, 230.2, 30.4, 300)
    outside = Detection("face", 0.8, 300, 300, 400, 400)
    regions, _, changed = detailed(context, edge, outside, dilate=0, blur=0)
    (region,) = regions
    assert region.box[0] == 0
    assert region.box[3] == SIDE
    assert not changed[:220].any()


def test_later_regions_see_what_earlier_ones_painted(context: PipelineContext) -> None:
    near = Detection("house", 0.5, 76, 40, 110, 80)
    regions, _, _ = detailed(context, FACE, near, order="confidence", dilate=8)
    assert labels(regions) == ["face", "house"]
    source, result = picture(SIDE, SIDE), pixels_of(context["image"].path)
    assert holds(source, pixels_of(regions[0].before.path))
    assert not holds(source, pixels_of(regions[1].before.path))
    assert holds(result, pixels_of(regions[1].after.path))


# -- which regions --------------------------------------------------------------------------------


def test_confidence_is_the_least_score(context: PipelineContext) -> None:
    engines, _ = recording_engines([FACE, HOUSE, TREE])
    for confidence, expected in ((0.0, 3), (0.7, 2), (0.95, 0)):
        run_async(DetailerStage(engines=engines, confidence=confidence).execute(context))
        assert len(context[REGIONS]) == expected
    assert isinstance(engines.detection, FixedDetection)
    assert engines.detection.asked == [0.0, 0.7, 0.95]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["house", "face", "tree"]),
        ({"classes": ["face", "tree"]}, ["face", "tree"]),
        ({"classes": ["dog"]}, []),
        ({"order": "area"}, ["house", "face", "tree"]),
        ({"order": "confidence"}, ["face", "tree", "house"]),
        ({"order": "left_to_right"}, ["tree", "face", "house"]),
        ({"top_k": 1}, ["house"]),
        ({"top_k": 2, "order": "confidence"}, ["face", "tree"]),
        ({"top_k": 0}, ["house", "face", "tree"]),
        ({"min_area": 0.1}, ["house"]),
        ({"max_area": 0.1}, ["face", "tree"]),
        ({"min_area": 0.015, "max_area": 0.1}, ["face"]),
    ],
)
def test_which_regions_are_painted_and_in_what_order(
    context: PipelineContext, params: dict[str, Any], expected: list[str]
) -> None:
    regions, requests, changed = detailed(context, FACE, HOUSE, TREE, **params)
    assert labels(regions) == expected
    assert len(requests) == len(expected)
    for item in (FACE, HOUSE, TREE):
        inside = soft_mask(item) == 1
        assert changed[inside].any() == (item.label in expected)


def test_all_regions_are_one_where_they_are_merged(context: PipelineContext) -> None:
    regions, requests, changed = detailed(
        context, FACE, HOUSE, mask_mode="merge", order="confidence"
    )
    (region,) = regions
    assert (region.label, region.score) == ("face+house", 0.6)
    assert len(requests) == 1
    assert region.box[:2] < (40, 40)
    assert changed[soft_mask(FACE) == 1].any()
    assert changed[soft_mask(HOUSE) == 1].any()
    assert not changed[np.maximum(soft_mask(FACE), soft_mask(HOUSE)) == 0].any()


def test_everything_else_is_painted_where_they_are_inverted(context: PipelineContext) -> None:
    regions, _, changed = detailed(context, HOUSE, mask_mode="invert", dilate=0, blur=0)
    (region,) = regions
    assert region.box == (0, 0, SIDE, SIDE)
    assert not changed[100:220, 120:220].any()
    assert changed[:100].mean() > 0.9


def test_nothing_is_painted_where_nothing_is_found_to_merge(context: PipelineContext) -> None:
    for mode in ("merge", "invert"):
        assert detailed(context, mask_mode=mode)[0] == ()


# -- a mask that is given -------------------------------------------------------------------------


def test_a_given_mask_takes_the_place_of_detection(context: PipelineContext) -> None:
    context.set("mask", box_mask(SIDE, SIDE, (100, 100, 160, 160)))
    engines = fake_engines(fail_on="detect")
    source = pixels_of(context["image"].path)
    run_async(DetailerStage(engines=engines, dilate=0, blur=0).execute(context))
    (region,) = context[REGIONS]
    assert (region.label, region.score, region.box) == ("mask", 1.0, (100, 100, 160, 160))
    changed = (pixels_of(context["image"].path) != source).any(axis=2)
    inside = box_mask(SIDE, SIDE, (100, 100, 160, 160))[..., 0] > 0
    assert changed[inside].mean() > 0.9
    assert not changed[~inside].any()
    assert "detector" not in context.metadata["detailer"]


def test_a_mask_of_which_nothing_is_left_is_reported(context: PipelineContext) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[30:33, 30:33] = 255
    context.set("mask", mask)
    regions, requests, changed = detailed(context, FACE, dilate=-20)
    assert (regions, requests) == ((), [])
    assert not changed.any()
    (warning,) = context.metadata["detailer"]["warnings"]
    assert "nothing of it is left" in warning


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
