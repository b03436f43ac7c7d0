"""Pictures that look like photographs, drawn without any model: light, distance, lens and grain.

Each is drawn from its number alone: fractal mountains under a sky, a lake, dunes, lights out of
focus, a still life of shaded spheres, clouds. All pass the same camera: blur of the lens with
distance, darker corners, grain, and a tone curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.filters import gaussian_blur

Bytes = NDArray[np.uint8]
Field = NDArray[Any]
Random = np.random.Generator


def photograph(size: int, number: int) -> Bytes:
    """One of the kinds in turn: size x size x 3 bytes, the same for the same number."""
    rng = np.random.default_rng(7000 + number)
    light = KINDS[number % len(KINDS)](size, rng)
    return _camera(np.clip(light, 0, None), rng)


def mountains(size: int, rng: Random) -> Field:
    """Ridges behind each other, paler with distance, below a sky with clouds."""
    picture = _sky(size, rng)
    haze, rock = picture[size // 2].mean(axis=0), rng.uniform(0.05, 0.35, 3)
    count = int(rng.integers(3, 6))
    for index in range(count):
        nearness = (index + 1) / count
        ridge = 0.35 + 0.45 * nearness + 0.22 * (_line(size, rng, 0.5) - 0.5)
        land = _y(size) > ridge[None]
        relief = _fractal(size, rng, 0.9 - 0.2 * nearness)
        shade = 0.55 + 0.9 * _slope(relief, 6 * nearness)
        colour = rock * nearness + haze * (1 - nearness) * 0.9
        picture = np.where(land[..., None], colour * shade[..., None], picture)
    return picture


def lake(size: int, rng: Random) -> Field:
    """Mountains and their image in rippled water."""
    picture = mountains(size, rng)
    shore = int(size * rng.uniform(0.6, 0.75))
    rows = np.arange(shore, size)
    shift = (_fractal(size, rng, 0.7)[rows] - 0.5) * 0.04 * size
    from_row = np.clip(2 * shore - rows[:, None] + shift * 2, 0, shore - 1).astype(int)
    from_column = np.clip(np.arange(size)[None] + shift, 0, size - 1).astype(int)
    picture[rows] = picture[from_row, from_column] * rng.uniform(0.55, 0.8)
    return picture


def dunes(size: int, rng: Random) -> Field:
    """Sand in low sun: wide slopes with fine ripples."""
    base = _fractal(size, rng, 0.35)
    across = _x(size) * np.cos(angle := rng.uniform(0, 3)) + _y(size) * np.sin(angle)
    ripples = np.sin((across + 0.2 * base) * rng.uniform(150, 350)) * 0.004
    lit = 0.5 + 1.2 * _slope(base + ripples, 4.0)
    sand: Field = lit[..., None] * np.array([0.85, 0.62, 0.36]) * rng.uniform(0.6, 1)
    return sand


def lights(size: int, rng: Random) -> Field:
    """Lamps at night, far out of focus: overlapping discs."""
    picture = np.full((size, size, 3), 0.02) + 0.05 * _fractal(size, rng, 0.4)[..., None]
    x, y = _x(size), _y(size)
    for _ in range(int(rng.integers(25, 60))):
        radius = rng.uniform(0.015, 0.07)
        apart = np.hypot(x - rng.random(), y - rng.normal(0.5, 0.22))
        disc = np.clip((radius - apart) * size / 2, 0, 1) * (0.8 + 0.2 * apart / radius)
        picture += disc[..., None] * rng.uniform(0.1, 0.9, 3) * rng.uniform(0.3, 1)
    return picture


def spheres(size: int, rng: Random) -> Field:
    """Balls on a table, in one light, with soft shadows; the far ones are blurred."""
    x, y = _x(size), _y(size)
    wood = _fractal(size, rng, 0.6)[:, :1] * 0.5 + 0.5 * _fractal(size, rng, 0.8)
    table = (0.35 + 0.4 * wood)[..., None] * rng.uniform(0.2, 0.9, 3)
    wall = (0.5 + 0.3 * (1 - y))[..., None] * rng.uniform(0.3, 0.9, 3)
    picture = np.where((y > 0.45)[..., None], table, wall)
    for distance in np.linspace(1, 0, int(rng.integers(3, 7))):
        radius = 0.06 + 0.12 * (1 - distance) * rng.uniform(0.6, 1)
        cx, cy = rng.random(), 0.5 + 0.35 * (1 - distance)
        u, v = (x - cx) / radius, (y - cy) / radius
        shadow = np.exp(-(((u - 0.6) / 1.3) ** 2) - ((v - 0.95) / 0.35) ** 2)
        picture *= 1 - 0.6 * shadow[..., None]
        inside = np.clip(1 - u * u - v * v, 0, None)
        depth = np.sqrt(inside)
        lit = np.clip(-0.5 * u - 0.6 * v + 0.62 * depth, 0, None)
        ball = lit[..., None] * rng.uniform(0.2, 1, 3) + 0.8 * lit[..., None] ** 30 + 0.04
        cover = np.clip((1 - np.hypot(u, v)) * radius * size, 0, 1)[..., None]
        picture = picture * (1 - cover) + ball * cover
        picture = _blurred(picture, 2.5 * distance * size / 512)
    return picture


def clouds(size: int, rng: Random) -> Field:
    """Nothing but sky: the hardest place to hide anything."""
    return _sky(size, rng)


def thicket(size: int, rng: Random) -> Field:
    """Leaves in focus before leaves that are not."""
    picture: Field = _fractal(size, rng, 0.5)[..., None] * np.array([0.2, 0.35, 0.12])
    for blur, count in ((6, 300), (3, 300), (0.7, 400)):
        grown = _leaves(size, rng, count)
        cover = (grown.sum(axis=2, keepdims=True) > 0).astype(float)
        cover, grown = (_blurred(plane, blur * size / 512) for plane in (cover, grown))
        picture = picture * (1 - cover) + grown
    return picture


KINDS: tuple[Callable[[int, Random], Field], ...] = (
    mountains, lake, dunes, lights, spheres, clouds, thicket,
)  # fmt: skip


def _camera(light: Field, rng: Random) -> Bytes:
    """What a sensor behind a lens makes of linear light."""
    size = len(light)
    blurred = _blurred(light, rng.uniform(0.4, 0.9) * size / 512)
    corner = 1 - rng.uniform(0, 0.5) * ((_x(size) - 0.5) ** 2 + (_y(size) - 0.5) ** 2)
    exposed = blurred * corner[..., None] * rng.uniform(0.8, 1.2)
    shown = (exposed / (1 + 0.4 * exposed)) ** (1 / 2.2)
    grain = gaussian_blur(rng.normal(0, 1, (size, size)).astype(np.float32), 0.6)
    shown = shown + (grain * rng.uniform(0, 0.025))[..., None]
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _sky(size: int, rng: Random) -> Field:
    high, low = np.array([0.08, 0.2, 0.5]), np.array([0.55, 0.65, 0.75])
    if rng.random() < 0.4:  # evening
        high, low = np.array([0.12, 0.1, 0.3]), np.array([0.9, 0.45, 0.2])
    base = high + _y(size)[..., None] * (low - high)
    cover = np.clip(_fractal(size, rng, 0.5) * 3 - rng.uniform(1, 2.2), 0, 1)[..., None]
    sky: Field = base * (1 - cover) + cover * rng.uniform(0.6, 1)
    return sky


def _leaves(size: int, rng: Random, count: int) -> Field:
    drawn = np.zeros((size, size, 3))
    reach = max(4, size // 24)
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for _ in range(count):
        cx, cy = (int(c) for c in rng.integers(reach, size - reach, 2))
        turn = rng.uniform(0, np.pi)
        along, aside = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
        leaf = (along / reach) ** 2 + (aside / reach / rng.uniform(0.2, 0.5)) ** 2 < 1
        tone = (
            np.array([0.25, 0.5, 0.12])
            * rng.uniform(0.2, 1.1)
            * (0.8 + 0.4 * (aside > 0)[..., None])
        )
        view = drawn[cy - reach : cy + reach + 1, cx - reach : cx + reach + 1]
        view[leaf] = tone[leaf]
    return drawn


def _fractal(size: int, rng: Random, roughness: float) -> Field:
    """Noise in 0..1 whose amplitude falls with frequency; rougher keeps more of the fine."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1 / size
    noise = np.fft.rfft2(rng.normal(size=(size, size)))
    shaped = np.fft.irfft2(noise * frequency ** -(2.6 - roughness), (size, size))
    unit: Field = (shaped - shaped.min()) / (shaped.max() - shaped.min())
    return unit


def _line(size: int, rng: Random, roughness: float) -> Field:
    line: Field = _fractal(size, rng, roughness)[size // 2]
    return line


def _slope(height: Field, steepness: float) -> Field:
    """How far a surface turns to the light at the upper left, 0..1."""
    down, across = np.gradient(height * len(height) * steepness / 100)
    facing: Field = (1 + 0.7 * across + 0.7 * down) / np.sqrt(2 + 2 * across**2 + 2 * down**2)
    return np.clip(facing, 0, 1)


def _blurred(picture: Field, sigma: float) -> Field:
    planes = [
        gaussian_blur(np.ascontiguousarray(plane, np.float32), sigma)
        for plane in np.moveaxis(picture, -1, 0)
    ]
    return np.stack(planes, axis=-1).astype(np.float64)


def _x(size: int) -> Field:
    return np.tile(np.arange(size) / size, (size, 1))


def _y(size: int) -> Field:
    return _x(size).T
