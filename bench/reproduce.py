"""Ten configs of all stages on the built-in models, each made and made again: `make reproduce`.

Every picture must come out to the pixel, and every file of every stage to the byte. With a number,
only so many of the configs: `python -m bench.reproduce 3`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.engines.defaults import build_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.reproduction.report import ReproductionReport, ReproductionVerdict
from ninefold.reproduction.reproducing import Reproducer
from ninefold.slots import OUTPUTS

#: Small and quick: what is asked is whether it is the same, not whether it is good.
_QUICK = {
    "text_to_image.steps": 2,
    # Doubled by the upscaler, the least that holds a watermark.
    "text_to_image.width": 128,
    "text_to_image.height": 128,
    "refiner.steps": 2,
    "detailer.steps": 2,
    "detailer.confidence": 0.05,
    "detailer.top_k": 1,
    "restorer.steps": 2,
    "publisher.formats": ["png"],
    "publisher.thumbnail": 0,
}
_OWN = "{close|far}, __style__, {prompt} <lora:night-neon:0.25> [SEP] a {label}"


@dataclass(frozen=True)
class Case:
    """A config with what is given to it."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = "a red house by the sea"
    #: Slots beside the prompt; paths are below the folder of files.
    slots: Mapping[str, Any] = field(default_factory=dict)
    #: Stages put in before the publisher.
    more: tuple[Mapping[str, Any], ...] = ()
    #: What is given to make it again.
    inputs: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case(
        "choices, LoRAs and own prompts",
        {"detailer.prompt": _OWN, "restorer.prompt": "{prompt}, __style__"},
        prompt="a {red|blue|green} house by the __place__, __style__ <lora:night-neon:0.5>",
    ),
    Case(
        "a photo changed inside a mask",
        {"text_to_image.strength": 0.7, "publisher.formats": ["jpeg"]},
        slots={"image": "photo.png", "mask": "mask.png"},
    ),
    Case(
        "LUT, overlay, grain and colour transfer",
        {
            "finisher.lut": "look.cube",
            "finisher.overlay": "logo.png",
            "finisher.grain": 0.3,
            "finisher.sharpness": 0.5,
            "finisher.colour_transfer": 0.5,
        },
        inputs={"finisher.lut": "look.cube", "finisher.overlay": "logo.png"},
    ),
    Case("a seed sent back", {"inspector.on_fail": "retry", "inspector.max_retries": 3}),
    Case("four times as large", {"upscaler.upscale_factor": 4, "upscaler.tile": 32}),
    Case("cut out, with alpha", {"publisher.formats": ["webp"]}, more=({"stage": "matte"},)),
    Case("another sampler", {"text_to_image.scheduler": "dpmpp_2m_sde_karras"}),
    Case(
        "a sampler with noise of its own, tiling",
        {"text_to_image.scheduler": "euler_ancestral", "text_to_image.tiling": "both"},
    ),
    Case(
        "AVIF and steps left out", {"publisher.formats": ["avif"], "text_to_image.quality": "fast"}
    ),
    Case(
        "a photo, enlarged by a filter and refined",
        {"upscaler.upscaler": "lanczos", "refiner.refinement_level": 3},
        slots={"image": "photo.png", "negative_prompt": "people, {rain|snow}"},
    ),
)


def files(folder: Path) -> None:
    """The files that the cases name."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:128, 0:128]
    noise = np.random.default_rng(1).integers(0, 30, (128, 128))
    photo = np.stack([x + noise, y + noise, 200 - x + noise], axis=2).astype(np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[16:48, 16:48] = 255
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(mask).save(folder / "mask.png")
    Image.fromarray(photo[:16, :16]).save(folder / "logo.png")
    (folder / "look.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 0.9 1\n")
    wildcards = folder / "wildcards"
    wildcards.mkdir(exist_ok=True)
    (wildcards / "place.txt").write_text("sea\nlake\nriver\n")
    (wildcards / "style.txt").write_text("flat colours\nbold shapes\n")


def engines(folder: Path) -> EngineSet:
    """The built-in models, with the folder's wildcards."""
    settings = EngineSettings.from_environment()
    return build_engines(settings.model_copy(update={"wildcards": folder / "wildcards"}))


def made_again(case: Case, folder: Path, engines: EngineSet) -> Iterator[ReproductionReport]:
    """A report on each final file of a case; `folder` holds the `files`."""
    paths = {"finisher.lut", "finisher.overlay"}
    values = {
        name: str(folder / value) if name in paths else value
        for name, value in {**_QUICK, **case.values}.items()
    }
    config = PipelineConfig.preset("full").with_values(values)
    *stages, publisher = config.document()["stages"]
    config = PipelineConfig.parse({"stages": [*stages, *case.more, publisher]})
    slots = {
        name: str(folder / value) if str(value).endswith(".png") else value
        for name, value in case.slots.items()
    }
    with TemporaryDirectory() as work:
        context = PipelineContext(Path(work) / "job", prompt=case.prompt, seed=7, **slots)
        pipeline = config.build(engines)
        if problems := pipeline.problems(context):
            raise ValueError("; ".join(problems))
        asyncio.run(pipeline.execute(context))
        context.raise_for_error()
        given = {name: str(folder / value) for name, value in case.inputs.items()}
        for output in context[OUTPUTS]:
            yield Reproducer(engines, given=given).reproduce(output.path)


def main(count: int) -> int:
    """Print a line for each config; 1 where one is not identical."""
    wrong = 0
    with TemporaryDirectory() as work:
        folder = Path(work) / "files"
        files(folder)
        here = engines(folder)
        for number, case in enumerate(CASES[:count], 1):
            began = time.perf_counter()
            reports = list(made_again(case, folder, here))
            same = all(
                report.verdict is ReproductionVerdict.IDENTICAL
                and report.first_difference is None
                and not report.differences
                for report in reports
            )
            wrong += not same
            spent = time.perf_counter() - began
            told = "identical" if same else "; ".join(r for each in reports for r in each.reasons)
            print(f"{number:2}  {case.name:42} {spent:5.1f} s  {told}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else len(CASES)))
