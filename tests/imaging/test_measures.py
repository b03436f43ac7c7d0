"""Measures of one image say what they claim."""

import numpy as np
import pytest
from hypothesis import given

from ninefold.imaging import measures
from ninefold.imaging.types import Pixels

from .strategies import flat, images, noise, quick, scene


def test_blur_lowers_sharpness() -> None:
    crisp = noise(64, 64)
    soft = scene(64, 64)
    assert measures.sharpness(crisp) > 10 * measures.sharpness(soft) > 0
    assert measures.sharpness(flat(20, 20, 3, 90, 200)) == pytest.approx(0, abs=1e-6)


def test_sharpness_of_one_bright_pixel() -> None:
    pixels = flat(5, 5, 0, 0, 0)
    pixels[2, 2] = 100
    # Laplacian over the inner 3 x 3: once -400, four times 100, mean zero.
    assert measures.sharpness(pixels) == pytest.approx((400**2 + 4 * 100**2) / 9, rel=1e-5)


def test_bands_do_not_change_sharpness() -> None:
    tall = noise(300, 700)
    y = tall @ np.array([0.2126, 0.7152, 0.0722])
    edges = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    assert measures.sharpness(tall) == pytest.approx(edges.var(), rel=1e-5)


def test_clipping_counts_only_what_lost_all_channels() -> None:
    pixels = flat(10, 10, 128, 128, 128)
    pixels[0] = 255
    pixels[1:3] = (0, 1, 2)
    pixels[3] = (255, 0, 0)
    assert measures.clipping(pixels) == measures.Clipping(low=0.2, high=0.1)


@quick
@given(images())
def test_blankness_lies_between_its_ends(pixels: Pixels) -> None:
    assert 0 <= measures.blankness(pixels) <= 1
    assert 0 <= measures.luma_deviation(pixels) <= 127.5
    assert measures.luma_histogram(pixels).sum() == pixels.shape[0] * pixels.shape[1]


def test_blank_images_are_blank() -> None:
    assert measures.blankness(flat(30, 30, 7, 7, 7)) == 1
    assert measures.luma_deviation(flat(30, 30, 7, 7, 7)) == 0
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert measures.blankness(ramp) == pytest.approx(0, abs=1e-9)
    checks = np.zeros((2, 2, 3), dtype=np.uint8)
    checks[0, 0] = checks[1, 1] = 255
    assert measures.luma_deviation(checks) == pytest.approx(127.5)


def test_a_seam_stands_out_at_its_own_line_only() -> None:
    pixels = np.clip(scene(120, 90), 0, 235)
    assert measures.seam_strength(pixels, (60,), (45,)) < 1.5
    pixels[:, 60:] += 20
    assert measures.seam_strength(pixels, (60,)) > 3
    assert measures.seam_strength(pixels, (59, 61, 30), (45,)) < 1.5
    assert measures.seam_strength(pixels.swapaxes(0, 1), (), (60,)) > 3


def test_no_lines_and_flat_images_have_no_seam() -> None:
    assert measures.seam_strength(noise(20, 20)) == 1
    assert measures.seam_strength(flat(20, 20, 5, 5, 5), (10,), (10,)) == 1


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="seam line"):
        measures.seam_strength(noise(20, 20), (20,))
    with pytest.raises(ValueError, match="3 x 3"):
        measures.sharpness(noise(2, 9))
    with pytest.raises(ValueError, match="low level"):
        measures.clipping(noise(4, 4), low=-1)
