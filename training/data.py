"""Renders the training pictures once, in parallel, into one memory-mapped file beside their boxes.

Run `python -m training.data --count 20000`; a scene is rebuilt from its seed, so captions need no
file.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.canvas import Canvas
from training.scenes import boxes, random_scene, render
from training.styles import STYLES

RUNS = Path(__file__).parent / "runs"
HELD_OUT = 10_000_000
"""Seeds from here on are never trained on."""


def draw(
    job: tuple[int, int, int, str],
) -> tuple[NDArray[np.uint8], list[list[tuple[str, list[float]]]]]:
    """Pictures (N, size, size, 3) and boxes of the seeds start..start+count, in a style."""
    start, count, size, style = job
    scenes = [random_scene(seed) for seed in range(start, start + count)]
    canvas = STYLES.get(style, Canvas)
    pictures = np.stack([np.asarray(render(scene, size, style=canvas)) for scene in scenes])
    return pictures, [
        [(name, [round(v, 2) for v in box]) for name, box in boxes(scene, size)] for scene in scenes
    ]


def make(name: str, start: int, count: int, size: int, workers: int, style: str = "") -> None:
    """Write `name.npy` and `name.json` under runs/; `style` is one of STYLES, or none."""
    RUNS.mkdir(exist_ok=True)
    temporary = RUNS / f"{name}.part.npy"
    out = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, size, size, 3))
    found: list[list[tuple[str, list[float]]]] = []
    jobs = [(start + i, min(250, count - i), size, style) for i in range(0, count, 250)]
    with ProcessPoolExecutor(workers) as pool:
        for (first, *_), (pictures, lists) in zip(jobs, pool.map(draw, jobs), strict=True):
            out[first - start : first - start + len(pictures)] = pictures
            found.extend(lists)
    out.flush()
    os.replace(temporary, RUNS / f"{name}.npy")
    (RUNS / f"{name}.json").write_text(json.dumps({"start": start, "size": size, "boxes": found}))


def load(name: str) -> tuple[NDArray[np.uint8], int]:
    """The memory-mapped pictures of a set and its first seed."""
    start = json.loads((RUNS / f"{name}.json").read_text())["start"]
    return np.load(RUNS / f"{name}.npy", mmap_mode="r"), int(start)


def main() -> None:
    """Make the training and the held-out sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--held-out", type=int, default=512)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--name", default="poster")
    arguments = parser.parse_args()
    begun = time.monotonic()
    if arguments.held_out:
        make("held_out", HELD_OUT, arguments.held_out, arguments.size, arguments.workers)
    make(arguments.name, 0, arguments.count, arguments.size, arguments.workers)
    print(f"{arguments.count} pictures of {arguments.size} px in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
