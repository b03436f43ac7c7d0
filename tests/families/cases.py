"""One tiny model of each family, and what is passed to diffusers for it when calling by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Case:
    """A family by its tiny model."""

    #: A name of `tests.tiny_models.NAMES`.
    model: str
    #: The side that it is run at.
    side: int = 64
    steps: int = 2
    #: Steps that run where more do: PNDM makes its second one twice.
    extra_steps: int = 0
    #: What is passed beside prompt, size, steps and generator.
    by_hand: Mapping[str, Any] = field(default_factory=dict)
    #: The class that is loaded by hand, and its attributes.
    pipeline: str = "DiffusionPipeline"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    #: What the record says of guidance.
    guidance: float = 0.0
    #: Whether a negative prompt acts, and whether the guidance scale does.
    negative: bool = True
    guided: bool = True
    #: Run on every change, not only by `make families`.
    quick: bool = False


_BINS = {"use_resolution_binning": False}
_CLEAN = {"clean_caption": False}


def _cfg(model: str, scale: float, **changes: Any) -> Case:
    given = {"guidance_scale": scale, **changes.pop("by_hand", {})}
    return Case(model, by_hand=given, guidance=scale, **changes)


CASES = (
    _cfg("sd15", 7.5, extra_steps=1, quick=True),
    _cfg("sd2", 7.5, extra_steps=1),
    _cfg("sd-turbo", 0.0, negative=False),
    _cfg("lcm", 8.5, negative=False),
    _cfg("sdxl", 5.0, quick=True),
    _cfg("sdxl-turbo", 0.0, negative=False),
    _cfg("sdxl-lightning", 0.0, negative=False),
    _cfg("sd3", 7.0),
    _cfg("flux", 3.5, negative=False, quick=True),
    Case("flux-schnell", negative=False, guided=False),
    _cfg("flux-kontext", 2.5, negative=False, pipeline="FluxPipeline"),
    _cfg("flux2", 4.0, negative=False),
    Case("flux2-klein", negative=False, guided=False),
    _cfg("flux2-klein-base", 4.0, negative=False),
    _cfg("chroma", 5.0),
    Case(
        "qwen-image",
        by_hand={"true_cfg_scale": 4.0, "negative_prompt": " "},
        guidance=4.0,
        quick=True,
    ),
    _cfg("z-image", 4.0),
    _cfg("z-image-turbo", 0.0, negative=False),
    _cfg("pixart-512", 4.5, by_hand={**_BINS, **_CLEAN}, quick=True),
    _cfg("pixart-sigma", 4.5, by_hand={**_BINS, **_CLEAN}),
    _cfg("sana", 4.5, by_hand=_BINS),
    _cfg("sana-sprint", 4.5, by_hand=_BINS, negative=False),
    _cfg("lumina2", 4.0),
    _cfg("hidream", 5.0, attributes={"default_sample_size": 8}),
    _cfg("hidream-dev", 0.0, negative=False, attributes={"default_sample_size": 8}),
    _cfg("auraflow", 3.5),
    _cfg("cogview4", 5.0),
    _cfg("kandinsky-2.2", 4.0),
    _cfg("kandinsky-3", 3.0),
    Case(
        "cascade",
        side=128,
        by_hand={"prior_guidance_scale": 4.0, "prior_num_inference_steps": 20},
        guidance=4.0,
    ),
    _cfg("lumina", 4.0, by_hand=_CLEAN),
    _cfg("cogview3", 5.0),
    _cfg("ovis-image", 5.0),
    _cfg("bria", 5.0),
    _cfg("deepfloyd-if", 7.0, by_hand=_CLEAN),
    _cfg("amused", 10.0, side=256),
    _cfg("kolors", 5.0),
    _cfg("hunyuan-dit", 5.0, by_hand=_BINS),
    Case("hunyuan-image", guidance=3.5),
    Case(
        "hunyuan-image-distilled",
        by_hand={"distilled_guidance_scale": 3.25},
        guidance=3.25,
        negative=False,
    ),
    _cfg("kandinsky-5", 3.5, attributes={"resolutions": [(64, 64)]}),
    Case("qwen-image-2.1", by_hand={"true_cfg_scale": 1.0}, guidance=1.0, negative=False),
    _cfg("z-image-omni", 4.0),
    _cfg("krea-2", 4.5),
    _cfg("bria-fibo", 5.0),
    _cfg("bria-fibo-2", 5.0),
    _cfg("longcat-image", 4.5, by_hand={"enable_prompt_rewrite": False}),
    _cfg("nucleus-image", 4.0),
    _cfg("ernie-image", 4.0),
    _cfg("ideogram-4", 7.0, by_hand={"guidance_schedule": None}, negative=False),
    _cfg("dreamlite", 3.5),
    Case("dreamlite-mobile", negative=False, guided=False),
    _cfg("prx", 4.0, by_hand={**_BINS, "skip_text_cleaning": True}),
    _cfg("prx-pixel", 4.0, by_hand=_BINS),
    _cfg("latent-diffusion", 6.0, negative=False),
    _cfg("kandinsky-2.1", 4.0),
    Case("wuerstchen", side=128, by_hand={"prior_guidance_scale": 4.0}, guidance=4.0),
)


def parameters() -> list[Any]:
    """The cases, those that are not quick behind the mark `families`."""
    marks = [pytest.mark.families]
    return [pytest.param(case, id=case.model, marks=() if case.quick else marks) for case in CASES]
