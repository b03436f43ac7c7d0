"""Renders the training pictures once, in parallel, into memory-mapped files beside their boxes.

Run `python -m training.data --count 20000`. There is a set for each shape of pictures: NAME of
squares, NAME-3x2 and so on. A scene is rebuilt from its seed, so captions need no file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Sequence, Sized
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.canvas import Box, Canvas
from training.scenes import SHAPES, Scene, boxes, random_scene, render
from training.styles import STYLES

RUNS = Path(__file__).parent / "runs"
HELD_OUT = 10_000_000
"""Seeds from here on are never trained on."""
APART = 1_000_000
"""Seeds between the first of one shape and the first of the next."""
OTHERS = 0.1
"""Pictures of each other shape for one square."""
CHUNK = 100
"""Scenes that a worker draws at a time."""

AnySet = TypeVar("AnySet", bound=Sized)
Boxes = list[list[tuple[str, Box]]]


@dataclass(frozen=True)
class PictureSet:
    """Rendered pictures (N, height, width, 3) of one shape, and their boxes in pixels."""

    name: str
    start: int
    shape: str
    pictures: NDArray[np.uint8]
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def side(self) -> int:
        """The shorter side in pixels."""
        return int(min(self.pictures.shape[1:3]))

    def scene(self, index: int) -> Scene:
        """What a picture shows."""
        return random_scene(self.start + index, self.shape)


@dataclass(frozen=True)
class Job:
    """Seeds start..start+count, to be drawn as pictures of a shape and a shorter side."""

    start: int
    count: int
    size: int
    shape: str
    style: str

    def draw(self) -> tuple[NDArray[np.uint8], Boxes]:
        """Pictures (count, height, width, 3) and their boxes."""
        scenes = [random_scene(self.start + i, self.shape) for i in range(self.count)]
        canvas = STYLES.get(self.style, Canvas)
        pictures = [np.asarray(render(scene, self.size, style=canvas)) for scene in scenes]
        return np.stack(pictures), [boxes(scene, self.size) for scene in scenes]


def make(
    name: str,
    start: int,
    count: int,
    size: int,
    workers: int,
    style: str = "",
    shape: str = "square",
) -> None:
    """Write `name.npy` and `name.json` under runs/; `style` is one of STYLES, or none."""
    RUNS.mkdir(exist_ok=True)
    temporary = RUNS / f"{name}.part.npy"
    width, height = (round(size * side) for side in SHAPES[shape])
    out = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, height, width, 3))
    found: Boxes = []
    jobs = [
        Job(start + first, min(CHUNK, count - first), size, shape, style)
        for first in range(0, count, CHUNK)
    ]
    with ProcessPoolExecutor(workers) as pool:
        for pictures, lists in pool.map(Job.draw, jobs):
            out[len(found) : len(found) + len(lists)] = pictures
            found.extend(lists)
    out.flush()
    os.replace(temporary, RUNS / f"{name}.npy")
    document = {
        "start": start,
        "shape": shape,
        "boxes": [[(kind, [round(v, 2) for v in box]) for kind, box in each] for each in found],
    }
    (RUNS / f"{name}.json").write_text(json.dumps(document))


def make_all(name: str, count: int, size: int, workers: int, style: str = "") -> None:
    """Make a set of `count` squares, and a smaller one of each other shape."""
    for number, shape in enumerate(SHAPES):
        some = count if shape == "square" else round(count * OTHERS)
        make(set_name(name, shape), number * APART, some, size, workers, style, shape)


def set_name(name: str, shape: str) -> str:
    """What the pictures of one shape are called."""
    return name if shape == "square" else f"{name}-{shape}"


def load(name: str) -> PictureSet:
    """A set, its pictures memory-mapped."""
    document = json.loads((RUNS / f"{name}.json").read_text())
    pictures = np.load(RUNS / f"{name}.npy", mmap_mode="r")
    return PictureSet(name, document["start"], document["shape"], pictures, document["boxes"])


def load_all(name: str) -> list[PictureSet]:
    """The sets of every shape that there is, squares first."""
    names = [set_name(name, shape) for shape in SHAPES]
    return [load(each) for each in names if (RUNS / f"{each}.json").exists()]


def pick(sets: Sequence[AnySet], rng: random.Random) -> AnySet:
    """One of several sets, each as often as there are pictures in it."""
    (chosen,) = rng.choices(sets, [len(each) for each in sets])
    return chosen


def main() -> None:
    """Make the training and the held-out sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="squares; others are in addition")
    parser.add_argument("--held-out", type=int, default=512)
    parser.add_argument("--size", type=int, default=256, help="shorter side in pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--name", default="poster")
    parser.add_argument("--style", choices=tuple(STYLES), default="", help="none: flat")
    arguments = parser.parse_args()
    begun = time.monotonic()
    if arguments.held_out:
        make("held_out", HELD_OUT, arguments.held_out, arguments.size, arguments.workers)
    make_all(arguments.name, arguments.count, arguments.size, arguments.workers, arguments.style)
    total = sum(len(pictures) for pictures in load_all(arguments.name))
    print(f"{total} pictures of {arguments.size} px in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
