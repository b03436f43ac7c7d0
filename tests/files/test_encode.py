"""Encoding: pixels survive, bytes repeat, wrong requests are reported what to do."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image

from ninefold.files import png
from ninefold.files.decode import decode, decode_rgba
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import FORMATS, ImageFormat, Lossless, image_format, sniff

LOSSLESS = [
    (ImageFormat.PNG, False, Compression.FAST),
    (ImageFormat.PNG, False, Compression.SMALL),
    (ImageFormat.WEBP, True, Compression.FAST),
    (ImageFormat.WEBP, True, Compression.SMALL),
    (ImageFormat.JXL, True, Compression.FAST),
    (ImageFormat.JXL, True, Compression.SMALL),
]


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    if sniff(data) is ImageFormat.JXL:  # Pillow has no reader of its own
        return decode(data)
    with Image.open(BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize(("kind", "lossless", "compression"), LOSSLESS)
def test_lossless_keeps_every_pixel(
    picture: NDArray[np.uint8], kind: ImageFormat, lossless: bool, compression: Compression
) -> None:
    data = encode(picture, kind, lossless=lossless, compression=compression)
    assert sniff(data) is kind
    assert np.array_equal(pixels_of(data), picture)


@pytest.mark.parametrize("kind", [kind for kind in ImageFormat if kind is not ImageFormat.PNG])
@pytest.mark.parametrize("compression", list(Compression))
def test_lossy_keeps_the_picture(
    picture: NDArray[np.uint8], kind: ImageFormat, compression: Compression
) -> None:
    data = encode(picture, kind, compression=compression)
    assert sniff(data) is kind
    assert psnr(pixels_of(data), picture) > 32


@pytest.mark.parametrize("kind", list(ImageFormat))
@pytest.mark.parametrize("compression", list(Compression))
def test_equal_pixels_give_equal_bytes(
    picture: NDArray[np.uint8], kind: ImageFormat, compression: Compression
) -> None:
    once = encode(picture, kind, compression=compression)
    again = encode(picture.copy(), kind, compression=compression)
    assert once == again


@pytest.mark.parametrize("kind", [kind for kind in ImageFormat if kind is not ImageFormat.PNG])
def test_quality_is_obeyed(picture: NDArray[np.uint8], kind: ImageFormat) -> None:
    assert len(encode(picture, kind, quality=20)) < len(encode(picture, kind, quality=97))


def test_bytes_do_not_depend_on_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (900, 800, 3), np.uint8)
    results = []
    for cores in (1, 2, 16):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", cores)
        small = np.ascontiguousarray(noise[:256, :256])
        results.append(
            (png.write_png(noise), encode(small, "avif"), png.write_png(noise, small=True))
        )
    assert results[0] == results[1] == results[2]
    assert np.array_equal(pixels_of(results[0][0]), noise)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([1, 20, 64])
)
def test_fast_png_of_any_shape_in_any_strips(
    height: int, width: int, seed: int, strip: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_STRIP_BYTES", strip)
        files = [png.write_png(pixels), png.write_png(pixels, small=True)]
    for data in files:
        assert np.array_equal(pixels_of(data), pixels)


def test_small_png_is_about_as_small_as_pillow_makes_it(picture: NDArray[np.uint8]) -> None:
    large = np.tile(picture, (6, 6, 1))
    for pixels in (large, np.repeat(large, 3, axis=0), np.zeros_like(large)):
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
        assert len(png.write_png(pixels, small=True)) <= 1.02 * len(buffer.getvalue()) + 100


def test_views_are_encoded_as_they_look(picture: NDArray[np.uint8]) -> None:
    view = picture[::2, ::-1]
    for compression in Compression:
        assert np.array_equal(pixels_of(encode(view, "png", compression=compression)), view)


def test_formats_table_holds(picture: NDArray[np.uint8]) -> None:
    assert set(FORMATS) == set(ImageFormat)
    suffixes = [suffix for info in FORMATS.values() for suffix in info.suffixes]
    assert len(suffixes) == len(set(suffixes))
    for kind, info in FORMATS.items():
        for name in (kind.value, info.media_type, *info.suffixes, info.suffixes[0][1:].upper()):
            assert image_format(name) is kind
        if info.lossless is Lossless.OPTIONAL:
            assert np.array_equal(pixels_of(encode(picture, kind, lossless=True)), picture)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ({"format": "gif"}, "expected one of png, jpeg, webp, avif, jxl; got 'gif'"),
        ({"format": "jpeg", "quality": 0}, "from 1 to 100, got 0"),
        ({"format": "avif", "quality": 101}, "from 1 to 100, got 101"),
        ({"format": "jpeg", "lossless": True}, "use png, webp or jxl"),
        ({"format": "avif", "lossless": True}, "use png, webp or jxl"),
    ],
)
def test_wrong_requests_say_what_to_do(
    picture: NDArray[np.uint8], arguments: dict[str, str | int | bool], reported: str
) -> None:
    with pytest.raises(ValueError, match=reported):
        encode(picture, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_wrong_arrays_are_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected uint8 pixels of shape H x W x 3"):
        encode(pixels, "png")


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("kind", [kind for kind, info in FORMATS.items() if info.alpha])
def test_alpha_comes_back(
    picture: NDArray[np.uint8], kind: ImageFormat, compression: Compression
) -> None:
    height, width = picture.shape[:2]
    alpha = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    layers = decode_rgba(encode(np.dstack([picture, alpha]), kind, compression=compression))
    error = np.abs(layers[..., 3].astype(int) - alpha)
    assert error.max() <= (24 if kind is ImageFormat.AVIF else 0)
    if kind is ImageFormat.PNG:
        assert np.array_equal(layers[..., :3], picture)


def test_alpha_that_the_format_cannot_hold_is_refused(picture: NDArray[np.uint8]) -> None:
    layers = np.dstack([picture, picture[..., 0]])
    with pytest.raises(ValueError, match=r"jpeg: expected pixels without alpha.*lay them on"):
        encode(layers, "jpeg")


@pytest.mark.parametrize("kind", ["webp", "jpeg", "avif"])
def test_sides_beyond_the_format_are_refused(kind: str) -> None:
    wide = np.zeros((1, FORMATS[image_format(kind)].max_side + 1, 3), np.uint8)
    with pytest.raises(ValueError, match="write PNG or scale it down"):
        encode(wide, kind)
