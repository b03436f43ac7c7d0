"""Which requests may share a call, and how many of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.engines.capacity import Capacity
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusion import ImageToImage, ModelInfo
from ninefold.engines.loras import LoraFile
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels

from .conftest import from_image, inpaint, text

INFO = ModelInfo("tiny", "0" * 10, (64, 64), 8, 256, 3, 3.0, "default")


def order(**changes: Any) -> PreparedRequest:
    return PreparedRequest(text(**changes), INFO, ())


def test_orders_share_a_call_where_only_prompt_seed_and_source_differ(
    picture: Pixels, half_mask: Any
) -> None:
    common = order().in_common()
    assert order(prompt="a tree", negative_prompt="fog", seed=8).in_common() == common
    others: dict[str, Any] = {
        "width": 128,
        "height": 128,
        "steps": 4,
        "guidance_scale": 2.0,
        "scheduler": "ddim",
    }
    for name, value in others.items():
        assert order(**{name: value}).in_common() != common
    ink = LoraFile("ink", 1.0, Path("ink.safetensors"), None, "0")
    assert replace(order(), loras=(ink,)).in_common() != common

    def shared(request: ImageToImage) -> object:
        return PreparedRequest(request, INFO, ()).in_common()

    dark = np.zeros_like(picture)
    assert shared(from_image(picture)) == shared(from_image(dark))
    assert shared(from_image(picture)) != shared(from_image(picture, strength=0.6))
    assert shared(from_image(picture)) != shared(inpaint(picture, half_mask, strength=0.5))
    assert shared(inpaint(picture, half_mask)) == shared(inpaint(dark, half_mask / 2))
    # An empty mask needs no call at all.
    assert shared(inpaint(picture, half_mask)) != shared(inpaint(picture, half_mask * 0))


class Cuda(DeviceChoice):
    """A CUDA device with a thousand free bytes."""

    def __init__(self) -> None:
        super().__init__("cuda")

    def free(self) -> int:
        return 1000


def capacity(device: DeviceChoice | None = None, **settings: Any) -> Capacity:
    return Capacity(EngineSettings(**settings), lambda: device or DeviceChoice("cpu"))


@pytest.mark.parametrize(
    ("side", "scale", "most"),
    [(32, 8, 16), (128, 8, 8), (256, 16, 8), (128, 4, 2), (512, 16, 2), (512, 8, 1), (8, 16, 16)],
)
def test_a_cpu_takes_the_latents_that_keep_it_busy(side: int, scale: int, most: int) -> None:
    known = replace(INFO, latent_scale=scale)
    assert capacity().limit(replace(order(width=side, height=side), info=known)) == most


def test_a_gpu_takes_what_fits_once_it_has_measured() -> None:
    found = capacity(Cuda())
    assert found.limit(order()) == 1
    found.took(order(), 1, 100)
    assert found.limit(order()) == 8
    found.took(order(), 8, 400)
    assert found.limit(order()) == 16
    assert found.limit(order(width=128)) == 1


def test_a_limit_can_be_set_and_is_lowered_by_what_did_not_fit() -> None:
    found = capacity(max_batch=32)
    assert found.limit(order()) == 32
    found.exceeded(order(), 20)
    assert found.limit(order()) == 10
    assert found.limit(order(height=128)) == 32
    found.exceeded(order(), 1)
    assert found.limit(order()) == 1


def test_deterministic_engines_make_every_image_alone() -> None:
    assert capacity(deterministic=True, max_batch=8).limit(order()) == 1
