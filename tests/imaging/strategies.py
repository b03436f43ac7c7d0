"""What the imaging tests draw from."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ninefold.imaging.boxes import Box
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Mask, Pixels

quick = settings(max_examples=30, deadline=None)

sides = st.integers(1, 48)


def noise(width: int, height: int, seed: int = 0) -> Pixels:
    """Uniform random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def scene(width: int, height: int, seed: int = 0) -> Pixels:
    """Soft random blobs: what a photograph is more like than noise."""
    return resize(noise(max(width // 12, 2), max(height // 12, 2), seed), width, height, "bicubic")


def flat(width: int, height: int, *colour: int) -> Pixels:
    """One colour."""
    return np.full((height, width, 3), colour, dtype=np.uint8)


@st.composite
def images(draw: st.DrawFn) -> Pixels:
    """Noise of any small size."""
    return noise(draw(sides), draw(sides), draw(st.integers(0, 1000)))


@st.composite
def masks(draw: st.DrawFn, width: int, height: int) -> Mask:
    """Masks with zeros, ones and values between."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return np.clip(rng.random((height, width), dtype=np.float32) * 3 - 1, 0, 1)


@st.composite
def boxes_inside(draw: st.DrawFn, width: int, height: int) -> Box:
    """Boxes of at least one pixel inside an image."""
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return Box(left, top, right, bottom)


@st.composite
def plans(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Image width and height, tile side, overlap."""
    tile = draw(st.integers(1, 40))
    overlap = draw(st.integers(0, tile - 1))
    # Many starts a side make slow plans and show nothing new.
    longest = min(120, tile + 6 * (tile - overlap))
    return draw(st.integers(1, longest)), draw(st.integers(1, longest)), tile, overlap
