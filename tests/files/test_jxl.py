"""JPEG XL: files of other writers, colours that the header names, metadata, and no library."""

from __future__ import annotations

import sys

import numpy as np
import pylibjxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ninefold.files.decode import decode, decode_rgba, probe
from ninefold.files.embed import EmbeddedMetadata, read_infotext, read_xmp
from ninefold.files.encode import encode
from ninefold.files.exif import write_exif
from ninefold.files.infotext import Infotext
from ninefold.files.jxl_header import JxlColours, read_header
from ninefold.files.opening import ImageLimits
from ninefold.files.xmp import Xmp

#: By cjxl 0.7, lossless, 12 x 8 pixels: the upper half 10, 200, 99 and the lower 200, 30, 60.
BODY = "0802010078004b188b15001c1819494692170801405048e4832e08f9a40b0606c081af00"
SRGB = "ff0a012d10505c12" + BODY  # 8 x 12 as shown: turned by orientation 6
P3 = "ff0a014140263702" + BODY
PQ = "ff0a01051090478f381c0000000002" + BODY
SQUARE_ROOT = "ff0a014140055a628a" + BODY
GREY = "ff0a0141505c08080201006c004b188b15c2498354be000800a3f301000000000004000000000000"
ALPHA = (
    "ff0a01c182e2420808100088004b188b15001c141949468917100120504a4a801288f8a41d820bc053a93a66c02100"
)
GREY_ALPHA = "ff0a01c1a2b8100808100070004b188b1500d48c8c918ce4050e0008008942721ae440c897b2602b00"
DEEP = (
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000096a786c6c0a000000346a78"
    "6c63ff0a01f1031417020802010078004b188b15428a06a2c5170001601a74be3e00000000008000000000000000"
)
ANIMATION = (
    "ff0a01050158505c12080800000084004b188b15001c141949458a17100140504a4a802208f9a41d920bc013c6983c"
    "7808080840000088004b188b15001c4ac618634b5e400400c0490206d78194cfb0c38e0e42c42fc2272011"
)


@pytest.mark.parametrize(
    ("hexed", "size", "first", "last"),
    [
        (SRGB, (8, 12), (200, 30, 60, 255), (10, 200, 99, 255)),
        (GREY, (12, 8), (10, 10, 10, 255), (200, 200, 200, 255)),
        (ALPHA, (12, 8), (10, 200, 99, 10), (200, 30, 60, 200)),
        (GREY_ALPHA, (12, 8), (10, 10, 10, 10), (200, 200, 200, 200)),
        (DEEP, (12, 8), (10, 10, 10, 255), (200, 200, 200, 255)),
    ],
)
def test_files_of_another_writer(
    hexed: str, size: tuple[int, int], first: tuple[int, ...], last: tuple[int, ...]
) -> None:
    data = bytes.fromhex(hexed)
    info = probe(data)
    assert (info.width, info.height) == size
    layers = decode_rgba(data)
    assert tuple(layers[0, 0]) == first
    assert tuple(layers[-1, -1]) == last
    assert info.may_be_transparent is (first[3] < 255)


def test_colours_that_the_header_names() -> None:
    wide = decode(bytes.fromhex(P3))
    assert wide[-1, -1].tolist() == [218, 0, 54]  # P3's red is beyond sRGB's
    assert read_header(bytes.fromhex(P3)).colours == JxlColours(
        (0.3127, 0.3290), ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), 13
    )
    power = read_header(bytes.fromhex(SQUARE_ROOT)).colours
    assert power is not None
    assert power.gamma == pytest.approx(2.0)
    with pytest.raises(ValueError, match=r"HDR image \(PQ\); export it as an SDR image"):
        decode(bytes.fromhex(PQ))


def test_an_embedded_profile_counts(picture: NDArray[np.uint8]) -> None:
    from ninefold.files.profiles import _D65, _P3, _SRGB_CURVE, matrix_profile

    profile = matrix_profile(_P3, _SRGB_CURVE, _D65)
    red = np.full((8, 8, 3), (200, 30, 60), np.uint8)
    data = pylibjxl.encode(red, lossless=True, icc=profile)
    assert decode(data)[0, 0].tolist() == [218, 0, 54]


def test_packed_metadata_of_other_writers(picture: NDArray[np.uint8]) -> None:
    text = "a house\nNegative prompt: fog\nSteps: 2, Seed: 5, Size: 8x8"
    data = pylibjxl.encode(picture, exif=write_exif(text)[6:], xmp=b"<x/>" * 20)
    assert b"brob" in data
    info = read_infotext(data)
    assert info is not None
    assert (info.prompt, info.negative_prompt) == ("a house", "fog")
    assert read_xmp(data) == b"<x/>" * 20


def test_packed_metadata_without_end_is_left_out(picture: NDArray[np.uint8]) -> None:
    bomb = pylibjxl.encode(picture, lossless=True, xmp=b" " * (64 << 20))
    assert len(bomb) < 10_000
    assert read_xmp(bomb) is None
    assert np.array_equal(decode(bomb), picture)
    whole = pylibjxl.encode(picture, xmp=b" " * (16 << 20))
    assert read_xmp(whole) == b" " * (16 << 20)
    damaged = whole.replace(b"brobxml ", b"brobxml \xff\xff")
    assert read_xmp(damaged) is None


def test_metadata_lies_in_plain_boxes(picture: NDArray[np.uint8]) -> None:
    info = Infotext("a house", "", {"Steps": "2", "Seed": "5", "Size": "64x48"})
    data = encode(picture, "jxl", metadata=EmbeddedMetadata(info, Xmp(system="ninefold")))
    assert b"Exif\0\0\0\0MM\0*" in data
    assert b"xml <?xpacket" in data
    assert b"brob" not in data


def test_an_animation_is_refused() -> None:
    with pytest.raises(ValueError, match="got an animated JPEG XL file; export one frame"):
        decode(bytes.fromhex(ANIMATION))


def test_quality_100_keeps_every_pixel(picture: NDArray[np.uint8]) -> None:
    assert np.array_equal(decode(encode(picture, "jxl", quality=100)), picture)
    sizes = [len(encode(picture, "jxl", quality=quality)) for quality in (1, 29, 30, 60, 90)]
    assert sizes == sorted(sizes)


def test_size_is_checked_before_pixels(picture: NDArray[np.uint8]) -> None:
    data = encode(picture, "jxl")
    with pytest.raises(ValueError, match="at most 50 pixels a side"):
        decode(data, ImageLimits(max_side=50))


def test_without_the_library(picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(picture, "jxl")
    monkeypatch.setitem(sys.modules, "pylibjxl", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    remedy = r"not installed; run pip install 'ninefold\[jxl\]'"
    with pytest.raises(ValueError, match=remedy):
        encode(picture, "jxl")
    with pytest.raises(ValueError, match=remedy):
        decode(data)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_broken_files_are_refused(data: st.DataObject) -> None:
    whole = bytes.fromhex(data.draw(st.sampled_from([SRGB, P3, ALPHA, DEEP, ANIMATION])))
    broken = bytearray(whole[: data.draw(st.integers(2, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        broken[data.draw(st.integers(2, len(broken) - 1)) if len(broken) > 2 else 0] = data.draw(
            st.integers(0, 255)
        )
    try:
        pixels = decode(bytes(broken), ImageLimits(max_pixels=1 << 20))
    except ValueError:
        return
    assert pixels.dtype == np.uint8
