"""SwarmUI: a JSON object as `parameters`. Format: `docs/Image Metadata Format.md` of SwarmUI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import (
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
    two_scales,
)
from ninefold.files.readers.infotext_tools import tagged_loras
from ninefold.files.readers.values import (
    Fields,
    as_hash,
    as_list,
    as_number,
    as_text,
    file_stem,
    read_object,
    shown,
)

_FACTS = ("swarm_version", "aspectratio", "automaticvae", "images", "batchsize", "donotsave")
#: Names of the second pass's methods that make it take over steps, not work over the image.
_SWAPS = ("StepSwap", "StepSwapNoisy")


def read_swarmui(carriers: Carriers) -> Generation | None:
    """What SwarmUI says."""
    whole = read_object(carriers.parameters)
    values = read_object(whole.get("sui_image_params"))
    if not values:
        return None
    fields, extra = Fields(values), Fields(read_object(whole.get("sui_extra_data")))
    hashes = _hashes(whole.get("sui_models"))
    model = fields.text("model")
    distilled = fields.number("fluxguidancescale")
    guidance, true_cfg = two_scales(fields.number("cfgscale"), distilled)
    refiner, hires = _second(fields, hashes)
    prompt = fields.text("prompt")
    vae, skip = fields.text("vae"), fields.whole("clipstopatlayer")
    return Generation(
        tool="SwarmUI",
        version=as_text(values.get("swarm_version")),
        dialect="swarmui",
        prompt=prompt,
        negative_prompt=fields.text("negativeprompt"),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=guidance,
        true_cfg_scale=true_cfg,
        sampler=fields.text("sampler", "comfyuisampler", "comfyui_sampler"),
        schedule=fields.text("scheduler", "comfyuischeduler", "comfyui_scheduler"),
        width=fields.whole("width"),
        height=fields.whole("height"),
        strength=fields.number("initimagecreativity"),
        source="init image" if fields.text("initimage") else "",
        model=NamedModel(model, hashes.get(file_stem(model), "")),
        vae="" if vae in ("None", "Automatic") else vae,
        clip_skip=abs(skip) if skip else None,
        tiling=fields.flag("seamlesstileable"),
        variation_seed=fields.whole("variationseed"),
        variation_strength=fields.number("variationseedstrength"),
        loras=tuple(_loras(fields, prompt, hashes)),
        refiner=refiner,
        hires=hires,
        controls=tuple(_controls(fields)),
        facts={
            **fields.facts(*_FACTS),
            **extra.facts("date", "prep_time", "generation_time", "original_prompt"),
        },
        other={**fields.left(), **extra.left()},
    )


def _hashes(value: Any) -> dict[str, str]:
    """Hashes by the models' names."""
    items = map(read_object, as_list(value))
    pairs = ((file_stem(as_text(item.get("name"))), as_hash(item.get("hash"))) for item in items)
    return {name: digest for name, digest in pairs if name and digest}


def _loras(fields: Fields, prompt: str, hashes: Mapping[str, str]) -> list[UsedLora]:
    names, weights = _list(fields.raw("loras")), _list(fields.raw("loraweights"))
    fields.drop("lorasectionconfinement")
    tagged = tagged_loras(prompt)
    found = []
    for number, name in enumerate(names):
        weight = as_number(weights[number]) if number < len(weights) else 1.0
        if file_stem(name) not in map(file_stem, tagged):
            found.append(UsedLora(name, weight, None, hashes.get(file_stem(name), "")))
    return [*tagged.values(), *found]


def _second(
    fields: Fields, hashes: Mapping[str, str]
) -> tuple[RefinerPass | None, HiresPass | None]:
    """The refiner, which takes over steps or works over the enlarged image."""
    control = fields.number("refinercontrolpercentage", "refinercontrol")
    model, method = fields.text("refinermodel"), fields.text("refinermethod")
    factor = fields.number("refinerupscale")
    upscaler = fields.text("refinerupscalemethod")
    if control is None and not model and factor is None:
        return None, None
    model = "" if model in ("(Use Base)", "None") else model
    if method in _SWAPS and model and factor in (None, 1):
        named = NamedModel(model, hashes.get(file_stem(model), ""))
        return RefinerPass(named, None if control is None else 1 - control), None
    return None, HiresPass(
        factor=factor,
        upscaler=upscaler,
        strength=control,
        steps=fields.whole("refinersteps"),
        guidance_scale=fields.number("refinercfgscale"),
        model=model,
    )


def _controls(fields: Fields) -> list[UsedControl]:
    found = []
    for ending in ("", "two", "three"):
        model = fields.text(f"controlnet{ending}model", f"controlnetmodel{ending}")
        if model and model != "None":
            found.append(
                UsedControl(
                    model=model,
                    preprocess=fields.text(f"controlnet{ending}preprocessor"),
                    strength=fields.number(f"controlnet{ending}strength"),
                    start=fields.number(f"controlnet{ending}start"),
                    end=fields.number(f"controlnet{ending}end"),
                )
            )
    return found


def _list(value: Any) -> list[str]:
    """A list, or its items with commas between."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    return [part.strip() for part in as_text(value).split(",")] if as_text(value) else []
