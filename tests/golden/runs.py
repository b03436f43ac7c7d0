"""The fixed runs whose pixels are on record, and how they are made."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from ninefold import PipelineConfig, PipelineContext
from ninefold.testing import fake_engines

from ..support import box_mask, picture, pixels_of

FOLDER = Path(__file__).parent

#: By name: a config, and what it is given.
RUNS: dict[str, tuple[PipelineConfig, dict[str, Any]]] = {
    "full": (PipelineConfig.preset("full"), {}),
    "full_3x": (
        PipelineConfig.preset("full").with_settings(
            [
                "text_to_image.width=96",
                "text_to_image.height=160",
                "refiner.refinement_level=4",
                "detailer.mask_mode=merge",
                "upscaler.upscale_factor=3",
                "upscaler.tile=64",
                "restorer.overlap=0.5",
                "finisher.colour_method=statistics",
                "finisher.contrast=1.2",
                "finisher.saturation=1.3",
                "finisher.gamma=1.1",
            ]
        ),
        {},
    ),
    "inpaint": (
        PipelineConfig.preset("full").with_settings(["text_to_image.strength=0.5"]),
        {
            "image": picture(200, 120),
            "mask": box_mask(200, 120, (50, 30, 150, 90)),
        },
    ),
}


def digests(name: str, workdir: Path) -> dict[str, str]:
    """SHA-256 of the size and pixels of every lossless image that a run makes, by file name."""
    config, given = RUNS[name]
    # The watermark carries what the record says, and that holds ninefold's version.
    config = config.with_settings(["publisher.watermark=false"])
    context = PipelineContext(workdir, prompt="a red house", seed=7, job_id="job", **given)
    asyncio.run(config.build(fake_engines()).execute(context))
    context.raise_for_error()
    return {
        path.relative_to(workdir).as_posix(): _digest(path)
        for path in sorted(workdir.rglob("*.png"))
    }


def recorded(name: str) -> dict[str, str]:
    """What is on record."""
    found: dict[str, str] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _digest(path: Path) -> str:
    pixels = pixels_of(path)
    height, width = pixels.shape[:2]
    return f"{width}x{height} {hashlib.sha256(pixels.tobytes()).hexdigest()}"
