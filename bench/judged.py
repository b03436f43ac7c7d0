"""Generated pictures and what the judge reads in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import torch

from bench.figures import Figure
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusion import DiffusionEngine, TextToImage
from ninefold.imaging.types import Pixels
from training.common import to_tensor
from training.distance import frechet_distance
from training.judge import PARTS, shipped
from training.prompts import Asked, held_out_prompts, held_out_scenes
from training.scenes import render

SIZE, STEPS = 256, 20
COUNT = 300
JUDGE_RENDERS = 500
TARGETS = {"subject": 0.90, "colour": 0.90, "setting": 0.95, "time": 0.95, "position": 0.90}
PART = "text to image"


@dataclass(frozen=True)
class Reading:
    """What the judge reads in pictures, as arrays over the pictures."""

    verdicts: list[dict[str, str]]
    #: (N, 4) corners in pixels.
    boxes: torch.Tensor
    features: torch.Tensor


@torch.no_grad()
def read(pictures: Sequence[Pixels]) -> Reading:
    """Judge pictures of one size, in batches."""
    judge, readings = shipped(), []
    for first in range(0, len(pictures), 50):
        batch = to_tensor(np.stack(pictures[first : first + 50]))
        features = judge.features(batch)
        verdicts = judge.verdicts_of(features)
        readings.append(Reading(verdicts, judge.box_of(features), features))
    return Reading(
        [verdict for reading in readings for verdict in reading.verdicts],
        torch.cat([reading.boxes for reading in readings]) * pictures[0].shape[1],
        torch.cat([reading.features for reading in readings]),
    )


class Generated:
    """Pictures of held-out prompts, one seed each, made when first asked for."""

    def __init__(self, engine: DiffusionEngine, guidance: float | None, extra: int) -> None:
        """`extra` pictures beyond the judged ones are made for the distance alone."""
        self.engine = engine
        self.guidance = guidance or engine.describe("poster").guidance_scale
        self.asked = held_out_prompts(COUNT + extra)
        self.seconds = 0.0

    @cached_property
    def pictures(self) -> list[Pixels]:
        """As many as there are prompts, SIZE pixels a side."""
        begun = time.perf_counter()
        requests = [
            TextToImage(
                "poster", asked.prompt, "", SIZE, SIZE, STEPS, self.guidance, "default", seed
            )
            for seed, asked in enumerate(self.asked)
        ]
        made = generate(self.engine, requests)
        self.seconds = time.perf_counter() - begun
        return made

    @cached_property
    def reading(self) -> Reading:
        """What the judge reads in them."""
        return read(self.pictures)

    def confirmed(self, most: int) -> list[int]:
        """The first judged pictures whose subject the judge reads as the prompt names it."""
        pairs = zip(self.asked[:COUNT], self.reading.verdicts, strict=False)
        right = (i for i, (a, v) in enumerate(pairs) if a.parts["subject"] == v["subject"])
        return list(islice(right, most))

    def figures(self) -> Iterator[Figure]:
        """Shares right by part and in all, the judge's own, time and distance."""
        yield from _judge_itself()
        asked, verdicts = self.asked[:COUNT], self.reading.verdicts
        for part, target in TARGETS.items():
            yield Figure(
                PART, f"{part} right, {COUNT} prompts", share(asked, verdicts, part), target
            )
        every = sum(v == a.parts for a, v in zip(asked, verdicts, strict=False)) / COUNT
        yield Figure(PART, f"all five right, {COUNT} prompts", every, 0.75)
        each = self.seconds / len(self.pictures)
        yield Figure(PART, f"seconds a picture, {STEPS} steps, batched", each, unit="s")
        request = TextToImage(
            "poster", asked[0].prompt, "", SIZE, SIZE, STEPS, self.guidance, "default", 1
        )
        begun = time.perf_counter()
        self.engine.run(request, SilentProgress())
        alone = time.perf_counter() - begun
        yield Figure(PART, "seconds for one picture alone", alone, 6, at_most=True, unit="s")
        yield from self._distance()

    def _distance(self) -> Iterator[Figure]:
        count = len(self.pictures)
        scenes = held_out_scenes()
        first, second = (
            read([np.asarray(render(scene, SIZE)) for scene in islice(scenes, count)]).features
            for _ in range(2)
        )
        ours = frechet_distance(self.reading.features, first)
        yield Figure(PART, f"distance of {count} pictures to {count} renders", ours)
        floor = frechet_distance(second, first)
        yield Figure(PART, f"the same between two sets of {count} renders", floor)


def generate(engine: DiffusionEngine, requests: Iterable[TextToImage]) -> list[Pixels]:
    """The requests' pictures; those that wait together share a call."""

    def run(request: TextToImage) -> Pixels:
        return engine.run(request, SilentProgress()).image

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(run, requests))


def share(asked: Sequence[Asked], verdicts: Sequence[dict[str, str]], part: str) -> float:
    """How often the judge reads a part as the prompt names it."""
    hits = [a.parts[part] == v[part] for a, v in zip(asked, verdicts, strict=False)]
    return sum(hits) / len(hits)


def _judge_itself() -> Iterator[Figure]:
    """How often the judge reads held-out renders right."""
    scenes = list(islice(held_out_scenes(), JUDGE_RENDERS))
    reading = read([np.asarray(render(scene, SIZE)) for scene in scenes])
    for part in PARTS:
        pairs = zip(scenes, reading.verdicts, strict=True)
        right = sum(getattr(scene, part) == verdict[part] for scene, verdict in pairs)
        name = f"judge: {part} right, {JUDGE_RENDERS} renders"
        yield Figure("judge", name, right / JUDGE_RENDERS, 0.98)
