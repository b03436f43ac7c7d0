"""Starts from an image without a pipeline for it, and what masks leave out staying the source's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.autoencoders import encoded
from ninefold.engines.defaults import build_engines
from ninefold.engines.devices import choose_device
from ninefold.engines.diffusers_call import DiffusersCall
from ninefold.engines.diffusion import ImageToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.latent_start import LatentStart
from ninefold.engines.loading import LoadedModel, load_model
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Mask, Pixels

from .conftest import from_image, inpaint

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SETTINGS = EngineSettings(device="cpu")


@pytest.fixture(scope="module")
def deep(tiny_deep_folder: Path) -> LoadedModel:
    return load_model(resolve(str(tiny_deep_folder), SETTINGS), choose_device(SETTINGS), SETTINGS)


@pytest.fixture(scope="module")
def engines() -> EngineSet:
    return build_engines(SETTINGS)


def test_such_a_model_has_no_inpainting_pipeline(deep: LoadedModel) -> None:
    assert deep.form("inpaint") is None


@pytest.mark.parametrize("scheduler", ["default", "euler", "dpmpp_2m"])
def test_only_what_the_mask_covers_changes(
    engines: EngineSet, tiny_deep_folder: Path, picture: Pixels, half_mask: Mask, scheduler: str
) -> None:
    request = inpaint(picture, half_mask, model=str(tiny_deep_folder), scheduler=scheduler)
    made = engines.diffusion.run(request, SilentProgress())
    assert np.array_equal(made.image[:, :32], picture[:, :32])
    assert not np.array_equal(made.image[:, 32:], picture[:, 32:])
    assert made.record.warnings == ()


def test_the_surroundings_are_heeded(
    engines: EngineSet, tiny_deep_folder: Path, picture: Pixels, half_mask: Mask
) -> None:
    request = inpaint(picture, half_mask, model=str(tiny_deep_folder))
    masked = engines.diffusion.run(request, SilentProgress()).image
    given = {name: value for name, value in vars(request).items() if name != "mask"}
    whole = engines.diffusion.run(ImageToImage(**given), SilentProgress()).image
    assert not np.array_equal(masked[:, 32:], whole[:, 32:])


def steps_of(model: LoadedModel, request: Any) -> list[Any]:
    """The latents after each step of a call, which hold 9 wherever they are free."""
    import torch
    from diffusers import DDIMScheduler

    pipe: Any = model.form("text")
    scheduler: Any = DDIMScheduler.from_config(model.scheduler.config)
    nines = torch.full((1, 6, 16, 16), 9.0)
    scheduler.step = lambda model_output, timestep, sample, return_dict=True: (nines, nines)
    pipe.scheduler = scheduler
    start = LatentStart(pipe, [request], request.steps)
    seen: list[Any] = []
    with start.applied():
        original = scheduler.step

        def step(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            seen.append(result[0].clone())
            return result

        scheduler.step = step
        pipe(
            "a house", num_inference_steps=request.steps, width=64, height=64, output_type="latent"
        )
    return seen


def test_latents_outside_the_mask_are_the_sources_with_the_noise_of_the_step(
    deep: LoadedModel, picture: Pixels, half_mask: Mask
) -> None:
    import torch

    held = steps_of(deep, inpaint(picture, half_mask, steps=4, strength=1.0))
    source = encoded(deep.base, [picture])
    assert len(held) == 4
    assert all(bool((each[..., 8:] == 9).all()) for each in held)
    torch.testing.assert_close(held[3][..., :8], source[..., :8])
    distances = [float((each - source)[..., :8].abs().mean()) for each in held]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.1


def test_a_cell_that_the_mask_touches_is_free(deep: LoadedModel, picture: Pixels) -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[5, 9] = 0.2
    held = steps_of(deep, inpaint(picture, mask, steps=1, strength=1.0))
    free = (held[0] == 9).all(dim=1)[0]
    assert free.sum() == 1
    assert bool(free[1, 2])


def test_a_plain_source_runs_on_diffusers_own_pipeline(
    engines: EngineSet, tiny_deep_folder: Path, picture: Pixels
) -> None:
    request = from_image(picture, model=str(tiny_deep_folder))
    made = engines.diffusion.run(request, SilentProgress())
    assert made.image.shape == picture.shape


def test_a_batch_is_what_each_is_alone(
    deep: LoadedModel, tiny_deep_folder: Path, picture: Pixels, half_mask: Mask
) -> None:
    """To the rounding of sums in another order."""
    info = describe(resolve(str(tiny_deep_folder), SETTINGS))
    requests = [
        inpaint(picture, half_mask, seed=1),
        inpaint(picture[::-1], half_mask[:, ::-1], seed=2),
    ]

    def made(*some: Any) -> list[Pixels]:
        prepared = [PreparedRequest(item, info, ()) for item in some]
        call = DiffusersCall(prepared, deep, lambda *_: None, choose_device(SETTINGS))
        return [item.image for item in call.run()]

    for alone, together in zip([*map(made, requests)], made(*requests), strict=True):
        assert np.abs(alone[0].astype(int) - together).max() <= 2
