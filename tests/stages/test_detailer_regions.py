"""Which regions the detailer paints, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineContext
from ninefold.engines.detection import Detection
from ninefold.slots import REGIONS
from ninefold.stages import DetailerStage
from ninefold.testing import fake_engines

from ..support import (
    FixedDetection,
    box_mask,
    holds,
    picture,
    pixels_of,
    recording_engines,
)
from ..support import run as run_async
from .detailing import FACE, HOUSE, SIDE, TREE, detailed, labels, soft_mask, village


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    return village(tmp_path)


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


# -- one region anew ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2])
def test_a_region_that_is_painted_anew_leaves_all_else_as_it_was(
    tmp_path: Path, number: int
) -> None:
    """Though the regions overlap: each pixel outside its mask is the same, and its seed is new."""
    near = Detection("tree", 0.75, 60, 60, 110, 120)
    first, again = village(tmp_path / "a"), village(tmp_path / "b")
    regions, requests, _ = detailed(first, FACE, near, order="confidence")
    anew, more, _ = detailed(again, FACE, near, order="confidence", region_seeds={number: 999})
    changed = (pixels_of(first["image"].path) != pixels_of(again["image"].path)).any(axis=2)
    mask = soft_mask((FACE, near)[number - 1])
    assert changed.any()
    assert not changed[mask == 0].any()
    seeds = [region.seed for region in regions]
    seeds[number - 1] = 999
    assert [region.seed for region in anew] == seeds
    assert labels(anew) == labels(regions)
    assert len(more) == len(requests) + 1
    assert (more[-1].image == requests[number - 1].image).all()
    assert all(region.after.path.is_file() for region in anew)


def test_a_region_that_is_not_there_is_reported(context: PipelineContext) -> None:
    regions, requests, _ = detailed(context, FACE, region_seeds={4: 1})
    assert len(regions) == len(requests) == 1
    assert "there is no region 4" in context.metadata["detailer"]["warnings"][0]
