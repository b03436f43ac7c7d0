"""Sizes round as reported, and resampling keeps what it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.likeness import psnr
from ninefold.imaging.resize import fit_size, resize, resize_mask, round_to_multiple
from ninefold.imaging.types import Pixels

from .strategies import flat, images, quick, scene, sides


@quick
@given(st.floats(0, 5000), st.integers(1, 128))
def test_rounding_lands_on_the_nearest_multiple(value: float, multiple: int) -> None:
    nearest = round_to_multiple(value, multiple)
    down = round_to_multiple(value, multiple, "down")
    up = round_to_multiple(value, multiple, "up")
    assert all(side % multiple == 0 and side >= multiple for side in (nearest, down, up))
    assert nearest in (down, up)
    if value >= multiple:
        assert down <= value <= up < value + multiple
        assert abs(nearest - value) <= multiple / 2


@quick
@given(st.integers(64, 4000), st.integers(64, 4000), st.sampled_from([1, 8, 64]))
def test_fitted_sizes_keep_area_aspect_and_multiple(width: int, height: int, multiple: int) -> None:
    across, down = fit_size(width, height, area=1024 * 1024, multiple=multiple)
    assert across % multiple == down % multiple == 0
    exact = (1024 * 1024 * width / height) ** 0.5, (1024 * 1024 * height / width) ** 0.5
    assert abs(across - exact[0]) <= multiple / 2 or across == multiple
    assert abs(down - exact[1]) <= multiple / 2 or down == multiple


def test_known_sizes() -> None:
    assert fit_size(1920, 1080, area=1024 * 1024, multiple=64) == (1344, 768)
    assert fit_size(1920, 1080, side=512) == (512, 288)
    assert fit_size(300, 4000, side=512, multiple=64) == (64, 512)


@pytest.mark.parametrize("target", [{}, {"area": 10, "side": 10}, {"area": 0}, {"side": -5}])
def test_a_target_that_cannot_be_is_refused(target: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        fit_size(100, 100, **target)  # type: ignore[arg-type]


@quick
@given(images(), sides, sides)
def test_resizing_gives_the_size_and_the_same_size_the_same_array(
    pixels: Pixels, width: int, height: int
) -> None:
    resized = resize(pixels, width, height)
    assert resized.shape == (height, width, 3)
    assert resize(pixels, pixels.shape[1], pixels.shape[0]) is pixels


@pytest.mark.parametrize("method", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_every_method_keeps_a_flat_colour(method: str) -> None:
    resized = resize(flat(13, 9, 10, 200, 33), 31, 5, method)  # type: ignore[arg-type]
    assert (resized == (10, 200, 33)).all()


def test_up_and_down_again_is_nearly_the_same() -> None:
    pixels = scene(96, 72)
    assert psnr(resize(resize(pixels, 192, 144), 96, 72), pixels) > 45


def test_masks_keep_fractions() -> None:
    mask = np.array([[0, 1]], dtype=np.float32)
    assert np.array_equal(resize_mask(mask, 4, 1), np.array([[0, 0.25, 0.75, 1]], np.float32))


def test_bad_arguments_are_refused() -> None:
    pixels = flat(4, 4, 1, 2, 3)
    with pytest.raises(ValueError, match="at least 1 x 1"):
        resize(pixels, 0, 4)
    with pytest.raises(ValueError, match="lanczos"):
        resize(pixels, 8, 8, "cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="H x W x 3 uint8"):
        resize(pixels[..., 0], 8, 8)
    with pytest.raises(ValueError, match="multiple"):
        round_to_multiple(5, 0)
