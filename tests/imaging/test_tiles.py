"""Tiles cover the image, keep their size, overlap enough, and their weights sum to one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.tiles import (
    Tile,
    axis_weights,
    column_spans,
    plan_tiles,
    row_spans,
    seam_lines,
    tile_weights,
)

from .strategies import plans, quick


@quick
@given(plans())
def test_tiles_cover_every_pixel_and_stay_inside(plan: tuple[int, int, int, int]) -> None:
    width, height, tile, overlap = plan
    covered = np.zeros((height, width), dtype=int)
    for each in plan_tiles(width, height, tile, overlap):
        assert 0 <= each.left < each.right <= width
        assert 0 <= each.top < each.bottom <= height
        covered[each.top : each.bottom, each.left : each.right] += 1
    assert covered.min() >= 1


@quick
@given(plans())
def test_tiles_are_full_size_row_major_and_overlap_enough(plan: tuple[int, int, int, int]) -> None:
    width, height, tile, overlap = plan
    tiles = plan_tiles(width, height, tile, overlap)
    assert {(each.width, each.height) for each in tiles} == {(min(tile, width), min(tile, height))}
    assert list(tiles) == sorted(tiles, key=lambda each: (each.top, each.left))
    for spans in (column_spans(tiles), row_spans(tiles)):
        steps = [after[0] - before[0] for before, after in pairwise(spans)]
        assert all(step <= tile - overlap for step in steps)
        assert not steps or max(steps) - min(steps) <= 1


@quick
@given(plans())
def test_no_fewer_tiles_would_do(plan: tuple[int, int, int, int]) -> None:
    width, _, tile, overlap = plan
    count = len(plan_tiles(width, 1, tile, overlap))
    assert count == 1 or tile + (count - 2) * (tile - overlap) < width


@quick
@given(plans(), st.data(), st.integers(1, 3))
def test_weights_sum_to_one_at_each_pixel(
    plan: tuple[int, int, int, int], data: st.DataObject, scale: int
) -> None:
    width, height, tile, overlap = plan
    margin = data.draw(st.integers(0, overlap // 2))
    tiles = plan_tiles(width, height, tile, overlap)
    # The two axes first: a plan's full weights are their products.
    total = np.zeros((height * scale, width * scale))
    columns = axis_weights(column_spans(tiles), overlap, margin=margin, scale=scale)
    rows = axis_weights(row_spans(tiles), overlap, margin=margin, scale=scale)
    for each in tiles:
        weights = np.outer(rows[each.top], columns[each.left])
        assert weights.min() >= 0
        place = slice(each.top * scale, each.bottom * scale)
        total[place, each.left * scale : each.right * scale] += weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


@quick
@given(plans(), st.data())
def test_nothing_within_the_margin_of_an_inner_edge_counts(
    plan: tuple[int, int, int, int], data: st.DataObject
) -> None:
    width, height, tile, overlap = plan
    margin = data.draw(st.integers(0, overlap // 2))
    tiles = plan_tiles(width, height, tile, overlap)
    each = data.draw(st.sampled_from(tiles))
    weights = tile_weights(each, tiles, overlap, margin=margin)
    assert weights.shape == (each.height, each.width)
    assert not weights[:margin].any() or each.top == 0
    assert not weights[each.height - margin :].any() or each.bottom == height
    assert not weights[:, :margin].any() or each.left == 0
    assert not weights[:, each.width - margin :].any() or each.right == width


def test_weights_are_positive_where_the_overlap_is_as_asked() -> None:
    tiles = plan_tiles(160, 160, 64, 16)
    assert len(tiles) == 9
    assert all(tile_weights(each, tiles, 16).min() > 0 for each in tiles)


def test_a_small_image_is_one_tile() -> None:
    assert plan_tiles(300, 200, 512, 64) == (Tile(0, 0, 300, 200),)


def test_tiles_are_spread_evenly() -> None:
    tiles = plan_tiles(1000, 400, 400, 50)
    assert [each.left for each in tiles] == [0, 300, 600]


def test_crop_is_a_view_of_the_tile() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(Tile(1, 2, 3, 2).crop(pixels), pixels[2:4, 1:4])


def test_seam_lines_lie_between_tiles() -> None:
    assert seam_lines(plan_tiles(160, 64, 64, 16), scale=2) == ((112, 208), ())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, 8, 2), "at least 1 x 1"),
        ((9, 9, 8, 8), "overlap"),
        ((9, 9, 8, -1), "overlap"),
        ((9, 9, 0, 0), "overlap"),
    ],
)
def test_an_impossible_plan_is_refused(arguments: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_tiles(*arguments)


def test_a_margin_that_leaves_no_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        axis_weights([(0, 8), (4, 12)], 4, margin=3)
    with pytest.raises(ValueError, match="scale"):
        axis_weights([(0, 8)], 4, scale=0)
