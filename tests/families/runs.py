"""How a case is run: by ninefold's engine, by its pipelines, and by diffusers called by hand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ninefold import PipelineConfig, PipelineContext
from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import DIFFUSION, Generated, ImageToImage, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.processors import read_processor, reads_videos
from ninefold.engines.schedulers import seed_steps
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from ninefold.testing import fake_engines
from tests.families.cases import Case


def real_diffusion() -> EngineSet:
    """Real diffusion beside fakes of all else."""
    real = build_engines(EngineSettings(device="cpu"))
    fakes = fake_engines()
    return replace(fakes, engines={**fakes.engines, DIFFUSION: (real.diffusion,)})


def write_sidecar(case: Case, folder: Path) -> None:
    """Have the model in `folder` paint at the case's size and steps where nothing else is said."""
    sides = {"native_size": [case.side] * 2, "min_size": case.side}
    sidecar = {**sides, "default": {"steps": case.steps}}
    (folder / "ninefold.json").write_text(json.dumps(sidecar))


def gradient(side: int) -> Pixels:
    """A picture with colours that change everywhere."""
    down, across = np.mgrid[0:side, 0:side] / (side - 1)
    unit = np.stack([down, across, np.sin(9 * down * across) / 2 + 0.5], axis=2)
    pixels: Pixels = np.rint(unit * 255).astype(np.uint8)
    return pixels


def text(case: Case, folder: Path = Path("poster"), **changes: Any) -> TextToImage:
    """A request for the case's model, as a stage without parameters makes it."""
    return TextToImage(**(_fields(case, folder) | changes))


def from_image(case: Case, folder: Path, image: Pixels, **changes: Any) -> ImageToImage:
    """The same with a source."""
    fields = {**_fields(case, folder), "image": image, "strength": 0.5}
    return ImageToImage(**(fields | changes))


def _fields(case: Case, folder: Path) -> dict[str, Any]:
    return {
        "model": str(folder),
        "prompt": "a red house",
        "negative_prompt": "",
        "width": case.side,
        "height": case.side,
        "steps": case.steps,
        "guidance_scale": case.guidance,
        "scheduler": "default",
        "seed": 7,
    }


def run(engines: EngineSet, request: TextToImage) -> Generated:
    return engines.diffusion.run(request, SilentProgress())


def executed(engines: EngineSet, preset: str, folder: Path, job: Path) -> PipelineContext:
    """A preset with that model, and nothing else set."""
    config = PipelineConfig.preset(preset)
    context = PipelineContext(job, prompt="a red house", seed=7, job_id="job", model=str(folder))
    pipeline = config.build(engines)
    assert pipeline.problems(context) == ()
    asyncio.run(pipeline.execute(context))
    context.raise_for_error()
    return context


def processors(folder: Path) -> dict[str, Any]:
    """The parts of a model that transformers does not load without torchvision."""
    import transformers

    index = json.loads((folder / "model_index.json").read_text())
    found = {
        name: getattr(transformers, value[1])
        for name, value in index.items()
        if isinstance(value, list) and str(value[1]).endswith("VLProcessor")
    }
    return {
        name: read_processor(reader, folder / name)
        for name, reader in found.items()
        if reads_videos(reader)
    }


def loaded_by_hand(case: Case, folder: Path) -> Any:
    """The pipeline as diffusers loads it."""
    import diffusers as untyped

    diffusers: Any = untyped
    if case.model in ("cascade", "wuerstchen"):  # whose index names a module that was moved
        diffusers.pipelines.wuerstchen = import_module("diffusers.pipelines.deprecated.wuerstchen")
    pipe = getattr(diffusers, case.pipeline).from_pretrained(str(folder), **processors(folder))
    pipe.set_progress_bar_config(disable=True)
    for name, value in case.attributes.items():
        setattr(pipe, name, value)
    return pipe


def by_hand(case: Case, folder: Path) -> Pixels:
    """What diffusers paints, called as its documents do; but steps draw from the generator of the
    call, also where a pipeline hands it not on (HiDream) and they would from the process's own."""
    import torch

    pipe = loaded_by_hand(case, folder)
    torch.manual_seed(7)  # for what else draws without the generator that it is given
    generator = torch.Generator("cpu").manual_seed(7)
    if getattr(pipe, "scheduler", None) is not None:
        seed_steps(pipe.scheduler, generator)
    made = pipe(
        prompt="a red house",
        width=case.side,
        height=case.side,
        num_inference_steps=case.steps,
        generator=generator,
        **case.by_hand,
    )
    images = made.images if hasattr(made, "images") else made.image
    return np.asarray(images[0].convert("RGB"))
