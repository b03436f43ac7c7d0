"""A watermark that nobody sees, and that is found again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.textures import TEXTURES
from bench.watermark import ASKED
from ninefold.imaging.likeness import psnr
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Pixels
from ninefold.imaging.watermark import REVISION
from ninefold.imaging.watermark.carriers import DATA, MOST_WAVES, PILOTS, data_values, soft_bits
from ninefold.imaging.watermark.code import CHECK_BYTES, encode
from ninefold.imaging.watermark.embedding import embed, size_problem
from ninefold.imaging.watermark.finding import ATTEMPTS, TURNS, find
from ninefold.imaging.watermark.plane import TILE
from ninefold.imaging.watermark.spectrum import put, repeated, spectrum_of, unscaled_tile, values_at

from ..strategies import flat, noise, scene

IDENTIFIER = bytes.fromhex("0123456789abcdef")


def poster(width: int = 512, height: int = 512, seed: int = 0) -> Pixels:
    """A graded sky above soft shapes."""
    y = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([70.0, 140, 220]) * (1 - y) + np.array([200.0, 220, 240]) * y
    picture = np.broadcast_to(np.rint(sky), (height, width, 3)).astype(np.uint8)
    return np.where(y < 0.4, picture, scene(width, height, seed))


def identifier_of(pixels: Pixels) -> bytes | None:
    found = find(pixels)
    return None if found is None else found.identifier


@pytest.fixture(scope="module")
def marked() -> Pixels:
    return embed(poster(), IDENTIFIER)


def test_it_is_found_without_the_original(marked: Pixels) -> None:
    found = find(marked)
    assert found is not None
    assert found.identifier == IDENTIFIER
    assert found.errors < 20
    assert found.score > 8


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "half": lambda image: resize(image, 256, 256),
    "enlarged": lambda image: resize(image, 768, 768, "bicubic"),
    "odd size": lambda image: resize(image, 411, 413, "bilinear"),
    "cropped": lambda image: image[37 : 37 + 384, 101 : 101 + 384],
    "cropped to a strip": lambda image: image[200:400],
    "cropped to half the sides": lambda image: image[256:, 128:384],
    "cropped and halved": lambda image: resize(image[100:484, 5:389], 192, 192),
    "mirrored": lambda image: image[:, ::-1],
    "turned": lambda image: np.rot90(image),
    "mirrored, turned and cropped": lambda image: np.rot90(image, 3)[::-1, 60:460],
    "framed": lambda image: np.pad(image, ((40, 60), (50, 50), (0, 0)), constant_values=255),
    "brighter": lambda image: np.minimum(image.astype(int) + 38, 255).astype(np.uint8),
    "less contrast": lambda image: (image * 0.85 + 19).astype(np.uint8),
    "grey": lambda image: np.asarray(Image.fromarray(image).convert("L").convert("RGB")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_it_is_found_after(change: Callable[[Pixels], Pixels], marked: Pixels) -> None:
    assert identifier_of(np.ascontiguousarray(change(marked))) == IDENTIFIER


@settings(max_examples=8, deadline=None)
@given(st.binary(min_size=8, max_size=8), st.integers(256, 700), st.integers(256, 700))
def test_any_identifier_in_any_size(identifier: bytes, width: int, height: int) -> None:
    image = poster(width, height, width + height)
    assert identifier_of(embed(image, identifier)) == identifier


@pytest.mark.parametrize(
    "image",
    [poster(), noise(512, 512), flat(512, 512, 90, 120, 200)],
)
def test_nobody_sees_it(image: Pixels) -> None:
    assert psnr(image, embed(image, IDENTIFIER)) >= 40


@pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
def test_flat_images_hold_it(level: int) -> None:
    image = flat(512, 512, level, level, level)
    marked = embed(image, IDENTIFIER)
    assert np.abs(marked.astype(int) - level).max() <= 3
    assert identifier_of(marked) == IDENTIFIER


def test_a_flat_sky_stays_smooth() -> None:
    image = poster()
    change = embed(image, IDENTIFIER).astype(float) - image
    sky = change[20:160, 20:-20]
    assert math.sqrt(np.mean(np.square(sky))) <= 0.8
    assert np.abs(sky).max() <= 3


def small_texture(name: str) -> Pixels:
    return np.ascontiguousarray(TEXTURES[name](640)[40:552, 90:602])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("text", "WebP 60"),
        ("text", "crop to 75 %, half size, JPEG 80"),
        ("foliage", "WebP 60"),
        ("foliage", "crop to 75 %, half size, JPEG 80"),
        ("foliage", "brightness -15 %"),
        ("dots", "WebP 60"),
        ("dots", "brightness +15 %"),
        ("dots", "contrast +15 %"),
    ],
)
def test_textures_that_drown_it_hold_it(name: str, change: str) -> None:
    image = small_texture(name)
    marked = embed(image, IDENTIFIER)
    assert psnr(image, marked) >= 40
    assert identifier_of(ASKED[change](marked, np.random.default_rng(1))) == IDENTIFIER


def test_a_sky_above_foliage_stays_smooth() -> None:
    image = small_texture("foliage")
    image[:200] = (120, 170, 230)
    change = embed(image, IDENTIFIER).astype(float) - image
    assert psnr(image, embed(image, IDENTIFIER)) < 42  # it was fitted, and made stronger
    sky = change[10:180]
    assert math.sqrt(np.mean(np.square(sky))) <= 0.9
    assert np.abs(sky).max() <= 3


def test_the_same_change_in_every_channel() -> None:
    image = noise(300, 300) // 2 + 60
    change = embed(image, IDENTIFIER).astype(int) - image
    assert np.array_equal(change, np.broadcast_to(change[..., :1], change.shape))


def test_a_stronger_one_changes_more() -> None:
    image = poster()
    values = [psnr(image, embed(image, IDENTIFIER, strength)) for strength in (0.5, 1, 2)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("strength", [0.2, 2.1, math.nan])
def test_strengths_have_a_range(strength: float) -> None:
    with pytest.raises(ValueError, match=r"0\.25 to 2"):
        embed(poster(), IDENTIFIER, strength)


def test_the_last_mark_is_the_one_that_is_found() -> None:
    twice = embed(embed(poster(), b"another!"), IDENTIFIER)
    assert identifier_of(twice) in (IDENTIFIER, b"another!", None)


def test_unmarked_images_have_none() -> None:
    for image in (poster(), noise(300, 200), scene(400, 300), flat(128, 128, 9, 9, 9)):
        assert find(image) is None


def test_what_is_too_small_is_refused() -> None:
    assert size_problem(256, 1024) is None
    assert "256x256 pixels, got 255x400" in str(size_problem(255, 400))
    assert "4 times as long" in str(size_problem(1025, 256))
    with pytest.raises(ValueError, match="256x256 pixels, got 255x400"):
        embed(noise(255, 400), IDENTIFIER)
    with pytest.raises(ValueError, match="64x64 pixels, got 400x63"):
        find(noise(400, 63))


def test_bands_leave_no_seams() -> None:
    # 1000 rows are several bands; the same mark, enlarged at once, differs by rounding alone.
    image = flat(1000, 1000, 128, 128, 128)
    change = embed(image, IDENTIFIER)[..., 0].astype(float)
    steps = np.abs(np.diff(change, axis=0)).mean(axis=1)
    assert steps.max() < 6 * np.median(steps) + 0.1


@pytest.mark.parametrize(("rough", "digest"), [(0, "a2cde5dc70"), (128, "44864b8791")])
def test_the_bytes_of_a_revision_stay(rough: int, digest: str) -> None:
    """Whoever changes what is embedded counts up `REVISION`, since stages are cached by it."""
    image = np.add.outer(np.arange(256), np.arange(256))[..., None] // 2 + np.arange(3) * 3
    image ^= noise(256, 256)[..., :1] & rough
    marked = embed(image.clip(0, 255).astype(np.uint8), IDENTIFIER)
    assert (REVISION, hashlib.sha256(marked.tobytes()).hexdigest()[:10]) == (2, digest)


def test_the_gradient_of_a_spectrum_by_the_pixels() -> None:
    rng = np.random.default_rng(3)
    plane = rng.normal(size=(150, 170)).astype(np.float32)
    values = rng.normal(size=len(DATA)) + 1j * rng.normal(size=len(DATA))
    read = np.vdot(values, values_at(spectrum_of(plane), *DATA.T)).real
    gradient = repeated(unscaled_tile(put(values.astype(np.complex64), DATA)), 150, 170)
    assert np.sum(gradient * plane) * TILE**2 / 2 == pytest.approx(read, rel=1e-4)


class TestCarriers:
    def test_bits_come_back_from_their_values(self) -> None:
        coded = encode(IDENTIFIER)
        bits = soft_bits(data_values(coded))
        assert np.array_equal(np.sign(bits), coded)

    def test_no_frequency_carries_two_things(self) -> None:
        carriers = {tuple(point) for point in (*PILOTS.tolist(), *DATA.tolist())}
        assert len(carriers) == len(PILOTS) + len(DATA)
        assert carriers.isdisjoint((-down, -across) for down, across in carriers)
        assert max(down**2 + across**2 for down, across in carriers) <= MOST_WAVES**2

    def test_an_image_can_be_turned_in_eight_ways(self) -> None:
        assert len(set(TURNS)) == 8


def test_false_positives_are_at_most_one_in_a_million() -> None:
    """A check of 24 bits passes by chance once in 2**24; one place is tried before the others."""
    assert (1 + ATTEMPTS) * 2.0 ** (-8 * CHECK_BYTES) <= 1e-6
