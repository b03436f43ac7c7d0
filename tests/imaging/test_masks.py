"""Masks grow, soften and move as reported, and paste touches nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging import masks
from ninefold.imaging.boxes import Box
from ninefold.imaging.masks import box_mask, paste
from ninefold.imaging.types import Pixels

from .strategies import boxes_inside, images, noise, quick
from .strategies import masks as any_masks


@quick
@given(images(), st.data())
def test_paste_keeps_the_base_outside_the_mask(base: Pixels, data: st.DataObject) -> None:
    height, width = base.shape[:2]
    before = base.copy()
    patch = noise(width, height, seed=77)
    mask = data.draw(any_masks(width, height))
    out = paste(base, patch, mask)
    assert np.array_equal(out[mask == 0], base[mask == 0])
    assert np.array_equal(out[mask == 1], patch[mask == 1])
    assert (out >= np.minimum(base, patch)).all()
    assert (out <= np.maximum(base, patch)).all()
    assert np.array_equal(base, before)


@quick
@given(images(), st.data())
def test_a_crop_pasted_back_changes_nothing(base: Pixels, data: st.DataObject) -> None:
    height, width = base.shape[:2]
    box = data.draw(boxes_inside(width, height))
    mask = data.draw(any_masks(box.width, box.height))
    assert np.array_equal(paste(base, base[box.slices], mask, box), base)


@quick
@given(images(), st.data())
def test_a_patch_comes_back_out_of_its_box(base: Pixels, data: st.DataObject) -> None:
    height, width = base.shape[:2]
    box = data.draw(boxes_inside(width, height))
    patch = noise(box.width, box.height, seed=5)
    out = paste(base, patch, np.ones(patch.shape[:2], dtype=np.float32), box)
    assert np.array_equal(out[box.slices], patch)
    outside = box_mask(box, width, height) == 0
    assert np.array_equal(out[outside], base[outside])


def test_paste_refuses_sizes_that_do_not_fit() -> None:
    base, mask = noise(20, 10), np.ones((10, 20), dtype=np.float32)
    with pytest.raises(ValueError, match="patch and mask"):
        paste(base, noise(10, 20), mask)
    with pytest.raises(ValueError, match="inside"):
        paste(base, noise(20, 10), mask, Box(1, 0, 21, 10))
    with pytest.raises(ValueError, match="float32"):
        paste(base, base, np.ones((10, 20)))  # type: ignore[arg-type]


@quick
@given(st.data(), st.integers(0, 12))
def test_a_dilated_box_is_the_expanded_box(data: st.DataObject, pixels: int) -> None:
    box = data.draw(boxes_inside(40, 30))
    grown = masks.dilate(box_mask(box, 40, 30), pixels)
    assert np.array_equal(grown, box_mask(box.expand(pixels), 40, 30))


@quick
@given(st.data(), st.integers(1, 12))
def test_eroding_is_dilating_what_is_outside(data: st.DataObject, pixels: int) -> None:
    mask = data.draw(any_masks(30, 20))
    dual = masks.invert(masks.dilate(masks.invert(mask), pixels))
    np.testing.assert_allclose(masks.dilate(mask, -pixels), dual, atol=1e-6)


def test_eroding_shrinks_a_box_but_not_at_the_border() -> None:
    eroded = masks.dilate(box_mask(Box(0, 5, 20, 25), 40, 30), -3)
    assert masks.mask_box(eroded) == Box(0, 8, 17, 22)


@pytest.mark.parametrize("sigma", [0.4, 2.0, 4.0, 9.0])
def test_blur_is_soft_centred_and_ends(sigma: float) -> None:
    mask = box_mask(Box(60, 60, 180, 180), 240, 240)
    soft = masks.blur(mask, sigma)
    assert soft.min() == 0
    assert soft.max() <= 1
    assert soft[120, 60] == pytest.approx(1 - soft[120, 59], abs=0.01)
    assert soft.sum() == pytest.approx(mask.sum(), rel=0.01)
    reach = masks.mask_box(soft)
    assert reach is not None
    assert 60 - 3.5 * sigma - 2 <= reach.left <= 60


def test_blur_by_nothing_is_the_mask() -> None:
    mask = box_mask(Box(2, 2, 5, 5), 10, 10)
    assert masks.blur(mask, 0) is mask
    assert masks.dilate(mask, 0) is mask


def test_a_full_mask_stays_full_at_the_border() -> None:
    full = np.ones((20, 20), dtype=np.float32)
    assert (masks.blur(full, 5) == 1).all()


@quick
@given(st.data(), st.integers(-25, 25), st.integers(-25, 25))
def test_offset_moves_a_box(data: st.DataObject, right: int, down: int) -> None:
    box = data.draw(boxes_inside(20, 16))
    moved = Box(box.left + right, box.top + down, box.right + right, box.bottom + down)
    shifted = masks.offset(box_mask(box, 20, 16), right, down)
    assert np.array_equal(shifted, box_mask(moved, 20, 16))


def test_merge_is_the_union() -> None:
    first, second = box_mask(Box(0, 0, 5, 5), 9, 9), box_mask(Box(4, 4, 9, 9), 9, 9)
    assert masks.merge([first, second]).sum() == 49
    assert first.sum() == 25
    with pytest.raises(ValueError, match="at least one"):
        masks.merge([])
    with pytest.raises(ValueError, match="one size"):
        masks.merge([first, second[:4]])


def test_a_picture_of_a_mask() -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[1:3, 1:3] = 255
    mask = masks.mask_from_pixels(pixels)
    assert mask[1, 1] == pytest.approx(1)
    assert masks.mask_box(mask) == Box(1, 1, 3, 3)
    assert masks.mask_box(np.zeros((4, 4), dtype=np.float32)) is None
