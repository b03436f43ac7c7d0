"""The built-in 2x model on a large image: little memory, and no tile to be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ninefold import PipelineContext
from ninefold.engines.defaults import default_engines
from ninefold.imaging.tiles import plan_tiles, seam_lines
from ninefold.stages import UpscalerStage

from ..support import Pixels, pixels_of, run

#: Bytes in all, interpreter and libraries included.
MOST_MEMORY = 0.75 * 2**30
#: Levels of 255, on average over an image and over the rows and columns where tiles meet.
MOST_DIFFERENCE = 1.0

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
import numpy as np
from ninefold import PipelineContext
from ninefold.stages import UpscalerStage

side, folder = int(sys.argv[1]), sys.argv[2]
rows = np.linspace(0, 255, side).astype(np.uint8)
image = np.stack([np.add.outer(rows, rows) // 2, np.add.outer(rows, rows[::-1]) // 2,
                  np.subtract.outer(rows, rows)], axis=2).astype(np.uint8)
context = PipelineContext(folder, image=image, job_id="job")
del image
asyncio.run(UpscalerStage(upscale_factor=2).execute(context))
peak = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM:"))
peak = int(peak.split()[1]) * 1024
print(json.dumps({"size": context["image"].size, "peak": peak, **context.metadata["upscaler"]}))
"""


# getrusage would do on more systems, but on Linux its peak outlives exec: it would be pytest's own.
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_2048_image_is_doubled_in_little_memory(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, "2048", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    reported = json.loads(result.stdout)
    assert reported["size"] == [4096, 4096]
    assert reported["upscalers"] == ["2x"]
    assert reported["peak"] <= MOST_MEMORY, f"{reported['peak'] / 2**30:.2f} GiB"


def _scene(side: int) -> Pixels:
    """Flat shapes with hard edges and a little texture, as the model knows them."""
    y, x = np.mgrid[0:side, 0:side]
    image = np.full((side, side, 3), (90, 150, 210), np.uint8)
    image[y > side * 0.6] = (70, 120, 60)
    draw = np.random.default_rng(9)
    for _ in range(60):
        centre, radius = draw.integers(0, side, 2), draw.integers(4, side // 10)
        image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = draw.integers(0, 256, 3)
    noise = draw.integers(-6, 7, (side, side, 1))
    scene: Pixels = np.clip(image + noise, 0, 255).astype(np.uint8)
    return scene


def test_tiles_do_not_show(tmp_path: Path) -> None:
    side = 512
    defaults = UpscalerStage().params
    assert defaults.tile < side, "the default tile would not tile anything here"

    def upscaled(name: str, tile: int) -> Pixels:
        context = PipelineContext(tmp_path / name, image=_scene(side))
        run(UpscalerStage(tile=tile, engines=default_engines()).execute(context))
        return pixels_of(context["image"].path)

    whole = upscaled("whole", side)
    for tile in (64, defaults.tile):
        difference = np.abs(upscaled(f"tiles{tile}", tile).astype(int) - whole)
        assert difference.mean() < MOST_DIFFERENCE
        margin = default_engines().upscaling.margin("2x")
        overlap = max(defaults.overlap, 2 * margin)
        tiles = plan_tiles(side, side, max(tile, 2 * overlap), overlap)
        columns, rows = seam_lines(tiles, scale=2)
        assert columns
        for line in columns:
            assert difference[:, line - 2 : line + 2].mean() < MOST_DIFFERENCE
        for line in rows:
            assert difference[line - 2 : line + 2].mean() < MOST_DIFFERENCE
