"""Small pictures for the tests of `ninefold.files`."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Save = Callable[..., bytes]


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """48 x 64 pixels: a smooth ramp with some noise, so that every codec has something to do."""
    y, x = np.mgrid[0:48, 0:64]
    noise = np.random.default_rng(9).integers(0, 8, (48, 64))
    planes = [x * 3 + noise, y * 4 + noise, 255 - x * 2 - noise]
    return np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def save() -> Save:
    """Pillow's own writer: an image or array and its options to bytes."""

    def written(image: Image.Image | NDArray[Any], format: str, **options: Any) -> bytes:
        buffer = BytesIO()
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(buffer, format, **options)
        return buffer.getvalue()

    return written
