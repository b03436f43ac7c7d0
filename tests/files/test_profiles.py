"""Colours come in as they looked, by the profile of the file; broken profiles are reported."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ninefold.files.decode import decode, decode_mask, decode_rgba
from ninefold.files.encode import encode
from ninefold.files.png import find_chunk
from ninefold.files.profiles import MAX_PROFILE, matrix_profile, srgb_profile
from tests.files.colours import (
    D50,
    D65,
    DISPLAY_P3,
    P3,
    PROPHOTO,
    SRGB_CURVE,
    cmyk_profile,
    grey_profile,
    noise,
    png,
    with_chunk,
)

Save = Callable[..., bytes]


def littlecms(image: Image.Image, profile: bytes) -> NDArray[np.uint8]:
    """What LittleCMS makes of the pixels, asked directly."""
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    return np.array(converted)


def apart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    return int(np.abs(first.astype(int) - second).max())


def test_our_srgb_is_littlecms_srgb() -> None:
    ours = ImageCms.ImageCmsProfile(BytesIO(srgb_profile())).profile
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).profile
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        assert np.allclose(getattr(ours, name)[0], getattr(theirs, name)[0], atol=2e-4)
    assert ours.profile_description == "sRGB"
    assert apart(littlecms(Image.fromarray(noise(32, 32)), srgb_profile()), noise(32, 32)) <= 1
    assert len(srgb_profile()) < 512


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_photo_in_display_p3_keeps_its_colours(save: Save, kind: str) -> None:
    shown = np.zeros((32, 32, 3), np.uint8)
    shown[:, :16], shown[:, 16:] = (230, 90, 60), (60, 200, 90)
    data = save(shown, kind, icc_profile=DISPLAY_P3, quality=95)
    pixels = decode(data)
    assert apart(pixels[4:28, 4:12], np.array([249, 77, 45])) <= 6
    assert apart(pixels[4:28, 20:28], np.array([0, 204, 74])) <= 6
    if kind == "PNG":
        assert np.array_equal(pixels, littlecms(Image.fromarray(shown), DISPLAY_P3))


def test_transparency_stays_and_so_do_orientation_and_palettes(save: Save) -> None:
    rgba = np.dstack([np.full((2, 3, 3), (230, 90, 60), np.uint8), np.full((2, 3), 128, np.uint8)])
    rgba[0, 0, 3] = 0
    found = decode_rgba(save(rgba, "PNG", icc_profile=DISPLAY_P3))
    assert np.array_equal(found[..., 3], rgba[..., 3])
    assert apart(found[..., :3], np.array([249, 77, 45])) <= 1
    palette = Image.new("P", (2, 2), 1)
    palette.putpalette([0, 0, 0, 230, 90, 60])
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save(palette, "PNG", icc_profile=DISPLAY_P3, transparency=b"\x00\xff", exif=exif)
    assert apart(decode(data), np.array([249, 77, 45])) <= 1


def test_the_many_profiles_of_srgb_change_no_value(save: Save) -> None:
    pixels = noise(40, 40)
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (theirs, srgb_profile(), None):
        given = {"icc_profile": profile} if profile else {}
        assert np.array_equal(decode(save(pixels, "PNG", **given)), pixels)


def test_cmyk_goes_by_its_profile_and_without_one_by_the_plain_formula(save: Save) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    profile = cmyk_profile()
    right = littlecms(cyan, profile)[8, 8]
    found = decode(save(cyan, "JPEG", quality=95, icc_profile=profile))[8, 8]
    assert apart(found, right) <= 4
    plain = decode(save(cyan, "JPEG", quality=95))[8, 8]
    assert apart(plain, np.array([0, 255, 255])) <= 4
    assert apart(found, plain) > 60


def test_a_progressive_cmyk_jpeg_of_adobe_is_not_inverted(save: Save) -> None:
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    data = save(white, "JPEG", quality=95, progressive=True)
    assert b"Adobe" in data
    assert decode(data).min() > 250


def test_grey_goes_by_its_profile_in_pictures_and_masks_and_at_any_depth(save: Save) -> None:
    profile = grey_profile(1.0)  # linear light: half of it is 188 in sRGB
    eight = np.full((2, 2), 128, np.uint8)
    assert apart(decode(save(eight, "PNG", icc_profile=profile)), np.array([188] * 3)) <= 1
    for deep in (128 * 257, 127 * 257 + 128):
        data = save(Image.fromarray(np.full((2, 2), deep, np.uint16)), "PNG", icc_profile=profile)
        assert apart(decode(data), np.array([188] * 3)) <= 1
        assert decode_mask(data) == pytest.approx(188 / 255, abs=0.005)
    assert decode_mask(save(eight, "PNG", icc_profile=profile)) == pytest.approx(
        188 / 255, abs=0.005
    )
    in_colour = matrix_profile(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), (1.0,), D65)
    three = np.full((2, 2, 3), 128, np.uint8)
    assert decode_mask(save(three, "PNG", icc_profile=in_colour)) == pytest.approx(
        188 / 255, abs=0.005
    )
    for level in (0, 255):
        whole = save(np.full((2, 2), level, np.uint8), "PNG", icc_profile=profile)
        assert (decode_mask(whole) == level / 255).all()


def test_grey_and_colour_profiles_that_were_left_by_a_conversion(save: Save) -> None:
    grey = save(np.full((2, 2), 128, np.uint8), "PNG", icc_profile=DISPLAY_P3)
    assert apart(decode(grey), np.array([128] * 3)) <= 1
    neutral = save(np.full((2, 2, 3), 128, np.uint8), "PNG", icc_profile=grey_profile(1.0))
    assert apart(decode(neutral), np.array([188] * 3)) <= 1


def test_what_png_says_without_a_profile() -> None:
    plain = encode(np.full((2, 2, 3), (230, 90, 60), np.uint8), "png")
    plain = plain.replace(b"sRGB", b"zRGB", 1)  # a chunk that nobody knows
    plain = plain[:33] + plain[46:]
    assert decode(plain)[0, 0].tolist() == [230, 90, 60]
    in_p3 = struct.pack(">8I", *(round(value * 100_000) for point in (D65, *P3) for value in point))
    assert apart(decode(with_chunk(plain, b"cHRM", in_p3)), np.array([249, 77, 45])) <= 1
    linear = with_chunk(plain, b"gAMA", struct.pack(">I", 100_000))
    assert apart(decode(linear), np.array([243, 160, 133])) <= 2
    usual = with_chunk(plain, b"gAMA", struct.pack(">I", 45_455))
    assert decode(usual)[0, 0].tolist() == [230, 90, 60]
    assert (
        apart(decode(with_chunk(plain, b"cICP", bytes([12, 13, 0, 1]))), np.array([249, 77, 45]))
        <= 1
    )
    assert decode(with_chunk(plain, b"cICP", bytes([1, 13, 0, 1])))[0, 0].tolist() == [230, 90, 60]
    first = with_chunk(with_chunk(plain, b"gAMA", struct.pack(">I", 100_000)), b"sRGB", b"\0")
    assert decode(first)[0, 0].tolist() == [230, 90, 60]


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        (b"cICP", bytes([9, 16, 0, 1]), "HDR image .PQ."),
        (b"cICP", bytes([9, 18, 0, 1]), "HDR image .HLG."),
        (b"cICP", bytes([77, 13, 0, 1]), "coding points 77/13"),
        (b"cHRM", struct.pack(">8I", *[0] * 8), "cHRM"),
        (b"cHRM", struct.pack(">8I", *[31_270] * 8), "cHRM"),
        (b"cHRM", struct.pack(">8I", *[2**31 - 1] * 8), "cHRM"),
        (b"cHRM", struct.pack(">8I", *[1] * 8), "cHRM"),
        (b"gAMA", struct.pack(">I", 1), "gAMA"),
        (b"gAMA", struct.pack(">I", 2**31 - 1), "gAMA"),
    ],
)
def test_colours_that_cannot_be_had_are_refused(kind: bytes, body: bytes, says: str) -> None:
    plain = png((1, 1), 8, 2, [bytes([230, 90, 60])])
    with pytest.raises(ValueError, match=says):
        decode(with_chunk(plain, kind, body))


def test_a_camera_that_only_marks_adobe_rgb(save: Save) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {0x0001: "R03"}
    green = np.full((16, 16, 3), (100, 200, 60), np.uint8)
    marked = decode(save(green, "JPEG", quality=95, exif=exif))[8, 8]
    assert marked[0] < 60  # as Adobe RGB it is a purer green than sRGB can show
    exif.get_ifd(0x8769)[0xA005] = {0x0001: "R98"}
    assert apart(decode(save(green, "JPEG", quality=95, exif=exif))[8, 8], green[0, 0]) < 6


def _cut(profile: bytes) -> bytes:
    return profile[: len(profile) // 2]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (b"nonsense", "damaged"),
        (b"\0" * 4096, "damaged"),
        (_cut(DISPLAY_P3), "profile"),
        (cmyk_profile(), "RGB pixels, got one for CMYK"),
        (grey_profile(2.2), "RGB pixels, got one for GRAY"),
        (DISPLAY_P3.replace(b"mntr", b"link"), "class 'link'"),
        (DISPLAY_P3.replace(b"mntr", b"abst"), "class 'abst'"),
        (DISPLAY_P3.replace(b"RGB ", b"Lab "), "got one for Lab"),
        (DISPLAY_P3 + b"\0" * MAX_PROFILE, "at most 8,388,608 bytes"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused_with_a_remedy(
    save: Save, profile: bytes, says: str
) -> None:
    data = save(noise(8, 8), "WEBP", lossless=True, icc_profile=profile)
    with pytest.raises(ValueError, match=says) as caught:
        decode(data)
    assert "remove the profile" in str(caught.value)


def test_a_profile_that_arrived_in_part_is_refused(save: Save) -> None:
    data = save(noise(8, 8), "JPEG", icc_profile=DISPLAY_P3)
    at = data.index(b"ICC_PROFILE\0") + 12
    with pytest.raises(ValueError, match="damaged"):
        decode(data[:at] + b"\x01\x02" + data[at + 2 :])  # the first of two
    packed = b"p\0\0" + b"no deflated bytes at all"
    with pytest.raises(ValueError, match="damaged"):
        decode(with_chunk(png((1, 1), 8, 2, [b"\1\2\3"]), b"iCCP", packed))


def test_a_profile_of_endless_steps_takes_no_time(save: Save) -> None:
    element = b"matf" + bytes(4) + struct.pack(">HH", 3, 3)
    element += struct.pack(">12f", *np.eye(3).ravel(), 0, 0, 0)
    steps = 300_000
    at = 16 + 8 * steps
    chain = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, steps)
    chain += struct.pack(">II", at, len(element)) * steps + element
    tags = 9
    moved = 12 * (tags + 1)
    head, table, body = DISPLAY_P3[:128], DISPLAY_P3[132 : 132 + 12 * tags], DISPLAY_P3[240:]
    entries = [struct.unpack_from(">4sII", table, 12 * index) for index in range(tags)]
    entries = [(name, place + 12, size) for name, place, size in entries]
    place = 132 + moved + len(body)
    entries.append((b"D2B1", place, len(chain)))
    packed = b"".join(struct.pack(">4sII", *entry) for entry in entries)
    whole = head + struct.pack(">I", tags + 1) + packed + body + chain
    whole = struct.pack(">I", len(whole)) + whole[4:]
    started = time.monotonic()
    pixels = decode(save(np.full((4, 4, 3), (230, 90, 60), np.uint8), "JPEG", icc_profile=whole))
    assert time.monotonic() - started < 60
    assert apart(pixels[0, 0], np.array([249, 77, 45])) <= 6


@settings(max_examples=120, deadline=None)
@given(
    base=st.sampled_from([DISPLAY_P3, grey_profile(1.8), cmyk_profile()]),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=12),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
)
def test_no_profile_does_harm(base: bytes, changes: list[tuple[int, int]], mode: str) -> None:
    profile = bytearray(base)
    for at, value in changes:
        profile[at % len(profile)] = value
    image = Image.fromarray(noise(4, 4)).convert(mode)
    buffer = BytesIO()
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG", icc_profile=bytes(profile))
    with suppress(ValueError):  # refused; anything else would be raised
        assert decode(buffer.getvalue()).shape == (4, 4, 3)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
def test_our_files_say_srgb(kind: str) -> None:
    data = encode(noise(16, 16), kind)
    with Image.open(BytesIO(data)) as image:
        profile: Any = image.info.get("icc_profile")
        if kind == "png":
            assert find_chunk(data, b"sRGB") == b"\0"
        elif kind == "avif":
            at = data.index(b"colrnclx")
            assert struct.unpack_from(">HH", data, at + 8) == (1, 13)
        else:
            assert profile == srgb_profile()


def test_a_very_wide_space_is_brought_in(save: Save) -> None:
    profile = matrix_profile(PROPHOTO, (1.8,), D50)
    pixels = decode(save(np.full((2, 2, 3), (120, 100, 80), np.uint8), "PNG", icc_profile=profile))
    assert np.array_equal(pixels, littlecms(Image.new("RGB", (2, 2), (120, 100, 80)), profile))
    assert pixels[0, 0, 0] - int(pixels[0, 0, 2]) > 60


def test_curves_of_both_kinds() -> None:
    same = matrix_profile(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), SRGB_CURVE, D65)
    assert same == srgb_profile()
