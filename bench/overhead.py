"""What the pipeline costs over the same diffusers calls written by hand on the same weights.

Run `python -m bench.overhead [MODEL...]`: the built-in `poster`, or random weights in the shape of
`sd15`, `sdxl` and `flux`, large enough that networks take most of the time. Text to image, then
image to image as the refiner does it: once through `Pipeline`, once by hand with each image written
as PNG, alternating in one process. The networks are loaded once on each side and the first round of
both is thrown away. Prints medians, the median of the paired ratios (target: at most 1.03) and
whether the pixels are identical; exit code 1 if they are not, or if a ratio misses the target.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
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
from tests.tiny_models.flux import flux_parts
from tests.tiny_models.stable_diffusion import (
    stable_diffusion,
    stable_diffusion_xl,
    unet,
    xl_unet,
)

PROMPT = "a red house in the mountains at sunset"
SEED = 7
LEVEL = 4
TARGET = 1.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["poster"], metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [_measured(name, options, Path(folder) / name) for name in options.models]
    return 0 if all(found) else 1


def _measured(name: str, options: argparse.Namespace, folder: Path) -> bool:
    """Print the figures of one model; whether they meet the target."""
    model = name if name == "poster" else str(_saved(name, folder / "model"))
    by_hand = ByHand(model, options.steps)
    pairs = [_pair(by_hand, folder / str(index)) for index in range(options.rounds + 1)][1:]
    ours = statistics.median(pair[0] for pair in pairs)
    theirs = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    identical = all(pair[2] for pair in pairs)
    print(f"{name}")
    print(f"  pipeline  {ours * 1000:8.1f} ms (median of {len(pairs)})")
    print(f"  by hand   {theirs * 1000:8.1f} ms")
    print(f"  ratio     {ratio:8.3f}    (target: at most {TARGET})")
    print(f"  identical {'yes' if identical else 'NO'}", flush=True)
    return identical and ratio <= TARGET


def _saved(name: str, folder: Path) -> Path:
    """A model of random weights, as wide as keeps a step of 256 x 256 pixels near 0.1 s."""
    import torch

    torch.manual_seed(0)
    SHAPES[name]().save_pretrained(folder)
    return folder


def _sd15() -> Any:
    return stable_diffusion(unet=unet(16, **_WIDE))


def _sdxl() -> Any:
    return stable_diffusion_xl(unet=xl_unet(**_WIDE))


def _flux() -> Any:
    import diffusers

    library: Any = diffusers
    parts = flux_parts(
        num_layers=3,
        num_single_layers=6,
        attention_head_dim=32,
        num_attention_heads=8,
        axes_dims_rope=(8, 12, 12),
    )
    return library.FluxPipeline(**parts)


_WIDE: dict[str, Any] = {"sample_size": 64, "block_out_channels": (96, 192), "norm_num_groups": 8}
SHAPES = {"sd15": _sd15, "sdxl": _sdxl, "flux": _flux}


class ByHand:
    """The diffusers calls as their documentation writes them."""

    def __init__(self, model: str, steps: int) -> None:
        import diffusers
        import torch
        from diffusers.utils import logging
        from transformers.utils import logging as transformers_logging

        logs: list[Any] = [logging, transformers_logging]
        for log in logs:
            log.set_verbosity(log.ERROR)
            log.disable_progress_bar()
        library: Any = diffusers
        folder = str(builtin.ROOT / model) if model == "poster" else model
        self.model, self.steps = model, steps
        self.info = default_engines().diffusion.describe(model)
        side = min(256, max(self.info.native_size))
        self.size = (side, side)
        self.text = library.DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        self.image = library.AutoPipelineForImage2Image.from_pipe(self.text)
        for pipe in (self.text, self.image):
            pipe.set_progress_bar_config(disable=True)

    def __call__(self, folder: Path) -> list[Pixels]:
        """Make both images and write them as PNG."""
        import torch

        shared: dict[str, Any] = {
            "width": self.size[0],
            "height": self.size[1],
            "num_inference_steps": self.steps,
            "guidance_scale": self.info.guidance_scale,
        }
        rescale = self.info.guidance_rescale
        first = self.text(
            PROMPT,
            generator=torch.Generator("cpu").manual_seed(SEED),
            **shared,
            **({"guidance_rescale": rescale} if rescale else {}),
        ).images[0]
        first.save(folder / "generated.png")
        second = self.image(
            PROMPT,
            image=first,
            strength=STRENGTHS[LEVEL],
            generator=torch.Generator("cpu").manual_seed(SEED),
            **{key: shared[key] for key in shared if key in self.accepted},
        ).images[0]
        second.save(folder / "refined.png")
        return [np.asarray(first), np.asarray(second)]

    @property
    def accepted(self) -> set[str]:
        """Arguments of the image-to-image call: Stable Diffusion's takes no size."""
        return set(inspect.signature(type(self.image).__call__).parameters)


def _pair(by_hand: ByHand, folder: Path) -> tuple[float, float, bool]:
    # The one that goes first changes from round to round, so that drift falls on both.
    order = ["pipeline", "hand"] if int(folder.name) % 2 else ["hand", "pipeline"]
    seconds: dict[str, float] = {}
    made: dict[str, list[Pixels]] = {}
    for side in order:
        target = folder / side
        target.mkdir(parents=True)
        start = time.perf_counter()
        made[side] = _pipeline(target, by_hand) if side == "pipeline" else by_hand(target)
        seconds[side] = time.perf_counter() - start
    identical = all(
        np.array_equal(a, b) for a, b in zip(made["pipeline"], made["hand"], strict=True)
    )
    return seconds["pipeline"], seconds["hand"], identical


def _pipeline(folder: Path, by_hand: ByHand) -> list[Pixels]:
    steps, (width, height) = by_hand.steps, by_hand.size
    pipeline = Pipeline(
        [
            TextToImageStage(steps=steps, width=width, height=height),
            RefinerStage(steps=steps, refinement_level=LEVEL),
        ]
    )
    context = PipelineContext(workdir=folder, prompt=PROMPT, seed=SEED, model=by_hand.model)
    context = asyncio.run(pipeline.execute(context))
    context.raise_for_error()
    return [np.asarray(Image.open(artifact.path)) for artifact in context.artifacts]


if __name__ == "__main__":
    sys.exit(main())
