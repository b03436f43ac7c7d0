"""SDXL's base and refiner share one schedule: the latents are handed over, as by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError
from ninefold.engines.defaults import build_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.generation_record import GenerationRecord
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from ninefold.testing.helpers import Recorder

from .conftest import from_image, text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Models = Callable[[str], Path]


@pytest.fixture(scope="module")
def engines() -> EngineSet:
    return build_engines(EngineSettings(device="cpu"))


@pytest.fixture
def asked(tiny_models: Models) -> dict[str, Any]:
    """What a request for both says of the base."""
    return {"model": str(tiny_models("sdxl")), "steps": 5, "negative_prompt": "a tree"}


def test_it_is_what_both_calls_give_by_hand(
    engines: EngineSet, tiny_models: Models, asked: dict[str, Any]
) -> None:
    import diffusers as untyped
    import torch

    diffusers: Any = untyped
    refiner = tiny_models("sdxl-refiner")
    recorder = Recorder()
    made = engines.diffusion.run(text(**asked, refiner=str(refiner), handover=0.6), recorder)
    base_pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(asked["model"])
    refiner_pipe = diffusers.StableDiffusionXLImg2ImgPipeline.from_pretrained(refiner)
    shared = {"prompt": "a red house", "negative_prompt": "a tree", "guidance_scale": 3.0}
    shared |= {"num_inference_steps": 5}
    latents = base_pipe(
        **shared,
        width=64,
        height=64,
        denoising_end=0.6,
        output_type="latent",
        generator=torch.Generator("cpu").manual_seed(7),
    ).images
    found = refiner_pipe(
        **shared,
        image=latents,
        denoising_start=0.6,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert np.array_equal(made.image, np.asarray(found))
    record = made.record
    assert (record.refiner, record.handover, record.steps_run) == ("sdxl-refiner", 0.6, 5)
    assert record.refiner_hash == engines.diffusion.hash(str(refiner))
    assert GenerationRecord.from_json(record.to_json()) == record
    done = [step / total for step, total in recorder.steps]
    assert done == sorted(done)
    assert done[-1] == 1


def test_where_it_takes_over_shows(
    engines: EngineSet, tiny_models: Models, asked: dict[str, Any]
) -> None:
    refiner = str(tiny_models("sdxl-refiner"))
    images = [
        engines.diffusion.run(text(**asked, **more), Recorder()).image
        for more in (
            {},
            {"refiner": refiner, "handover": 0.8},
            {"refiner": refiner, "handover": 0.4},
        )
    ]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[1], images[2])


def test_another_model_of_the_kind_takes_over_too(
    engines: EngineSet, asked: dict[str, Any]
) -> None:
    alone = engines.diffusion.run(text(**asked), Recorder()).image
    both = engines.diffusion.run(text(**asked, refiner=asked["model"], handover=0.6), Recorder())
    difference = np.abs(both.image.astype(int) - alone.astype(int))
    assert difference.mean() < 3  # its multistep scheduler begins anew, if it has a memory


@pytest.mark.parametrize(
    ("base", "refiner", "says"),
    [
        ("sd15", "sdxl-refiner", r"hands nothing over to a refiner"),
        ("sdxl", "sd15", r"sd15 \(Stable Diffusion\) cannot go on with latents of sdxl"),
        ("sdxl-refiner", "sdxl", r"cannot paint from a prompt alone"),
    ],
)
def test_models_that_do_not_go_together_are_refused(
    engines: EngineSet, tiny_models: Models, base: str, refiner: str, says: str
) -> None:
    request = text(model=str(tiny_models(base)), refiner=str(tiny_models(refiner)), handover=0.8)
    with pytest.raises(InputError, match=says):
        engines.diffusion.run(request, Recorder())


def test_the_refiner_works_over_a_finished_image_too(
    engines: EngineSet, tiny_models: Models, picture: Pixels
) -> None:
    import diffusers as untyped
    import torch
    from PIL import Image

    diffusers: Any = untyped
    folder = tiny_models("sdxl-refiner")
    made = engines.diffusion.run(from_image(picture, model=str(folder), steps=4), Recorder())
    pipe = diffusers.StableDiffusionXLImg2ImgPipeline.from_pretrained(folder)
    found = pipe(
        "a red house",
        image=Image.fromarray(picture),
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert np.array_equal(made.image, np.asarray(found))
