"""What marks cost: a PNG file published with metadata, watermark and signature, and without.

`python -m bench.marks [--sides 1024,4096] [--runs 5]` prints seconds and the peak of memory of the
publisher alone. Each case has a process of its own, and cases take turns, so that all see the same
noise of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ninefold import PipelineContext
from ninefold.engines.resources import EngineResources
from ninefold.engines.watermark import WATERMARK, SpreadSpectrumEngine
from ninefold.imaging.types import Pixels
from ninefold.stages import PublisherStage
from ninefold.testing import fake_engines

#: Cases by name: parameters of the publisher.
CASES: dict[str, dict[str, Any]] = {
    "nothing": {"metadata": "none", "manifest": False},
    "metadata": {},
    "metadata, signature": {"sign": True},
    "metadata, watermark": {"watermark": True},
    "metadata, watermark, signature": {"watermark": True, "sign": True},
}
#: Nothing is painted; the watermark is the one that ships.
ENGINES = fake_engines().with_engines(WATERMARK, SpreadSpectrumEngine(EngineResources()))
#: What all marks may cost at 4096 x 4096.
MOST_SECONDS, MOST_BYTES = 4.0, 2**30


def picture(side: int) -> Pixels:
    """A picture as hard to compress as a painted one: slopes, edges and a little grain."""
    line, random = np.arange(side, dtype=np.uint16), np.random.default_rng(7)
    pixels = np.empty((side, side, 3), np.uint8)
    for row in range(side):  # so that nothing larger than the picture is ever held
        slopes = row * 160 // side + line * np.uint16(60) // np.uint16(side)
        blocks = (row // 97 + line // 61) % 5 * 8
        grain = random.integers(0, 4, side, np.uint16)
        pixels[row] = (slopes + blocks + grain)[:, None] + np.array([0, 15, 30], np.uint16)
    return pixels


def measure(case: str, side: int) -> dict[str, float]:
    """Seconds and the peak of memory, of the second publication in this process."""
    seconds = 0.0
    for _ in range(2):  # libraries are loaded by the first
        with tempfile.TemporaryDirectory() as folder:
            context = PipelineContext(folder, prompt="a red house", seed=7, image=picture(side))
            stage = PublisherStage(engines=ENGINES, name="x", **CASES[case])
            begun = time.perf_counter()
            asyncio.run(stage.execute(context))
            seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "bytes": peak}


def main() -> int:
    """Print the table; 1 where all marks cost more than they may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", default="1024,4096")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sides = [int(side) for side in options.sides.split(",")]
    if options.case:
        print(json.dumps(measure(options.case, sides[0])))
        return 0
    dear = False
    for side in sides:
        found: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
        for _ in range(options.runs):
            for case in CASES:
                words = [sys.executable, "-m", "bench.marks", "--case", case, "--sides", str(side)]
                root = Path(__file__).parents[1]
                done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
                found[case].append(json.loads(done.stdout))
        for case, runs in found.items():
            seconds = statistics.median(run["seconds"] for run in runs)
            peak = max(run["bytes"] for run in runs)
            print(f"{side:>5}  {case:<32} {seconds:6.2f} s  {peak / 2**20:6.0f} MiB", flush=True)
        dear |= side >= 4096 and (seconds > MOST_SECONDS or peak > MOST_BYTES)
    return int(dear)


if __name__ == "__main__":
    sys.exit(main())
