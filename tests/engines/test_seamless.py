"""Seamless images: what is painted does not change where the canvas is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Tiling
from ninefold.engines.checks import check_request
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import family_of_class
from ninefold.engines.resources import EngineResources
from ninefold.engines.seamless import seamless
from ninefold.engines.settings import EngineSettings

from .conftest import from_image, text

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]


@pytest.fixture(scope="module")
def pipe(tiny_models: Callable[[str], Path]) -> Any:
    import diffusers

    pipeline: Any = diffusers.DiffusionPipeline
    return pipeline.from_pretrained(str(tiny_models("sd15")))


def shift(tensor: Any, tiling: Tiling, by: int) -> Any:
    axes = [axis for axis, name in ((3, "x"), (2, "y")) if tiling in (name, "both")]
    return tensor.roll([by] * len(axes), axes)


@pytest.mark.parametrize("tiling", ["x", "y", "both"])
def test_a_shifted_canvas_gives_the_shifted_image(pipe: Any, tiling: Tiling) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 8, 16, generator=generator)
    words = torch.randn(1, 7, 16, generator=generator)

    def denoised(given: Any) -> Any:
        with torch.no_grad():
            return pipe.unet(given, 500, encoder_hidden_states=words).sample

    def decoded(given: Any) -> Any:
        with torch.no_grad():
            return pipe.vae.decode(given).sample

    plain = denoised(latents), decoded(latents)
    with seamless(pipe, tiling):
        wrapped = denoised(latents), decoded(latents)
        assert torch.allclose(
            denoised(shift(latents, tiling, 4)), shift(wrapped[0], tiling, 4), atol=1e-5
        )
        assert torch.allclose(
            decoded(shift(latents, tiling, 4)), shift(wrapped[1], tiling, 32), atol=1e-5
        )
    assert not torch.allclose(wrapped[1], plain[1], atol=1e-4)
    assert not torch.allclose(
        decoded(shift(latents, tiling, 4)), shift(plain[1], tiling, 32), atol=1e-4
    )
    assert torch.equal(denoised(latents), plain[0])
    assert torch.equal(decoded(latents), plain[1])


def test_the_engine_paints_so_and_says_so(tiny_folder: Path) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
    model, quiet = str(tiny_folder), SilentProgress()
    made = {
        tiling: engine.run(text(model=model, tiling=tiling), quiet)
        for tiling in ("none", "x", "y", "both")
    }
    assert len({item.image.tobytes() for item in made.values()}) == 4
    for tiling, item in made.items():
        assert item.record.tiling == tiling
        assert type(item.record).from_json(item.record.to_json()) == item.record
    source = np.zeros((64, 64, 3), np.uint8)
    changed = [
        engine.run(from_image(source, model=model, tiling=tiling), quiet).image.tobytes()
        for tiling in ("none", "both")
    ]
    assert changed[0] != changed[1]


def test_families_without_a_unet_are_refused() -> None:
    flux = ModelInfo("it", "", (64, 64), 8, 128, 1, 1.0, "", family=family_of_class("FluxPipeline"))
    with pytest.raises(
        InputError, match=r"tiling: it is of the family FLUX\.1, whose images cannot"
    ):
        check_request(text(tiling="x"), flux)
    check_request(text(tiling="none"), flux)
