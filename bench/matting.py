"""The matting model on held-out renders and on generated pictures.

Run `python bench/matting.py`; also a part of `bench/quality.py`.

What counts is the cut as the stage `matte` makes it with its defaults. Renders have exact masks.
Generated pictures have none, so each is compared with the scenes that its prompt describes: the
same subject, colour, place, position and time in every size, weather and variant that the renderer
draws. The render nearest to the picture, by the mean difference of all pixels, lends it its exact
mask; it is found without the network. A picture whose nearest render is not near (the subject is
drawn otherwise, or is not there) has no mask that could be trusted: it is left out, and how many
are not is a figure of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # training/ is not installed

import numpy as np

from bench.figures import Figure, table
from bench.judged import SIZE, Generated
from ninefold.engines.defaults import build_engines
from ninefold.engines.matting import MATTING, MattingEngine
from ninefold.engines.settings import EngineSettings
from ninefold.imaging import mattes
from ninefold.imaging.types import Mask, Pixels
from ninefold.stages.matte import MatteParams
from training.matting import overlap
from training.scenes import LAYERS, SIZES, VARIANTS, WEATHERS, Scene, random_scene, render
from training.silhouettes import subject_mask

PART = "matting"
MODEL = "matting"
FIRST_SEED = 13_000_000
RENDERS, GENERATED = 500, 200
#: Side in pixels at which renders are compared with a picture.
SEARCH = 128
#: Mean difference, in levels of 255, up to which a render is near.
NEAR = 10.0


def figures(engine: MattingEngine, generated: Generated) -> Iterator[Figure]:
    """Mean IoU on both kinds of pictures, and the time for one."""
    scenes = [random_scene(FIRST_SEED + i) for i in range(RENDERS)]
    renders = [np.asarray(render(scene, SIZE)) for scene in scenes]
    truth = [mask_of(scene) for scene in scenes]
    scores = scores_of(engine, renders, truth)
    yield Figure(PART, f"IoU, {RENDERS} renders", statistics.mean(scores), 0.95)
    seen = [score for score, mask in zip(scores, truth, strict=True) if mask.any()]
    yield Figure(PART, f"the same, {len(seen)} with a subject", statistics.mean(seen))
    yield Figure(PART, "the worst twentieth of those is below", statistics.quantiles(seen, n=20)[0])
    yield from _on_generated(engine, generated)
    yield Figure(PART, f"milliseconds for {SIZE} x {SIZE}", _milliseconds(engine, renders[:40]),
                 60, at_most=True, unit="ms")  # fmt: skip


def _on_generated(engine: MattingEngine, generated: Generated) -> Iterator[Figure]:
    chosen = generated.confirmed(GENERATED)
    nearest = [nearest_render(generated.pictures[i], generated.asked[i].scene) for i in chosen]
    near = [(i, found) for i, found in zip(chosen, nearest, strict=True) if found.error <= NEAR]
    yield Figure(PART, f"generated pictures near a render, of {len(chosen)}", len(near))
    pictures = [generated.pictures[i] for i, _ in near]
    scores = scores_of(engine, pictures, [mask_of(found.scene) for _, found in near])
    yield Figure(PART, f"IoU, {len(near)} generated", statistics.mean(scores), 0.90)
    yield Figure(PART, "the worst twentieth is below", statistics.quantiles(scores, n=20)[0])


@dataclass(frozen=True)
class Nearest:
    """The render that comes nearest to a picture, and their mean difference in levels."""

    scene: Scene
    error: float


def nearest_render(picture: Pixels, scene: Scene) -> Nearest:
    """The scene of the same prompt that looks most like the picture.

    What a prompt leaves open is tried one after another, twice: how the landscape is drawn, the sky
    with its weather, the subject and its size.
    """
    small = _reduced(picture)
    best = Nearest(replace(scene, seed=0), np.inf)
    for _ in range(2):
        for candidates in (_landscapes, _skies, _subjects):
            for candidate in candidates(best.scene):
                shown = np.asarray(render(candidate, SEARCH), np.float32)
                error = float(np.abs(shown - small).mean())
                if error < best.error:
                    best = Nearest(candidate, error)
    return best


def _landscapes(scene: Scene) -> Iterator[Scene]:
    return (_with_variant(scene, "landscape", n) for n in range(VARIANTS))


def _skies(scene: Scene) -> Iterator[Scene]:
    for weather in WEATHERS:
        for n in range(VARIANTS):
            yield replace(_with_variant(scene, "sky", n), weather=weather)


def _subjects(scene: Scene) -> Iterator[Scene]:
    for size in SIZES:
        for n in range(VARIANTS):
            yield replace(_with_variant(scene, "subject", n), size=size)


def _with_variant(scene: Scene, layer: str, variant: int) -> Scene:
    """The scene with another way to draw a layer: a digit of its seed, as `Scene.rng` reads it."""
    place = VARIANTS ** LAYERS.index(layer)
    now = scene.seed // place % VARIANTS
    return replace(scene, seed=scene.seed + (variant - now) * place)


def _reduced(picture: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    k = SIZE // SEARCH
    blocks = picture.reshape(SEARCH, k, SEARCH, k, 3).astype(np.float32)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = blocks.mean(axis=(1, 3))
    return found


def mask_of(scene: Scene) -> Mask:
    """The exact coverage of a scene's subjects."""
    covered: Mask = np.asarray(subject_mask(scene, SIZE), np.float32) / np.float32(255)
    return covered


def scores_of(
    engine: MattingEngine, pictures: Sequence[Pixels], truth: Sequence[Mask]
) -> list[float]:
    """The IoU of each picture, cut as the stage cuts by default."""
    pairs = zip(pictures, truth, strict=True)
    return [overlap(_cut(engine.matte(MODEL, picture)), mask) for picture, mask in pairs]


def _cut(coverage: Mask) -> Mask:
    params = MatteParams()
    coverage = mattes.with_threshold(coverage, params.threshold)
    return mattes.large_parts(coverage, params.min_part)


def _milliseconds(engine: MattingEngine, pictures: Sequence[Pixels]) -> float:
    times = []
    for picture in pictures:
        begun = time.perf_counter()
        engine.matte(MODEL, picture)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def main() -> int:
    """Print the figures; 1 if any misses its target."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    engines = build_engines(EngineSettings(max_batch=8))
    generated = Generated(engines.diffusion, None, 0)
    return table(parser, {PART: lambda: figures(engines[MATTING], generated)}, [])


if __name__ == "__main__":
    sys.exit(main())
