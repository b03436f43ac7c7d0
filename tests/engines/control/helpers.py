"""Requests whose painting a picture steers, and the same by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusion import TextToImage
from ninefold.imaging.types import Pixels

#: What diffusers' schedulers do to NumPy, and its ControlNet for FLUX.1 to itself.
MARKS = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed`:FutureWarning"),
]


QUIET = SilentProgress()


#: Least sides of models that are native at 1024 pixels.
SIDES = {"flux": 256, "sd3": 256, "qwen-image": 256, "sana": 256, "z-image": 256}


def drawn(side: int) -> Pixels:
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[side // 4 : side // 2, side // 4 :] = 255
    return pixels


def asked(model: Path, **changes: Any) -> TextToImage:
    side = SIDES.get(model.name, 64)
    return TextToImage(
        **{
            "model": str(model),
            "prompt": "a house",
            "negative_prompt": "",
            "width": side,
            "height": side,
            "steps": 3,
            "guidance_scale": 3.0,
            "scheduler": "default",
            "seed": 7,
            **changes,
        }
    )


def by_hand(pipe: Any, side: int = 64, **arguments: Any) -> Pixels:
    import torch

    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(7)  # which some pipelines draw from beside the generator
    out = pipe(
        prompt="a house",
        width=side,
        height=side,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(7),
        **({} if "true_cfg_scale" in arguments else {"guidance_scale": 3.0}) | arguments,
    )
    return np.array(out.images[0])


def picture(pixels: Pixels) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)
