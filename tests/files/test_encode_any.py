"""Any pixels can be written in any format at any quality, and what cannot be is reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import FORMATS, ImageFormat, Lossless
from ninefold.files.infotext import Infotext
from ninefold.files.opening import ImageLimits, open_image
from tests.files.colours import noise

SIDES = st.one_of(st.integers(1, 70), st.sampled_from([127, 128, 129, 255, 257]))
#: Pixels of extreme shapes stay few, so that an example takes milliseconds.
LONG = st.sampled_from([(1, 4001), (4001, 1), (2, 16_383), (16_383, 2), (7, 1999), (1, 1)])
_FIELDS = {"Steps": "1", "Seed": "2", "Size": "3x4"}
CONTENTS = ["noise", "flat", "gradient", "bilevel"]


def content(kind: str, height: int, width: int, seed: int) -> NDArray[np.uint8]:
    if kind == "noise":
        return noise(height, width, seed)
    if kind == "bilevel":
        return np.where(noise(height, width, seed) > 127, np.uint8(255), np.uint8(0))
    if kind == "flat":
        return np.full((height, width, 3), noise(1, 1, seed)[0, 0], np.uint8)
    down, across = np.mgrid[0:height, 0:width]
    planes = [down * 255 / max(1, height - 1), across * 255 / max(1, width - 1), down * 0 + seed]
    return np.stack(planes, axis=2).astype(np.uint8)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    format=st.sampled_from(list(ImageFormat)),
    quality=st.one_of(st.none(), st.integers(1, 100), st.sampled_from([1, 89, 90, 94, 95, 100])),
    size=st.one_of(st.tuples(SIDES, SIDES), LONG),
    kind=st.sampled_from(CONTENTS),
    lossless=st.booleans(),
    compression=st.sampled_from(list(Compression)),
    words=st.sampled_from([0, 3, 4000]),
    seed=st.integers(0, 255),
)
def test_any_pixels_in_any_format_at_any_quality(
    format: ImageFormat,
    quality: int | None,
    size: tuple[int, int],
    kind: str,
    lossless: bool,
    compression: Compression,
    words: int,
    seed: int,
) -> None:
    pixels = content(kind, *size, seed)
    lossless = lossless and FORMATS[format].lossless is not Lossless.NEVER
    data = encode(
        pixels,
        format,
        quality=quality,
        lossless=lossless,
        compression=compression,
        metadata=EmbeddedMetadata(Infotext("w" * words, "", _FIELDS) if words else None),
    )
    back = decode(data)
    assert back.shape == pixels.shape
    if lossless or format is ImageFormat.PNG:
        assert np.array_equal(back, pixels)
    elif kind == "flat" and (quality or 90) >= 80:
        assert np.abs(back.astype(int) - pixels).max() <= 8


@pytest.mark.parametrize("quality", [None, 1, 50, 89, 90, 94, 95, 100])
@pytest.mark.parametrize("side", [512, 1024])
def test_jpeg_of_noise(quality: int | None, side: int) -> None:
    pixels = noise(side, side)
    data = encode(pixels, "jpeg", quality=quality)
    assert encode(pixels, "jpeg", quality=quality) == data
    error = np.abs(decode(data).astype(int) - pixels).mean()
    assert error < (2 if quality == 100 else 10 if (quality or 92) >= 90 else 90)


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_large_noise(format: str) -> None:
    pixels = np.tile(noise(512, 512), (4, 4, 1))
    assert decode(encode(pixels, format, quality=100, compression=Compression.FAST)).shape == (
        2048,
        2048,
        3,
    )


@pytest.mark.parametrize("format", list(ImageFormat))
def test_the_longest_side_of_each_format_and_one_more(format: ImageFormat) -> None:
    most = min(FORMATS[format].max_side, 100_000)
    for shape in ((1, most, 3), (most, 1, 3)):
        data = encode(np.full(shape, 90, np.uint8), format)
        with open_image(data, ImageLimits(max_side=most)) as image:
            assert image.size == (shape[1], shape[0])
    if most == FORMATS[format].max_side:
        with pytest.raises(ValueError, match=r"pixels a side.*write PNG or scale it down"):
            encode(np.full((1, most + 1, 3), 90, np.uint8), format)


def test_a_failed_encoder_is_reported_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("broken data stream when writing image file")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(
        ValueError, match=r"the encoder failed on 4 x 3 pixels.*another format"
    ) as e:
        encode(noise(3, 4), "jpeg")
    assert "prompt" not in str(e.value)
