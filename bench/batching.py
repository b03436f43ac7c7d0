"""What an image costs when several are made in one call, and what simultaneous requests gain.

Run `python bench/batching.py`. First the curve: for each size, one diffusers call of 1, 2, 4, 8
and 16 images by the built-in model, in wall time and in CPU time per image (the second is the
steadier one on a busy machine), and the median over the rounds of its CPU time as a part of what
an image of the smallest batch takes in the same round. Then the engine: the same requests
one after another and all at once, how much sooner the second are done in wall and in CPU time,
the size of the batches that came about, and how far the pixels of both lie apart in levels of
255. Measures only; there is no target to miss.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ninefold.core.progress import SilentProgress
from ninefold.engines import builtin
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import Generated, TextToImage
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

PROMPT = "a red house in the mountains at sunset"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256, 384])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--size", type=int, default=128, help="of the simultaneous requests")
    options = parser.parse_args()
    if options.sizes:
        _print_curve(options.sizes, options.batches, options.rounds, options.steps)
    if options.requests:
        _print_simultaneous(options.requests, options.size, options.rounds, options.steps)
    return 0


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    wall: float
    cpu: float


class ByHand:
    """One diffusers call of several images."""

    def __init__(self, steps: int) -> None:
        import diffusers
        import torch

        library: Any = diffusers
        folder = str(builtin.ROOT / "poster")
        self.steps = steps
        self.pipe = library.StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        self.pipe.set_progress_bar_config(disable=True)

    def __call__(self, count: int, side: int) -> Cost:
        """What each of `count` images of `side` x `side` pixels costs."""
        import torch

        start = _now()
        self.pipe(
            [PROMPT] * count,
            width=side,
            height=side,
            num_inference_steps=self.steps,
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(count)],
        )
        end = _now()
        return Cost((end.wall - start.wall) / count, (end.cpu - start.cpu) / count)


def _print_curve(sizes: list[int], batches: list[int], rounds: int, steps: int) -> None:
    make = ByHand(steps)
    make(1, min(sizes))
    print(f"{'pixels':>9}{'images':>8}{'wall ms':>10}{'CPU ms':>10}{'CPU ratio':>11}")
    for side in sizes:
        costs = [{count: make(count, side) for count in batches} for _ in range(rounds)]
        for count in batches:
            wall = statistics.median(round_[count].wall for round_ in costs)
            cpu = statistics.median(round_[count].cpu for round_ in costs)
            ratio = statistics.median(
                round_[count].cpu / round_[batches[0]].cpu for round_ in costs
            )
            print(f"{side:9}{count:8}{wall * 1000:10.0f}{cpu * 1000:10.0f}{ratio:11.2f}")


def _print_simultaneous(count: int, side: int, rounds: int, steps: int) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings.from_environment()))
    info = engine.describe("poster")
    requests = [
        TextToImage(
            model="poster",
            prompt=PROMPT,
            negative_prompt="",
            width=side,
            height=side,
            steps=steps,
            guidance_scale=info.guidance_scale,
            scheduler=info.scheduler,
            seed=seed,
        )
        for seed in range(count)
    ]

    def make(request: TextToImage) -> Generated:
        return engine.run(request, SilentProgress())

    make(requests[0])
    walls: list[float] = []
    cpus: list[float] = []
    with ThreadPoolExecutor(count) as callers:
        for _ in range(rounds):
            start = _now()
            alone = [make(request) for request in requests]
            between = _now()
            together = list(callers.map(make, requests))
            end = _now()
            walls.append((between.wall - start.wall) / (end.wall - between.wall))
            cpus.append((between.cpu - start.cpu) / (end.cpu - between.cpu))
    apart = np.stack(
        [
            np.abs(one.image.astype(int) - other.image.astype(int))
            for one, other in zip(alone, together, strict=True)
        ]
    )
    batches = Counter(one.record.batch_size for one in together)
    sizes = ", ".join(f"{batches[size] // size} of {size}" for size in sorted(batches))
    print(f"{count} requests at {side} pixels, all at once against one after another:")
    print(f"{statistics.median(walls):.2f} times the speed ({_listed(walls)}),")
    print(f"{statistics.median(cpus):.2f} times the images per CPU second ({_listed(cpus)})")
    print(f"calls: {sizes}; pixels apart: at most {apart.max()}, on average {apart.mean():.5f}")


def _now() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def _listed(ratios: list[float]) -> str:
    return "rounds: " + ", ".join(f"{ratio:.2f}" for ratio in ratios)


if __name__ == "__main__":
    sys.exit(main())
