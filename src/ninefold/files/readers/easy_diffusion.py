"""Easy Diffusion: one text chunk a setting, or one JSON object as EXIF's user comment.

Names are those of its API, or those that it shows. Source: `easydiffusion/utils/save_utils.py`.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from ninefold.files.embed import XMP_KEYWORD
from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation, NamedModel, UsedControl, UsedLora
from ninefold.files.readers.values import (
    Fields,
    as_list,
    as_number,
    as_text,
    read_json,
    read_object,
)

_SHOWN = ("Stable Diffusion model", "Guidance Scale", "Negative Prompt")
_OWN = ("use_stable_diffusion_model", "num_inference_steps", "guidance_scale")


def read_easy_diffusion(carriers: Carriers) -> Generation | None:
    """What Easy Diffusion says."""
    texts = carriers.texts
    if any(name in texts for name in _OWN) or "Stable Diffusion model" in texts:
        return _read(Fields(texts))
    values = read_object(carriers.comment)
    if any(name in values for name in _OWN) or all(name in values for name in _SHOWN):
        return _read(Fields(values))
    return None


def _read(fields: Fields) -> Generation:
    names = _list(fields.raw("use_lora_model", "LoRA model"))
    weights = _list(fields.raw("lora_alpha", "LoRA Strength"))
    control = fields.text("use_controlnet_model", "ControlNet model")
    strength = fields.number("prompt_strength", "Prompt Strength")
    tiling = fields.text("tiling", "Seamless Tiling")
    fields.drop(XMP_KEYWORD)
    return Generation(
        tool="Easy Diffusion",
        prompt=fields.text("prompt", "Prompt"),
        negative_prompt=fields.text("negative_prompt", "Negative Prompt"),
        seed=fields.whole("seed", "Seed"),
        steps=fields.whole("num_inference_steps", "Steps"),
        guidance_scale=fields.number("guidance_scale", "Guidance Scale"),
        sampler=fields.text("sampler_name", "Sampler"),
        schedule=fields.text("scheduler_name", "Scheduler"),
        width=fields.whole("width", "Width"),
        height=fields.whole("height", "Height"),
        strength=strength,
        model=NamedModel(fields.text("use_stable_diffusion_model", "Stable Diffusion model")),
        vae=_unless_none(fields.text("use_vae_model", "VAE model")),
        clip_skip=2 if fields.flag("clip_skip", "Clip Skip") else None,
        tiling=tiling.lower() in ("xy", "both", "true"),
        loras=tuple(
            UsedLora(as_text(name), as_number(weight))
            for name, weight in zip_longest(names, weights)
            if _unless_none(as_text(name))
        ),
        embeddings=tuple(
            NamedModel(as_text(name))
            for name in _list(fields.raw("use_embeddings_model", "Embedding models"))
            if _unless_none(as_text(name))
        ),
        controls=(
            UsedControl(
                model=control,
                preprocess=fields.text("control_filter_to_apply", "ControlNet Filter"),
                strength=fields.number("control_alpha", "ControlNet Strength"),
            ),
        )
        if _unless_none(control)
        else (),
        other={name: text for name, text in fields.left().items() if _unless_none(text)},
    )


def _list(value: Any) -> list[Any]:
    """A list, as Python or JSON writes it, or one item."""
    if isinstance(value, str) and value.startswith("["):
        value = read_json(value.replace("'", '"'))
    return as_list(value) if isinstance(value, list) else [] if value is None else [value]


def _unless_none(text: str) -> str:
    return "" if text in ("None", "null", "False", "false") else text
