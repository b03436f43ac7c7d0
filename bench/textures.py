"""Ten pictures that the upscalers were not made with: the ways of training/textures.py are others.

Each is drawn at the size asked for, in RGB bytes, from a seed of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Bytes = NDArray[np.uint8]
Field = NDArray[np.float64]


def _coloured(field: Field, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Bytes:
    """A field in 0..1 between two colours."""
    low, high = np.array(dark, float), np.array(light, float)
    mixed = low + np.clip(field, 0, 1)[..., None] * (high - low)
    colours: Bytes = np.rint(mixed).astype(np.uint8)
    return colours


def _grid(size: int) -> tuple[Field, Field]:
    """x and y of every pixel in 0..1."""
    y, x = np.mgrid[:size, :size] / size
    return x, y


def _fractal(size: int, seed: int, roughness: float = 0.55) -> Field:
    """Value noise in octaves, each interpolated by cosines between the points of a lattice."""
    rng, total, strength = np.random.default_rng(seed), np.zeros((size, size)), 1.0
    for octave in range(2, 8):
        points = rng.random((2**octave + 1,) * 2)
        place = np.arange(size) / size * 2**octave
        whole = place.astype(int)
        share = (1 - np.cos((place - whole) * math.pi)) / 2
        rows = points[whole] * (1 - share[:, None]) + points[whole + 1] * share[:, None]
        total += strength * (rows[:, whole] * (1 - share) + rows[:, whole + 1] * share)
        strength *= roughness
    unit: Field = (total - total.min()) / (total.max() - total.min())
    return unit


def sky(size: int) -> Bytes:
    """A smooth gradient with clouds."""
    _, y = _grid(size)
    clouds = np.clip(_fractal(size, 1, 0.45) * 2 - 0.8, 0, 1)
    base = _coloured(y, (40, 90, 190), (210, 230, 250)).astype(float)
    return np.rint(base + (255 - base) * clouds[..., None] * 0.8).astype(np.uint8)


def marble(size: int) -> Bytes:
    """Veins bent by noise."""
    x, y = _grid(size)
    veins = 1 - np.abs(np.sin(6 * math.pi * (x + 0.6 * y + 0.5 * _fractal(size, 2)))) ** 0.5
    return _coloured(1 - 0.8 * veins, (60, 66, 84), (240, 238, 230))


def wood(size: int) -> Bytes:
    """Rings of a trunk, cut lengthwise."""
    x, y = _grid(size)
    rings = np.hypot(x - 0.5, 0.12 * (y - 1.4)) * 40 + 2.5 * _fractal(size, 3)
    return _coloured(rings % 1, (104, 62, 30), (206, 154, 96))


def cloth(size: int) -> Bytes:
    """A plain weave: threads over and under each other."""
    x, y = _grid(size)
    count = size / 16
    across, down = np.sin(x * count * 2 * math.pi), np.sin(y * count * 2 * math.pi)
    over = (np.floor(x * count * 2) + np.floor(y * count * 2)) % 2
    field = 0.5 + 0.25 * np.where(over > 0, np.abs(across), np.abs(down))
    return _coloured(field + 0.15 * _fractal(size, 4), (30, 50, 80), (150, 180, 210))


def bricks(size: int) -> Bytes:
    """A wall with mortar, each brick of its own tone."""
    x, y = _grid(size)
    row = np.floor(y * 12)
    along = x * 6 + 0.5 * (row % 2)
    mortar = ((y * 12) % 1 < 0.12) | (along % 1 < 0.06)
    tones = np.random.default_rng(5).random((12, 8))[row.astype(int), along.astype(int) % 8]
    tones = 0.6 * tones + 0.4 * _fractal(size, 5, 0.8)
    wall = _coloured(tones, (110, 44, 34), (196, 104, 80))
    wall[mortar] = (196, 190, 180)
    return wall


def rings(size: int) -> Bytes:
    """A zone plate, up to a tenth of the sampling rate."""
    x, y = _grid(size)
    phase = ((x - 0.5) ** 2 + (y - 0.5) ** 2) * math.pi * size * 0.14
    return _coloured(0.5 + 0.5 * np.cos(phase), (20, 20, 20), (235, 235, 235))


def dots(size: int) -> Bytes:
    """A newspaper's halftone: dots on a turned grid that grow to one side."""
    x, y = _grid(size)
    u, v = (x * 0.866 + y * 0.5) * size / 18, (y * 0.866 - x * 0.5) * size / 18
    distance = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
    soft = np.clip((distance - 0.12 - 0.3 * x) * 18 + 0.5, 0, 1)
    return _coloured(soft, (26, 24, 60), (250, 244, 224))


def text(size: int) -> Bytes:
    """Lines of words in Pillow's own font, at three sizes."""
    image = Image.new("RGB", (size, size), (250, 248, 240))
    pen, y = ImageDraw.Draw(image), 6
    words = "from a prompt to a finished picture in nine stages 0123456789 "
    for number in range(40):
        height = (12, 17, 26)[number % 3]
        shift = number * 7 % len(words)
        line = (words[shift:] + words * 4)[: size // 5]
        pen.text((6, y), line, (30, 30, 46), ImageFont.load_default(height))
        y += height + 6
    return np.asarray(image)


def foliage(size: int) -> Bytes:
    """Thousands of small ellipses of many greens, each over those before."""
    rng = np.random.default_rng(8)
    image = Image.new("RGB", (size, size), (24, 40, 22))
    pen = ImageDraw.Draw(image)
    for _ in range(4000):
        x, y = (float(v) for v in rng.uniform(-8, size + 8, 2))
        w, h = (float(v) for v in rng.uniform(3, 14, 2))
        tone = float(rng.random())
        colour = (int(30 + 100 * tone), int(70 + 120 * tone), int(20 + 60 * rng.random()))
        pen.ellipse((x, y, x + w, y + h), colour)
    return np.asarray(image)


def film(size: int) -> Bytes:
    """A soft portrait light with grain, as a photograph at high sensitivity has it."""
    x, y = _grid(size)
    light = np.exp(-((x - 0.4) ** 2 + (y - 0.45) ** 2) * 7) + 0.25 * _fractal(size, 9, 0.4)
    picture = _coloured(light, (44, 26, 24), (250, 208, 170)).astype(float)
    grain = np.random.default_rng(9).normal(0, 6, (size, size, 1))
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


TEXTURES: dict[str, Callable[[int], Bytes]] = {
    made.__name__: made
    for made in (sky, marble, wood, cloth, bricks, rings, dots, text, foliage, film)
}
