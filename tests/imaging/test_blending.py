"""Tiled results equal untiled ones, in little memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.blending import TileCanvas, blend_tiles
from ninefold.imaging.filters import convolve_valid, gaussian_kernel
from ninefold.imaging.likeness import mean_absolute_difference
from ninefold.imaging.measures import seam_strength
from ninefold.imaging.tiles import Tile, plan_tiles, seam_lines
from ninefold.imaging.types import Floats, Pixels

from .strategies import noise, plans, quick, scene

RADIUS = 6


def double(pixels: Pixels, _tile: Tile) -> Pixels:
    """Nearest-neighbour upscaling: looks no pixel far."""
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


def network(pixels: Pixels, _tile: Tile) -> Floats:
    """A convolution with zero padding, like an upscaler's, sharpening RADIUS pixels wide."""
    kernel = gaussian_kernel(3, RADIUS)
    planes = np.pad(pixels.astype(np.float32), ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)))
    soft = [convolve_valid(np.ascontiguousarray(planes[..., c]), kernel) for c in range(3)]
    return np.float32(1.5) * pixels - np.float32(0.5) * np.stack(soft, axis=-1)


@quick
@given(plans(), st.data())
def test_blending_untouched_tiles_gives_the_image_bit_for_bit(
    plan: tuple[int, int, int, int], data: st.DataObject
) -> None:
    width, height, tile, overlap = plan
    margin = data.draw(st.integers(0, overlap // 2))
    image = noise(width, height)
    result = blend_tiles(image, tile, overlap, 1, lambda pixels, _: pixels, margin=margin)
    assert np.array_equal(result, image)


@quick
@given(plans())
def test_enlarged_tiles_meet_bit_for_bit(plan: tuple[int, int, int, int]) -> None:
    width, height, tile, overlap = plan
    image = noise(width, height)
    result = blend_tiles(image, tile, overlap, 2, double)
    assert np.array_equal(result, double(image, Tile(0, 0, width, height)))


@pytest.mark.parametrize(("overlap", "margin"), [(12, 6), (24, 6), (24, 12), (40, 10)])
def test_a_convolution_in_tiles_is_the_untiled_one(overlap: int, margin: int) -> None:
    image = scene(200, 150)
    whole = blend_tiles(image, 1000, 0, 1, network)
    tiled = blend_tiles(image, 64, overlap, 1, network, margin=margin)
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert mean_absolute_difference(whole, tiled) < 0.01


def test_without_the_margin_the_padding_of_tiles_would_show() -> None:
    # Sizes where tiles overlap by exactly what is asked for; more of it would hide some.
    for overlap, width, height, least in ((2 * RADIUS, 168, 116, 0.1), (0, 192, 128, 1)):
        image = scene(width, height)
        whole = blend_tiles(image, 1000, 0, 1, network)
        tiled = blend_tiles(image, 64, overlap, 1, network)
        assert mean_absolute_difference(whole, tiled) > least


def test_tiles_that_disagree_leave_no_seam() -> None:
    image = scene(256, 256)

    def wander(pixels: Pixels, tile: Tile) -> Floats:
        return pixels.astype(np.float32) + 12 * ((tile.left + tile.top) // 48 % 2)

    lines = seam_lines(plan_tiles(256, 256, 64, 16))
    cut_lines = seam_lines(plan_tiles(256, 256, 64, 0))
    assert seam_strength(blend_tiles(image, 64, 16, 1, wander), *lines) < 1.5
    assert seam_strength(blend_tiles(image, 64, 0, 1, wander), *cut_lines) > 2


def test_results_beyond_the_range_are_clipped() -> None:
    image = noise(20, 20)
    bright = blend_tiles(image, 12, 4, 1, lambda p, _: p.astype(np.float32) + 300)
    dark = blend_tiles(image, 12, 4, 1, lambda p, _: p.astype(np.float32) - 300)
    assert bright.min() == 255
    assert dark.max() == 0


def test_a_4096_square_result_needs_little_memory() -> None:
    image = np.zeros((2048, 2048, 3), dtype=np.uint8)
    tile = np.full((1024, 1024, 3), 7.0, dtype=np.float32)
    tracemalloc.start()
    try:
        result = blend_tiles(image, 512, 64, 2, lambda _pixels, _tile: tile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.shape == (4096, 4096, 3)
    assert (result[::97, ::97] == 7).all()
    assert peak < 120 * 2**20


def test_the_canvas_refuses_what_the_plan_does_not_say() -> None:
    tiles = plan_tiles(20, 20, 12, 4)
    canvas = TileCanvas(tiles, 4)
    pixels = np.zeros((12, 12, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="in order"):
        canvas.add(tiles[1], pixels)
    with pytest.raises(ValueError, match="12 x 12 x 3"):
        canvas.add(tiles[0], pixels[:5])
    with pytest.raises(ValueError, match="4 tiles, got 0"):
        canvas.result()
    for each in tiles:
        canvas.add(each, pixels)
    with pytest.raises(ValueError, match="in order"):
        canvas.add(tiles[-1], pixels)
    assert canvas.result().shape == (20, 20, 3)
    with pytest.raises(ValueError, match="at least one tile"):
        TileCanvas((), 4)
