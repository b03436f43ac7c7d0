"""Pictures that are no scenes, so that the upscalers keep to what an enlargement may do to any."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Picture = NDArray[np.float32]


def texture(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random texture (size, size, 3): spectral noise, waves, strokes or cells, mixed and tinted.

    At one in three the result is made of two of them.
    """
    field = _one(size, rng)
    if rng.random() < 0.33:
        share = _spectral(size, 2.0, rng)[..., :1]
        field = field * share + _one(size, rng) * (1 - share)
    return np.rint(np.clip(field, 0, 1) * 255).astype(np.uint8)


def _one(size: int, rng: np.random.Generator) -> Picture:
    roll = rng.random()
    if roll < 0.2:
        return _spectral(size, float(rng.uniform(0, 2.5)), rng)
    if roll < 0.75:
        return _tinted(_waves(size, rng), rng)
    if roll < 0.85:
        return _strokes(size, rng)
    return _cells(size, rng)


def _tinted(field: Picture, rng: np.random.Generator) -> Picture:
    """A field (h, w) in 0..1 between two random colours, half of the time far apart."""
    low, high = rng.random(3, np.float32), rng.random(3, np.float32)
    if rng.random() < 0.5:
        low, high = low * 0.3, 1 - high * 0.3
    colours: Picture = low + field[..., None] * (high - low)
    return colours


def _spectral(size: int, power: float, rng: np.random.Generator) -> Picture:
    """Noise whose amplitude falls with frequency to a power: 0 is white, 2 is clouds."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1 / size
    channels = int(rng.choice((1, 3)))
    noise = rng.normal(size=(channels, size, size))
    shaped = np.fft.irfft2(np.fft.rfft2(noise) * frequency**-power, (size, size))
    shaped = (shaped - shaped.mean()) / (shaped.std() + 1e-6)
    contrast = rng.uniform(0.05, 0.3)
    if rng.random() < 0.25:  # creases, where the noise changes its sign
        shaped = np.abs(shaped) ** rng.uniform(0.4, 1.2) * 2 - 1
    field: Picture = np.clip(0.5 + contrast * shaped, 0, 1).astype(np.float32)
    return _tinted(field[0], rng) if channels == 1 else field.transpose(1, 2, 0)


def _waves(size: int, rng: np.random.Generator) -> Picture:
    """One to three gratings, straight, around a point or ever shorter; smooth, hard or folded."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    total = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        period, angle = math.exp(rng.uniform(math.log(7), math.log(60))), rng.uniform(0, math.pi)
        along = x * math.cos(angle) + y * math.sin(angle)
        if rng.random() < 0.3:
            along = np.hypot(x - rng.uniform(0, size), y - rng.uniform(0, size))
        if rng.random() < 0.3:  # waves that grow shorter
            along = along * along / (2 * size)
        total += np.sin(along * (2 * math.pi / period) + rng.uniform(0, 6.3)).astype(np.float32)
    shape = rng.random()
    if shape < 0.15:
        total = np.tanh(total * rng.uniform(2, 12))
    elif shape < 0.25:
        total = np.abs(total)
    low, high = float(total.min()), float(total.max())
    unit: Picture = ((total - low) / (high - low + 1e-6)).astype(np.float32)
    return unit


def _strokes(size: int, rng: np.random.Generator) -> Picture:
    """Short lines, arcs and boxes on a plain ground, as letters and drawings have them."""
    scale = 2
    colours = [tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(4)]
    image = Image.new("RGB", (size * scale, size * scale), colours[0])
    pen = ImageDraw.Draw(image)
    thick = float(rng.uniform(1, 7)) * scale
    length = thick * rng.uniform(2, 8)
    for _ in range(int(size * size * scale * scale / (length * thick * 5)) % 4000):
        x, y = (float(v) for v in rng.uniform(0, size * scale, 2))
        angle = rng.uniform(0, 6.3)
        to = (x + length * math.cos(angle), y + length * math.sin(angle))
        colour, box = colours[int(rng.integers(1, 4))], (x, y, x + length, y + length * 0.8)
        shape = int(rng.integers(3))
        if shape == 0:
            pen.line((x, y, *to), colour, max(1, round(thick)))
        elif shape == 1:
            start = float(rng.uniform(0, 360))
            pen.arc(box, start, start + rng.uniform(60, 300), colour, max(1, round(thick)))
        else:
            pen.rectangle(box, colour if rng.random() < 0.5 else None, colour, max(1, round(thick)))
    drawn: Picture = (np.asarray(image.reduce(scale)) / 255).astype(np.float32)
    return drawn


def _cells(size: int, rng: np.random.Generator) -> Picture:
    """Plain cells around random points, now and then blurred and with grain, like stone."""
    count = int(rng.integers(8, 200))
    points, shades = rng.uniform(0, size, (count, 2)), rng.random((count, 3))
    y, x = np.mgrid[:size, :size]
    nearest = np.full((size, size), np.inf)
    chosen = np.zeros((size, size), np.int64)
    for number, (px, py) in enumerate(points):
        distance = (x - px) ** 2 + (y - py) ** 2
        closer = distance < nearest
        nearest[closer], chosen[closer] = distance[closer], number
    picture = Image.fromarray(np.rint(shades[chosen] * 255).astype(np.uint8))
    soft = picture.filter(ImageFilter.GaussianBlur(float(rng.choice((0, 0.7, 2)))))
    grain = rng.normal(0, rng.choice((0, 0.02, 0.08)), (size, size, 1))
    field: Picture = (np.asarray(soft) / 255 + grain).astype(np.float32)
    return field
