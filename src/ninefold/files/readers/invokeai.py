"""InvokeAI: the command line of versions before 2, `sd-metadata` up to 2.3, and `invokeai_metadata`
since.

Source: `invokeai/backend/image_util/pngwriter.py` and `docs/features` of InvokeAI 2,
`invokeai/app/invocations/metadata.py` of versions 3 to 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
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
from ninefold.files.readers.values import (
    Fields,
    as_hash,
    as_list,
    as_number,
    as_text,
    read_object,
)

_DREAM = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_OPTION = re.compile(r"\s-([A-Za-z])\s*([^\s-]\S*|-\d\S*)")
_NEGATIVE = re.compile(r"(?<!\\)\[([^\[\]]*)\]")
#: Options of the command line by the names of `sd-metadata`.
_OPTIONS = {
    **{"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"},
    **{"f": "strength", "I": "init_image", "G": "facetool_strength", "U": "upscale"},
    **{"V": "variations", "v": "variation_amount"},
}
_FACTS = ("app_version", "app_id", "generation_mode", "rand_device", "type", "orig_hash", "id")


def read_invokeai(carriers: Carriers) -> Generation | None:
    """What InvokeAI of any version says."""
    texts = carriers.texts
    if found := read_object(texts.get("invokeai_metadata") or texts.get("invokeai")):
        return _metadata(found)
    if found := read_object(texts.get("invokeai_graph")):
        return _graph(found)
    if found := read_object(texts.get("sd-metadata") or texts.get("Sd-metadata")):
        return _sd_metadata(found)
    if (dream := _DREAM.fullmatch(texts.get("Dream", "")[: 1 << 20])) is not None:
        options = {_OPTIONS.get(key, f"-{key}"): text for key, text in _OPTION.findall(dream[2])}
        return _image({**options, "prompt": dream[1].replace('\\"', '"')}, {}, "")
    return None


def _metadata(values: Mapping[str, Any]) -> Generation:
    """`invokeai_metadata`: names of models are nested one deeper in version 3 than since."""
    fields = Fields(values)
    nested = Fields(read_object(fields.raw("metadata")))  # of betas of version 3
    prompt = fields.text("positive_prompt") or nested.text("positive_conditioning")
    styles = {
        name: text
        for name in ("positive_style_prompt", "negative_style_prompt")
        if (text := fields.text(name)) and text not in (prompt, values.get("negative_prompt"))
    }
    sampler, schedule = _scheduler(fields.text("scheduler"))
    fields.drop_where("cfg_rescale_multiplier", "0", "0.0")
    guidance, true_cfg = two_scales(fields.number("cfg_scale"), fields.number("guidance"))
    seamless = fields.flag("seamless_x"), fields.flag("seamless_y")
    version = as_text(values.get("app_version"))
    return Generation(
        tool="InvokeAI",
        version=version,
        dialect="compel",
        prompt=prompt,
        negative_prompt=fields.text("negative_prompt") or nested.text("negative_conditioning"),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=guidance,
        true_cfg_scale=true_cfg,
        sampler=sampler,
        schedule=schedule,
        width=fields.whole("width"),
        height=fields.whole("height"),
        strength=fields.number("strength"),
        source=_image_name(fields.raw("init_image")),
        model=_model(fields.raw("model")),
        vae=_model(fields.raw("vae")).name,
        clip_skip=_clip_skip(fields.whole("clip_skip")),
        tiling=all(seamless),
        loras=tuple(_loras(fields.raw("loras"))),
        refiner=_refiner(fields),
        hires=_hires(fields),
        controls=(*_controls(fields.raw("controlnets")), *_adapters(fields)),
        facts=fields.facts(*_FACTS),
        other={**fields.left(), **nested.left(), **styles, **_one_way(seamless)},
    )


def _graph(values: Mapping[str, Any]) -> Generation | None:
    """`invokeai_graph` alone: the node that collects the metadata holds the same fields."""
    nodes = read_object(values.get("nodes"))
    for node in map(read_object, nodes.values()):
        if node.get("type") == "core_metadata":
            linked = ("id", "type", "is_intermediate", "use_cache")
            return _metadata({key: item for key, item in node.items() if key not in linked})
    return None


def _sd_metadata(values: Mapping[str, Any]) -> Generation | None:
    fields = Fields(values)
    image = read_object(fields.raw("image"))
    if not image:
        return None
    model = fields.text("model_weights", "model_id") or fields.text("model")
    fields.drop("model")  # "stable diffusion", whichever it was
    digest = as_hash(fields.text("model_hash"))
    found = _image(image, fields.facts(*_FACTS), as_text(values.get("app_version")))
    other = {**found.other, **fields.left()}
    return replace(found, model=NamedModel(model, digest), other=other)


def _image(image: Mapping[str, Any], facts: dict[str, str], version: str) -> Generation:
    """The fields of one image; what its prompt has in square brackets is the negative one."""
    fields = Fields(image)
    given = fields.raw("prompt")
    parts = [read_object(item) for item in as_list(given)]
    text = ", ".join(as_text(item.get("prompt")) for item in parts) if parts else as_text(given)
    prompt = " ".join(_NEGATIVE.sub(" ", text).split()) if "[" in text else text
    sampler, schedule = _scheduler(fields.text("sampler"))
    for name in ("threshold", "perlin"):
        fields.drop_where(name, "0", "0.0")
    fields.drop_where("hires_fix", "false")
    variations = as_list(fields.raw("variations"))
    first = variations[0] if variations and isinstance(variations[0], Mapping | list) else {}
    pair = list(first.values()) if isinstance(first, Mapping) else first
    return Generation(
        tool="InvokeAI",
        version=version,
        dialect="compel",
        prompt=prompt.strip(),
        negative_prompt=", ".join(part.strip() for part in _NEGATIVE.findall(text)),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("cfg_scale"),
        sampler=sampler,
        schedule=schedule,
        width=fields.whole("width"),
        height=fields.whole("height"),
        strength=fields.number("strength"),
        source=_image_name(fields.raw("init_image")),
        tiling=fields.flag("seamless"),
        variation_seed=next((int(n) for n in pair if isinstance(n, int)), None),
        variation_strength=next((n for n in pair if isinstance(n, float)), None),
        facts=facts | fields.facts(*_FACTS),
        other=fields.left(),
    )


def _model(value: Any) -> NamedModel:
    """A model in the ways of versions 3 and 4."""
    if isinstance(value, str):
        return NamedModel(value)
    found = read_object(value)
    name = as_text(found.get("name") or found.get("model_name"))
    digest = as_text(found.get("hash"))
    kind, colon, digits = digest.rpartition(":")
    # Since version 4 it is BLAKE3, by which nothing here is known.
    return NamedModel(name, as_hash(digits) if not colon or kind.startswith("sha256") else "")


def _loras(value: Any) -> list[UsedLora]:
    found = []
    for item in map(read_object, as_list(value)):
        model = _model(item.get("model") or item.get("lora"))
        if model.name:
            found.append(UsedLora(model.name, as_number(item.get("weight")), None, model.hash))
    return found


def _refiner(fields: Fields) -> RefinerPass | None:
    model = _model(fields.raw("refiner_model"))
    return RefinerPass(model, fields.number("refiner_start")) if model.name else None


def _hires(fields: Fields) -> HiresPass | None:
    """`hrf` of version 3; and the fields of versions since."""
    on = fields.flag("hrf_enabled")
    method, strength = fields.text("hrf_method"), fields.number("hrf_strength")
    return HiresPass(upscaler=method, strength=strength) if on else None


def _controls(value: Any) -> list[UsedControl]:
    found = []
    for item in map(read_object, as_list(value)):
        model = _model(item.get("control_model"))
        weight = item.get("control_weight")
        found.append(
            UsedControl(
                model=model.name,
                strength=as_number(weight[0] if isinstance(weight, list) and weight else weight),
                start=as_number(item.get("begin_step_percent")),
                end=as_number(item.get("end_step_percent")),
            )
        )
    return [item for item in found if item.model]


def _adapters(fields: Fields) -> list[UsedControl]:
    found = []
    for name, key in (("ipAdapters", "ip_adapter_model"), ("t2iAdapters", "t2i_adapter_model")):
        for item in map(read_object, as_list(fields.raw(name))):
            if model := _model(item.get(key)).name:
                found.append(
                    UsedControl(
                        model=model,
                        strength=as_number(item.get("weight")),
                        start=as_number(item.get("begin_step_percent")),
                        end=as_number(item.get("end_step_percent")),
                    )
                )
    return found


def _scheduler(name: str) -> tuple[str, str]:
    """The sampler, and the schedule that the ending `_k` stands for."""
    if name.endswith("_k"):
        return name[:-2], "karras"
    return name, ""


def _clip_skip(layers: int | None) -> int | None:
    """Counted from 0 there, from 1 everywhere else."""
    return None if layers is None else layers + 1


def _image_name(value: Any) -> str:
    return as_text(value) or as_text(read_object(value).get("image_name"))


def _one_way(seamless: tuple[bool, bool]) -> dict[str, str]:
    names = ("seamless_x", "seamless_y")
    pairs = zip(names, seamless, strict=True)
    return {} if all(seamless) else {name: "true" for name, on in pairs if on}
