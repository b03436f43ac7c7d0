"""What the pipeline costs over the same diffusers calls written by hand on the same weights.

Run `python bench/overhead.py`. Text to image, then image to image as the refiner does it: once
through `Pipeline`, once by hand with each image written as PNG, alternating in one process. The
networks are loaded once on each side and the first round of both is thrown away. Prints medians,
the median of the paired ratios (target: at most 1.03) and whether the pixels are identical;
exit code 1 if they are not, or if the ratio misses the target.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ninefold import Pipeline, PipelineContext
from ninefold.engines import builtin
from ninefold.engines.defaults import default_engines
from ninefold.imaging.types import Pixels
from ninefold.stages import RefinerStage, TextToImageStage
from ninefold.stages.refiner import STRENGTHS

PROMPT = "a red house in the mountains at sunset"
SEED = 7
LEVEL = 4
TARGET = 1.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    by_hand = ByHand(options.steps)
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            _pair(by_hand, options.steps, Path(folder) / str(index))
            for index in range(options.rounds + 1)
        ][1:]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    identical = all(pair[2] for pair in pairs)
    print(f"pipeline  {ours * 1000:8.1f} ms (median of {len(pairs)})")
    print(f"by hand   {theirs * 1000:8.1f} ms")
    print(f"ratio     {ratio:8.3f}    (target: at most {TARGET})")
    print(f"identical {'yes' if identical else 'NO'}")
    return 0 if identical and ratio <= TARGET else 1


class ByHand:
    """The diffusers calls as their documentation writes them."""

    def __init__(self, steps: int) -> None:
        import diffusers
        import torch
        from diffusers.utils import logging
        from transformers.utils import logging as transformers_logging

        logs: list[Any] = [logging, transformers_logging]
        for log in logs:
            log.set_verbosity(log.ERROR)
            log.disable_progress_bar()
        library: Any = diffusers
        folder = str(builtin.ROOT / "poster")
        self.steps = steps
        self.info = default_engines().diffusion.describe("poster")
        self.text = library.StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        self.image = library.AutoPipelineForImage2Image.from_pipe(self.text)
        for pipe in (self.text, self.image):
            pipe.set_progress_bar_config(disable=True)

    def __call__(self, folder: Path) -> list[Pixels]:
        """Make both images and write them as PNG."""
        import torch

        shared = {"num_inference_steps": self.steps, "guidance_scale": self.info.guidance_scale}
        first = self.text(
            PROMPT,
            guidance_rescale=self.info.guidance_rescale,
            generator=torch.Generator("cpu").manual_seed(SEED),
            **shared,
        ).images[0]
        first.save(folder / "generated.png")
        second = self.image(
            PROMPT,
            image=first,
            strength=STRENGTHS[LEVEL],
            generator=torch.Generator("cpu").manual_seed(SEED),
            **shared,
        ).images[0]
        second.save(folder / "refined.png")
        return [np.asarray(first), np.asarray(second)]


def _pair(by_hand: ByHand, steps: int, folder: Path) -> tuple[float, float, bool]:
    # The one that goes first changes from round to round, so that drift falls on both.
    order = ["pipeline", "hand"] if int(folder.name) % 2 else ["hand", "pipeline"]
    seconds: dict[str, float] = {}
    made: dict[str, list[Pixels]] = {}
    for side in order:
        target = folder / side
        target.mkdir(parents=True)
        start = time.perf_counter()
        made[side] = _pipeline(target, steps) if side == "pipeline" else by_hand(target)
        seconds[side] = time.perf_counter() - start
    identical = all(
        np.array_equal(a, b) for a, b in zip(made["pipeline"], made["hand"], strict=True)
    )
    return seconds["pipeline"], seconds["hand"], identical


def _pipeline(folder: Path, steps: int) -> list[Pixels]:
    pipeline = Pipeline(
        [TextToImageStage(steps=steps), RefinerStage(steps=steps, refinement_level=LEVEL)]
    )
    context = PipelineContext(workdir=folder, prompt=PROMPT, seed=SEED)
    context = asyncio.run(pipeline.execute(context))
    context.raise_for_error()
    return [np.asarray(Image.open(artifact.path)) for artifact in context.artifacts]


if __name__ == "__main__":
    sys.exit(main())
