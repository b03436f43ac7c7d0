"""Edit models with reference images: what diffusers paints, called by hand."""

from __future__ import annotations

import asyncio
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineConfig, PipelineContext
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusion import Generated
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Pixels

from ..engines.conftest import from_image, text
from .cases import Case
from .runs import processors, write_sidecar

Models = Callable[[str], Path]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.slow,
]
#: Of what each takes, the most that is given here.
COUNTS = {"instruct-pix2pix": 1, "flux-kontext": 1, "flux2": 2}
#: The same of those behind their mark; several bring references to a million pixels.
FURTHER = {
    "bria-fibo-2": 1,
    "dreamlite": 1,
    "dreamlite-mobile": 1,
    "kandinsky-5-edit": 1,
    "longcat-image-edit": 1,
    "qwen-image-2.1": 2,
    "qwen-image-edit": 1,
    "qwen-image-edit-plus": 2,
    "sdxl-pix2pix": 1,
    "z-image-omni": 2,
}


def pictures() -> list[Pixels]:
    """References of other shapes than the image that is made."""
    draw = np.random.default_rng(3)
    made: list[Pixels] = [
        np.repeat(draw.integers(0, 256, (size, 6, 3)), 16, axis=1).astype(np.uint8)
        for size in (96, 64)
    ]
    return made


def asked(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "model": str(folder),
        "width": 256,
        "height": 256,
        "steps": 2,
        "guidance_scale": 3.0,
        **more,
    }


def run(engines: EngineSet, request: Any) -> Generated:
    return engines.diffusion.run(request, SilentProgress())


@pytest.mark.parametrize("name", COUNTS)
def test_it_is_what_diffusers_paints_by_hand(
    engines: EngineSet, tiny_models: Models, name: str
) -> None:
    import torch
    from diffusers import DiffusionPipeline
    from PIL import Image

    folder = tiny_models(name)
    given = pictures()[: COUNTS[name]]
    made = run(engines, text(**asked(folder), references=tuple(given)))
    pipe: Any = DiffusionPipeline.from_pretrained(folder)
    images = [Image.fromarray(item) for item in given]
    own: dict[str, Any] = {"width": 256, "height": 256}
    if name == "instruct-pix2pix":  # which paints at the size of its reference
        images, own = [item.resize((256, 256), Image.Resampling.LANCZOS) for item in images], {}
    if name == "flux-kontext":
        own["max_area"] = 256 * 256
    found = pipe(
        prompt="a red house",
        image=images if len(images) > 1 else images[0],
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(7),
        **own,
    ).images[0]
    assert made.image.shape == (256, 256, 3)
    if name == "instruct-pix2pix":  # resized by another library, to about the same
        assert np.abs(made.image.astype(int) - np.asarray(found)).mean() < 1
    else:
        assert np.array_equal(made.image, np.asarray(found))


@pytest.mark.families
@pytest.mark.parametrize("name", FURTHER)
def test_further_ones_paint_what_diffusers_paints_by_hand(
    engines: EngineSet, tiny_models: Models, name: str
) -> None:
    import torch
    from diffusers import DiffusionPipeline
    from PIL import Image

    folder, given = tiny_models(name), pictures()[: FURTHER[name]]
    made = run(engines, text(**asked(folder), references=tuple(given)))
    other = run(engines, text(**asked(folder), references=(pictures()[1],)))
    assert not np.array_equal(made.image, other.image)
    pipe: Any = DiffusionPipeline.from_pretrained(folder, **processors(folder))
    guidance = engines.diffusion.describe(str(folder)).family.guidance
    own: dict[str, Any] = {guidance.argument: 3.0} if guidance.argument else {}
    if guidance.blank_negative:
        own["negative_prompt"] = guidance.blank_negative
    takes_size = "width" in inspect.signature(type(pipe).__call__).parameters
    if takes_size:
        own |= {"width": 256, "height": 256}
    if name == "kandinsky-5-edit":
        pipe.resolutions = [(256, 256)]
    if name == "z-image-omni":  # which cannot encode in another format than bfloat16
        encode = pipe.vae.encode
        pipe.vae.encode = lambda pixels: encode(pixels.float())
    images = [Image.fromarray(item) for item in given]
    if not takes_size:  # it paints about a million pixels in the shape of its reference
        images = [Image.fromarray(resize(item, 256, 256)) for item in given]
    out = pipe(
        prompt="a red house",
        image=images if len(images) > 1 else images[0],
        num_inference_steps=2,
        generator=torch.Generator("cpu").manual_seed(7),
        **own,
    )
    found = (out.images if hasattr(out, "images") else out.image)[0].convert("RGB")
    if takes_size:
        assert np.array_equal(made.image, np.asarray(found))
    else:
        assert np.array_equal(made.image, resize(np.array(found), 256, 256))
        assert any("was resized to 256x256" in text for text in made.record.warnings)


@pytest.mark.families
@pytest.mark.parametrize("name", [*COUNTS, *FURTHER])
def test_all_nine_stages_run_on_a_reference(
    tiny_models: Models, engines: EngineSet, tmp_path: Path, name: str
) -> None:
    """With models that paint from references, most of them from these alone."""
    folder = tmp_path / name
    shutil.copytree(tiny_models(name), folder)
    write_sidecar(Case(name, side=64), folder)
    config = PipelineConfig.preset("full")
    context = PipelineContext(
        tmp_path / "job",
        prompt="a red house",
        seed=7,
        job_id="job",
        model=str(folder),
        references=[pictures()[0]],
    )
    asyncio.run(config.build(engines).execute(context))
    context.raise_for_error()
    for stage in ("text_to_image", "refiner", "detailer", "restorer"):
        assert context.metadata[stage]["steps_run"] >= 1


@pytest.mark.parametrize("name", COUNTS)
def test_each_reference_shows_in_the_pixels(
    engines: EngineSet, tiny_models: Models, name: str
) -> None:
    folder = tiny_models(name)
    given = pictures()
    images = [run(engines, text(**asked(folder), references=(item,))).image for item in given]
    if COUNTS[name] > 1:
        images.append(run(engines, text(**asked(folder), references=tuple(given))).image)
    if name != "instruct-pix2pix":
        images.append(run(engines, text(**asked(folder))).image)
    for index, image in enumerate(images):
        for other in images[index + 1 :]:
            assert not np.array_equal(image, other)


def test_a_source_and_a_reference_act_both(engines: EngineSet, tiny_models: Models) -> None:
    folder, (first, second) = tiny_models("flux2"), pictures()
    source = np.ascontiguousarray(np.tile(first, (4, 4, 1))[:256, :256])
    images = [
        run(engines, from_image(source, **asked(folder, strength=strength), **more))
        for strength, more in (
            (0.5, {}),
            (0.5, {"references": (second,)}),
            (1.0, {"references": (second,)}),
        )
    ]
    assert [item.record.steps_run for item in images] == [1, 1, 2]
    assert not np.array_equal(images[0].image, images[1].image)
    assert not np.array_equal(images[1].image, images[2].image)
