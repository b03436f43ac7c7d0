"""Files without transparency: on white, or as they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ninefold.files.decode import decode, probe
from ninefold.files.encode import encode
from ninefold.files.flatten import flattened
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.opening import ImageLimits

LIMITS = ImageLimits()


@pytest.mark.parametrize("kind", [kind for kind, info in FORMATS.items() if info.alpha])
def test_what_is_transparent_is_laid_on_white(
    picture: NDArray[np.uint8], kind: ImageFormat
) -> None:
    alpha = np.where(np.arange(picture.shape[1]) < 20, 0, 255).astype(np.uint8)
    layers = np.dstack([picture, np.tile(alpha, (len(picture), 1))])
    data = encode(layers, kind)
    flat = flattened(data, LIMITS)
    assert not probe(flat, LIMITS).may_be_transparent
    pixels = decode(flat)
    assert (pixels[:, :16] == 255).all()
    assert np.array_equal(pixels, decode(data))


@pytest.mark.parametrize("kind", list(ImageFormat))
def test_an_opaque_file_is_left_alone(picture: NDArray[np.uint8], kind: ImageFormat) -> None:
    data = encode(picture, kind)
    assert flattened(data, LIMITS) is data
