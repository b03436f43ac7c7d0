"""Coverage of a subject: enlarged along edges, shaped, and cut out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.alpha import lay_on
from ninefold.imaging.mattes import (
    cut_out,
    enlarge_along_edges,
    large_parts,
    with_threshold,
)
from ninefold.imaging.resize import resize_mask
from ninefold.imaging.types import Mask, Pixels

from .strategies import flat, noise


def disc(side: int, radius: float, x: float = 0.5, y: float = 0.5) -> Mask:
    """An anti-aliased disc; radius and centre are parts of the side."""
    rows, columns = np.mgrid[0:side, 0:side]
    distance = np.hypot(columns + 0.5 - x * side, rows + 0.5 - y * side)
    covered: Mask = np.clip(radius * side - distance + 0.5, 0, 1).astype(np.float32)
    return covered


def painted(covered: Mask, inside: tuple[int, int, int], outside: tuple[int, int, int]) -> Pixels:
    """A subject of one colour on another."""
    side = len(covered)
    return lay_on(flat(side, side, *inside), (covered * 255).round().astype(np.uint8), outside)


def test_an_enlarged_edge_lies_where_the_colours_change() -> None:
    fine = disc(256, 0.3)
    pixels = painted(fine, (200, 60, 40), (40, 120, 200))
    coarse = resize_mask(fine, 64, 64, "box")
    found = enlarge_along_edges(coarse, pixels)
    plain = resize_mask(coarse, 256, 256)
    error, usual = np.abs(found - fine).sum(), np.abs(plain - fine).sum()
    assert error < usual / 3
    assert np.abs(found - fine).max() < 0.3


def test_without_an_edge_in_the_colours_coverage_is_only_enlarged() -> None:
    coarse = resize_mask(disc(256, 0.3), 64, 64, "box")
    found = enlarge_along_edges(coarse, flat(256, 256, 90, 90, 90))
    assert np.abs(found - resize_mask(coarse, 256, 256)).mean() < 0.02


def test_colours_inside_and_outside_have_no_say() -> None:
    coarse = resize_mask(disc(256, 0.3), 64, 64, "box")
    found = enlarge_along_edges(coarse, noise(256, 256))
    assert found[110:146, 110:146].min() > 0.98
    assert found[:20].max() < 0.02


@pytest.mark.parametrize(("width", "height"), [(64, 64), (40, 30), (64, 200)])
def test_coverage_is_brought_to_any_size(width: int, height: int) -> None:
    found = enlarge_along_edges(disc(64, 0.3), noise(width, height))
    assert found.shape == (height, width)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


@given(st.floats(0.01, 0.99))
def test_a_threshold_moves_the_edge_and_keeps_order(threshold: float) -> None:
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None]
    moved = with_threshold(ramp, threshold)
    assert (moved[0, 0], moved[0, -1]) == (0, 1)
    assert (np.diff(moved[0]) >= 0).all()
    at = np.array([[threshold]], np.float32)
    assert with_threshold(at, threshold)[0, 0] == pytest.approx(0.5, abs=1e-4)


def test_haze_goes_and_a_soft_edge_stays() -> None:
    values = np.array([[0.05, 0.3, 0.5, 0.7, 0.95]], np.float32)
    assert with_threshold(values, 0.5)[0].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_the_largest_part_stays_with_its_soft_edge() -> None:
    large, small = disc(128, 0.2, 0.3, 0.4), disc(128, 0.08, 0.8, 0.8)
    found = large_parts(np.maximum(large, small), 0, largest=True)
    assert np.abs(found - large).max() < 1e-6
    assert large_parts(large, 0, largest=True) is large


def test_parts_that_touch_by_a_corner_are_one() -> None:
    steps = np.zeros((20, 20), np.float32)
    for start in range(0, 20, 4):
        steps[start : start + 4, start : start + 4] = 1
    assert large_parts(steps, 0, largest=True) is steps


def test_parts_that_meet_further_down_are_one() -> None:
    """A U is two runs above and one below; nothing of it goes."""
    shape = np.zeros((40, 40), np.float32)
    shape[4:30, 4:10] = shape[4:30, 20:26] = shape[26:32, 4:26] = 1
    alone = shape.copy()
    shape[4:10, 34:38] = 1
    assert np.array_equal(large_parts(shape, 0, largest=True), alone)


@pytest.mark.parametrize("side", [900, 1400])
def test_large_images_are_looked_through_small(side: int) -> None:
    large, small = disc(side, 0.2, 0.3, 0.4), disc(side, 0.08, 0.8, 0.8)
    found = large_parts(np.maximum(large, small), 0, largest=True)
    assert np.abs(found - large).mean() < 1e-3
    assert found[int(0.8 * side), int(0.8 * side)] == 0


def test_a_cut_out_has_no_fringe_of_its_old_background() -> None:
    covered = disc(128, 0.3)
    colours, alpha = cut_out(painted(covered, (200, 60, 40), (20, 220, 60)), covered)
    assert np.array_equal(alpha, (covered * 255).round().astype(np.uint8))
    on_black = lay_on(colours, alpha, (0, 0, 0)).astype(int)
    expected = painted(covered, (200, 60, 40), (0, 0, 0)).astype(int)
    assert np.abs(on_black - expected).max() <= 12
    assert np.abs(colours.astype(int) - (200, 60, 40)).max() <= 12, "the old one can be seen"


def test_where_nothing_is_covered_nothing_is_left() -> None:
    colours, alpha = cut_out(noise(32, 32), np.zeros((32, 32), np.float32))
    assert not alpha.any()
    assert (colours == 128).all()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_what_is_covered_in_part_keeps_its_colours(share: float) -> None:
    pixels = noise(32, 32)
    colours, alpha = cut_out(pixels, np.full((32, 32), share, np.float32))
    assert np.array_equal(colours, pixels)
    assert (alpha == round(share * 255)).all()


def test_specks_go_and_parts_of_some_size_stay() -> None:
    parts = np.zeros((100, 100), np.float32)
    parts[10:40, 10:40] = parts[60:66, 60:66] = parts[80:82, 80:82] = 1
    found = large_parts(parts, 0.002)
    assert found[60:66, 60:66].min() == 1
    assert not found[78:84, 78:84].any()
    assert large_parts(parts, 0) is parts
    assert not large_parts(parts, 0.5).any()
