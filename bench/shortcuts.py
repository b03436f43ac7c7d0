"""What `quality: high` and `fast` trade: steps left out, CPU time and likeness to `lossless`.

Run `python bench/shortcuts.py [MODEL]`; `--help` has its options. Each prompt is painted in every
quality, and without any shortcut in as few steps as `fast` ran, which is what one could do instead.
Prints for each the mean over the prompts of steps that the network ran, CPU seconds as a part of
`lossless`, and PSNR to it in dB: mean and least. Exit code 1 where `high` falls below 40 dB.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import default_engines
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.step_cache import Quality
from ninefold.imaging.likeness import psnr
from ninefold.imaging.types import Pixels

PROMPTS = (
    "a red house in the mountains at sunset",
    "two sailing boats at night",
    "a portrait of a woman with green eyes",
    "a fox in a forest, autumn",
    "a city street in the rain",
    "a white lighthouse on the right by the sea",
)
LEAST = 40.0


@dataclass(frozen=True)
class Painted:
    """A picture, the steps that the network ran, and CPU seconds."""

    image: Pixels
    steps: int
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="poster")
    parser.add_argument("--steps", type=int, help="by default the model's own")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    options = parser.parse_args()
    info = default_engines().diffusion.describe(options.model)
    steps, prompts = options.steps or info.steps, PROMPTS[: options.prompts]

    def paint(prompt: str, quality: Quality, steps: int) -> Painted:
        request = TextToImage(
            model=options.model,
            prompt=prompt,
            negative_prompt="",
            width=info.native_size[0],
            height=info.native_size[1],
            steps=steps,
            guidance_scale=info.guidance_scale,
            scheduler=info.scheduler,
            seed=7,
            quality=quality,
        )
        begun = time.process_time()
        made = default_engines().diffusion.run(request, SilentProgress())
        return Painted(made.image, made.record.steps_run, time.process_time() - begun)

    paint(prompts[0], "lossless", 2)  # loads the model
    plain = [paint(prompt, "lossless", steps) for prompt in prompts]
    high = [paint(prompt, "high", steps) for prompt in prompts]
    fast = [paint(prompt, "fast", steps) for prompt in prompts]
    fewer = [paint(prompts[i], "lossless", fast[i].steps) for i in range(len(prompts))]
    print(f"{'':12} {'steps':>6} {'time':>6} {'PSNR':>6} {'least':>6}")
    for name, painted in (("high", high), ("fast", fast), ("fewer steps", fewer)):
        likeness = [psnr(a.image, b.image) for a, b in zip(painted, plain, strict=True)]
        part = statistics.median(a.seconds / b.seconds for a, b in zip(painted, plain, strict=True))
        ran = statistics.mean(item.steps for item in painted)
        print(f"{name:12} {ran:6.1f} {part:6.2f} {np.mean(likeness):6.1f} {min(likeness):6.1f}")
    return 0 if min(psnr(a.image, b.image) for a, b in zip(high, plain, strict=True)) > LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
