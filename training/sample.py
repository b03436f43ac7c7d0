"""Sample sheets of the poster model for fixed prompts and seeds.

Run `python -m training.sample --folder src/ninefold/builtin/poster --guidance 4 --steps 20`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from training.common import RUNS, sheet
from training.models import build_scheduler

StableDiffusionPipeline: Any = diffusers.StableDiffusionPipeline

PROMPTS = (
    "a red house in the mountains at sunset",
    "a white sailboat on the sea by day",
    "a blue tent in the forest at night under the stars",
    "a yellow hot air balloon on the left, in the desert at dawn",
    "a green cactus in the desert at noon",
    "a red lighthouse by the sea at night",
    "an orange cat in a field, cloudy sky",
    "a person in a purple coat in the city in the rain",
    "a pink tree on the right, in a snowy field",
    "a white windmill on green hills in the morning",
    "a blue car in the city at night",
    "portrait of a person in a red hat",
    "a purple castle in the mountains in the fog",
    "close-up of a yellow flower",
    "a black bird over the forest at sunset",
    "a small brown house by the sea in the snow",
    "two red boats on a calm sea by day",
    "three yellow houses in the mountains at night",
    "two cats in a field at sunset",
    "three people in green coats in the city in the snow",
    "a pair of white birds over the sea at dawn",
    "two orange balloons in the desert at sunset",
    "three blue tents in the forest in the rain",
    "one lone black tree in the snow",
)


def sample_sheet(
    tokenizer: Any,
    text_encoder: Any,
    unet: Any,
    autoencoder: Any,
    prompts: tuple[str, ...],
    path: Path,
    size: int = 256,
    guidance: float = 4.0,
    steps: int = 20,
) -> None:
    """Generate every prompt with its own seed and save one sheet, eight in a row."""
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    draw_sheet(pipeline, prompts, path, size, guidance, steps)


@torch.no_grad()
def draw_sheet(
    pipeline: Any,
    prompts: tuple[str, ...],
    path: Path,
    size: int,
    guidance: float,
    steps: int,
) -> None:
    """Run a pipeline over prompts in batches of eight and save the sheet."""
    pipeline.set_progress_bar_config(disable=True)
    pictures = []
    for first in range(0, len(prompts), 8):
        part = list(prompts[first : first + 8])
        generators = [torch.Generator().manual_seed(1000 + first + i) for i in range(len(part))]
        output = pipeline(
            part,
            height=size,
            width=size,
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=generators,
            output_type="np",
        )
        pictures.append((output.images * 255).round().astype(np.uint8))
    sheet(np.concatenate(pictures), 8, path)


def main() -> None:
    """Sample an exported folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--out", type=Path, default=RUNS / "sample.png")
    parser.add_argument("prompts", nargs="*")
    arguments = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(arguments.folder, torch_dtype=torch.float32)
    draw_sheet(
        pipeline,
        tuple(arguments.prompts) or PROMPTS,
        arguments.out,
        arguments.size,
        arguments.guidance,
        arguments.steps,
    )


if __name__ == "__main__":
    main()
