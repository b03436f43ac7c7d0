"""Decoding untrusted files: every mode arrives right, every bad file is refused in words."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.decode import ImageInfo, decode, decode_mask, decode_rgba, probe
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import ImageLimits
from tests.files.colours import png, with_header

Save = Callable[..., bytes]
FORMATS = ["png", "jpeg", "webp", "avif"]


def png_of_header(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", header),
        chunk(b"IDAT", body),
        chunk(b"IEND", b""),
    )
    return b"".join(parts)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_by_bytes_and_by_path(
    picture: NDArray[np.uint8], kind: str, tmp_path: Path
) -> None:
    data = encode(picture, kind)
    path = tmp_path / "lying.png"
    path.write_bytes(data)
    pixels = decode(data)
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert np.array_equal(decode(path), pixels)
    assert np.abs(pixels.astype(int) - picture).mean() < 6
    assert probe(path) == ImageInfo(ImageFormat(kind), 64, 48, "RGB", False)


def test_grey_palette_and_bilevel(save: Save, picture: NDArray[np.uint8]) -> None:
    grey = Image.fromarray(picture).convert("L")
    three = np.repeat(np.array(grey)[..., None], 3, axis=2)
    assert np.array_equal(decode(save(grey, "PNG")), three)
    palette = Image.fromarray(picture).quantize(16)
    assert np.array_equal(decode(save(palette, "PNG")), np.array(palette.convert("RGB")))
    bilevel = grey.convert("1")
    assert np.array_equal(decode(save(bilevel, "PNG"))[..., 0], np.array(bilevel) * 255)


def test_sixteen_bit_grey_is_scaled_not_clipped(save: Save) -> None:
    deep = np.array([[0, 257, 32_768, 65_535]], np.uint16)
    data = save(Image.fromarray(deep), "PNG")
    assert decode(data)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert np.allclose(decode_mask(data), deep / 65_535, atol=1e-7)
    assert decode_rgba(data)[..., 3].min() == 255


def test_cmyk_jpeg(save: Save) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    mean = decode(save(red, "JPEG", quality=95)).reshape(-1, 3).mean(axis=0)
    assert mean[0] > 200
    assert mean[1:].max() < 60


def test_alpha_is_laid_on_white_or_kept(save: Save) -> None:
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [200, 0, 0, 128]]], np.uint8)
    data = save(rgba, "PNG")
    assert decode(data).tolist() == [[[200, 0, 0], [255, 255, 255], [227, 127, 127]]]
    assert np.array_equal(decode_rgba(data), rgba)
    assert decode_mask(save(np.full((1, 1, 4), (255, 255, 255, 0), np.uint8), "PNG")) == 0


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_transparent_colour_counts_as_alpha(save: Save, mode: str) -> None:
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), (9, 9, 9) if mode == "RGB" else 9)
    if mode == "P":
        image.putpalette([7, 7, 7] * 9 + [9, 9, 9])
    key = (0, 0, 0) if mode == "RGB" else 0
    pixels = decode(save(image, "PNG", transparency=key))
    assert pixels.tolist() == [[[255, 255, 255], [9, 9, 9]]]


def test_palette_with_alpha_in_bytes_raises_no_warning(save: Save) -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    data = save(image, "PNG", transparency=bytes([255, 0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(data).min() == 255
        assert decode_rgba(data)[0, 0].tolist() == [10, 20, 30, 0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(save: Save, kind: str, orientation: int) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(stored, kind, exif=exif)
    pixels = decode(data)
    rows_by_columns = pixels.shape[:2]
    assert rows_by_columns == ((64, 32) if orientation >= 5 else (32, 64))
    assert (probe(data).height, probe(data).width) == rows_by_columns
    corners = {
        (0, 0): pixels[4, 4, 0],
        (0, 1): pixels[4, -5, 0],
        (1, 1): pixels[-5, -5, 0],
        (1, 0): pixels[-5, 4, 0],
    }
    # Exif 2.32, 4.6.4: where row 0 and column 0 of the stored picture are seen.
    seen = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0)]
    assert max(corners, key=lambda corner: int(corners[corner])) == seen[orientation - 1]


def test_mask_is_brightness(save: Save) -> None:
    mask = decode_mask(save(np.array([[0, 51, 255]], np.uint8), "PNG"))
    assert mask.dtype == np.float32
    assert np.allclose(mask, [[0, 0.2, 1]])


def test_an_animation_gives_its_first_frame(save: Save) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP", "AVIF"):
        data = save(frames[0], kind, save_all=True, append_images=frames[1:])
        assert decode(data)[4, 4, 0] > 200


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept", [0.03, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(picture: NDArray[np.uint8], kind: str, kept: float) -> None:
    data = encode(np.tile(picture, (4, 4, 1)), kind)
    for read in (decode, decode_rgba, decode_mask):
        with pytest.raises(ValueError, match="image: expected"):
            read(data[: int(len(data) * kept)])


@pytest.mark.parametrize("kind", FORMATS)
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_files_give_pixels_or_a_value_error(kind: str, data: st.DataObject) -> None:
    whole = bytearray(encode(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            pixels: NDArray[Any] = decode(bytes(whole))
        except ValueError as error:
            assert str(error).startswith("image: expected")  # noqa: PT017
        else:
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=64), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]))
def test_noise_is_refused(noise: bytes, start: bytes) -> None:
    with pytest.raises(ValueError, match="image: expected"):
        decode(start + noise)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(
    save: Save, picture: NDArray[np.uint8], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(save(Image.fromarray(picture), kind))
    with pytest.raises(ValueError, match="expected PNG, JPEG, WEBP, AVIF"):
        decode(path)


@pytest.mark.parametrize("sides", [(30_000, 30_000), (16_385, 1), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_before_they_unpack(sides: tuple[int, int]) -> None:
    bomb = png_of_header(*sides, zlib.compress(bytes(1 << 20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (decode, decode_rgba, decode_mask, probe):
            with pytest.raises(ValueError, match="expected"):
                read(bomb)


def test_a_webp_bomb_is_refused() -> None:
    canvas = (16_382).to_bytes(3, "little") * 2
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas
    bomb = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    with pytest.raises(ValueError, match="expected"):
        decode(bomb)


def test_limits_hold(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    data = encode(picture, "png")
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    assert decode(data, ImageLimits(len(data), 48 * 64, 64)).shape == (48, 64, 3)
    for limits in (
        ImageLimits(max_bytes=len(data) - 1),
        ImageLimits(max_pixels=48 * 64 - 1),
        ImageLimits(max_side=63),
    ):
        for source in (data, path):
            with pytest.raises(ValueError, match="expected at most"):
                decode(source, limits)


def test_a_text_bomb_in_a_png_is_harmless(picture: NDArray[np.uint8]) -> None:
    body = b"parameters\0\0" + zlib.compress(bytes(4 << 20))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = encode(picture, "png")
    with pytest.raises(ValueError, match="image: expected"):
        decode(data[:33] + chunk + data[33:])


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (tmp_path / "missing.png", tmp_path, pipe, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(ValueError, match="image: expected a file"):
            decode(path)


def test_a_mask_is_turned_upright_and_the_first_picture_of_many_is_taken(save: Save) -> None:
    stored = np.zeros((32, 64), np.uint8)
    stored[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = decode_mask(save(stored, "PNG", exif=exif))
    assert mask.shape == (64, 32)
    assert mask[4, -5] == 1
    assert mask[4, 4] == 0
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    mpo = save(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert decode(mpo)[8, 8, 0] > 200


def test_interlaced_and_progressive_files(save: Save, picture: NDArray[np.uint8]) -> None:
    # Adam7 of a single pixel is one pass of one row.
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    data = with_header(png((1, 1), 8, 2, [bytes([9, 8, 7])]), header)
    assert decode(data).tolist() == [[[9, 8, 7]]]
    for mode in ("RGB", "L", "CMYK"):
        image = Image.fromarray(picture).convert(mode)
        plain, progressive = (
            decode(save(image, "JPEG", quality=90, progressive=flag)) for flag in (False, True)
        )
        assert np.abs(plain.astype(int) - progressive).max() <= 2
