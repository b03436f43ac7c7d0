"""The upscalers against Lanczos, on renders and on textures that training knows nothing of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image

from bench.figures import Figure
from bench.textures import TEXTURES
from ninefold.engines.upscaling import UpscaleEngine
from ninefold.imaging.types import Pixels
from training.scenes import random_scene, render
from training.upscaler import FILTERS

PART = "upscaler"
FIRST_SEED = 13_000_000
RENDERS = 200
#: Side of what is enlarged.
SIDE = 128
TIMED_SIDE = 256


def figures(engine: UpscaleEngine) -> Iterator[Figure]:
    """By factor: what is gained on renders, the worst texture, and the time."""
    for factor in (2, 4):
        yield from _on_renders(engine, factor)
        worst = {name: _gain_on_texture(engine, factor, name) for name in TEXTURES}
        name = min(worst, key=lambda texture: worst[texture])
        label = f"{factor}x: PSNR over Lanczos, worst texture ({name})"
        yield Figure(PART, label, worst[name], -0.3, unit="dB")
    picture = np.asarray(render(random_scene(FIRST_SEED), TIMED_SIDE))
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        engine.upscale("4x", picture)
        times.append(time.perf_counter() - begun)
    took = statistics.median(times)
    yield Figure(PART, f"4x: seconds for {TIMED_SIDE} x {TIMED_SIDE}", took, 1.5, True, "s")


def _on_renders(engine: UpscaleEngine, factor: int) -> Iterator[Figure]:
    ours, plain, edges, plain_edges = [], [], [], []
    for number in range(RENDERS):
        truth = np.asarray(render(random_scene(FIRST_SEED + number), SIDE * factor, 2))
        small = _reduced(truth, factor, FILTERS[number % len(FILTERS)])
        output, lanczos = engine.upscale(f"{factor}x", small), _lanczos(small, factor)
        ours.append(psnr(truth, output))
        plain.append(psnr(truth, lanczos))
        edges.append(psnr(gradients(truth), gradients(output)))
        plain_edges.append(psnr(gradients(truth), gradients(lanczos)))
    mean = statistics.mean
    yield Figure(PART, f"{factor}x: PSNR, {RENDERS} renders", mean(ours), unit="dB")
    yield Figure(PART, f"{factor}x: PSNR of Lanczos", mean(plain), unit="dB")
    yield Figure(PART, f"{factor}x: PSNR over Lanczos", mean(ours) - mean(plain), 3, unit="dB")
    gained = mean(edges) - mean(plain_edges)
    yield Figure(PART, f"{factor}x: PSNR of edges over Lanczos", gained, 3, unit="dB")


def _gain_on_texture(engine: UpscaleEngine, factor: int, name: str) -> float:
    """dB over Lanczos, the smaller for reduction by boxes and by Lanczos' filter."""
    truth = TEXTURES[name](SIDE * factor)
    gains = []
    for method in (Image.Resampling.BOX, Image.Resampling.LANCZOS):
        small = _reduced(truth, factor, method)
        output = engine.upscale(f"{factor}x", small)
        gains.append(psnr(truth, output) - psnr(truth, _lanczos(small, factor)))
    return min(gains)


def _reduced(picture: Pixels, factor: int, method: Image.Resampling) -> Pixels:
    size = (picture.shape[1] // factor, picture.shape[0] // factor)
    return np.asarray(Image.fromarray(picture).resize(size, method))


def _lanczos(picture: Pixels, factor: int) -> Pixels:
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def gradients(picture: Pixels) -> np.ndarray:
    """Differences to the right and lower neighbour, in levels (2, h - 1, w - 1, 3)."""
    levels = picture.astype(np.float64)
    corner = levels[:-1, :-1]
    return np.stack((levels[:-1, 1:] - corner, levels[1:, :-1] - corner))


def psnr(truth: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, of levels up to 255."""
    error = np.square(truth.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-6)))
