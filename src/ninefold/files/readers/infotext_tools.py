"""Infotext: AUTOMATIC1111, Forge and SD.Next, what Civitai adds, and tools that write the same.

Source: `modules/processing.py` and `modules/infotext_utils.py` of stable-diffusion-webui and its
fork Forge, `adetailer/args.py` of Bing-su/adetailer, `scripts/infotext.py` of sd-webui-controlnet,
`modules/meta_parser.py` of Fooocus, `src/utils/metadata` of Civitai.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ninefold.core.errors import InputError
from ninefold.files.a1111 import ORDINALS
from ninefold.files.infotext import Infotext, parse_hashes, parse_infotext
from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import (
    DetailerPass,
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
    two_scales,
)
from ninefold.files.readers.values import (
    MAX_INFOTEXT,
    Fields,
    as_hash,
    as_list,
    as_number,
    as_text,
    read_json,
    read_object,
)
from ninefold.prompts.loras import LORA_TAG, added, parse_lora

_WITH_HASH = re.compile(r"(.*?)\s*\[([0-9a-fA-F]{8,64})\]\s*")
_ADDITIONAL = re.compile(r"(.*?)\s*\(([0-9a-fA-F]{8,64})\)\s*")
_CONTROL = re.compile(r"ControlNet(?: \d+)?")
#: What says nothing of how to make the image again.
_FACTS = (
    *("Version", "User", "App", "VAE hash", "Raw prompt", "Raw negative prompt", "Performance"),
    *("Civitai metadata", "Created Date", "ADetailer version", "Backend", "Operations", "Parser"),
    *("Template", "Negative Template", "Refiner hash", "Time taken", "Pipeline"),
)
#: Values that ask for nothing.
_NOTHING = {"ENSD": "0", "Eta": "0", "Face restoration": "None"}
_SAME = ("use same sampler", "use same scheduler", "use same checkpoint", "automatic", "none")


def read_infotext_tools(carriers: Carriers) -> Generation | None:
    """What infotext says; None where the text is none: it has no line of settings."""
    text = carriers.parameters
    if not text or len(text) > MAX_INFOTEXT:
        return None
    info = parse_infotext(text)
    return _generation(info) if info.fields else None


def _generation(info: Infotext) -> Generation:
    fields = Fields(info.fields)
    tool, version = _tool(info.fields)
    hashes = {str(key): as_hash(item) for key, item in fields.parsed(read_object, "Hashes").items()}
    resources = [read_object(item) for item in fields.parsed(_list, "Civitai resources")]
    width, height = fields.size("Size")
    hires = _hires(fields)
    strength = fields.number("Denoising strength")
    if hires is not None:
        hires = replace(hires, strength=strength)
    distilled = fields.number("Distilled CFG Scale", "Distilled CFG scale")
    guidance, true_cfg = two_scales(fields.number("CFG scale"), distilled)
    sampler, schedule = fields.text("Sampler"), fields.text("Schedule type", "Scheduler")
    for name, value in _NOTHING.items():
        fields.drop_where(name, value)
    return Generation(
        tool=tool,
        version=version,
        dialect="swarmui" if tool == "SwarmUI" else "a1111",
        prompt=info.prompt,
        negative_prompt=info.negative_prompt,
        seed=fields.whole("Seed"),
        steps=fields.whole("Steps"),
        guidance_scale=guidance,
        true_cfg_scale=true_cfg,
        sampler=sampler,
        schedule="" if schedule.lower() in _SAME[:-1] else schedule,
        width=width,
        height=height,
        strength=None if hires is not None else strength,
        model=_model(fields, hashes, resources),
        vae="" if (vae := fields.text("VAE")) in ("Automatic", "None") else vae,
        clip_skip=fields.whole("Clip skip"),
        tiling=fields.flag("Tiling"),
        variation_seed=fields.whole("Variation seed"),
        variation_strength=fields.number("Variation seed strength"),
        loras=_loras(info, fields, hashes, resources),
        embeddings=_embeddings(fields, hashes, resources),
        refiner=_refiner(fields),
        hires=hires,
        detailers=tuple(_detailers(fields)),
        controls=tuple(_controls(fields, info.fields)),
        facts=fields.facts(*_FACTS),
        other=fields.left(),
    )


def tagged_loras(prompt: str) -> dict[str, UsedLora]:
    """The LoRAs that a prompt's tags name, by name; those that cannot be read are left out."""
    found = []
    for match in LORA_TAG.finditer(prompt):
        try:
            found.append(parse_lora(match[1]))
        except InputError:
            continue
    return {
        lora.name: UsedLora(lora.name, lora.weight, lora.text_encoder_weight)
        for lora in added(found)
    }


def named_with_hash(text: str) -> NamedModel:
    """A model as A1111 titles it: `name [hash]`."""
    match = _WITH_HASH.fullmatch(text)
    return NamedModel(match[1], match[2].lower()) if match else NamedModel(text)


def _tool(fields: Mapping[str, str]) -> tuple[str, str]:
    version = fields.get("Version", "")
    for name in ("ninefold", "Fooocus", "ComfyUI", "InvokeAI", "SwarmUI"):
        if version.lower().startswith(name.lower()):
            return name, version[len(name) :].strip()
    if "SD.Next" in fields.get("App", ""):
        return "SD.Next", version
    if re.match(r"(f\d|neo)", version):
        return "Forge", version
    if "Civitai resources" in fields and not version.startswith("v"):
        return "Civitai", version
    return "AUTOMATIC1111", version


def _list(text: str) -> list[Any]:
    return as_list(read_json(text))


def _model(
    fields: Fields, hashes: dict[str, str], resources: list[Mapping[str, object]]
) -> NamedModel:
    name, digest = fields.text("Model"), fields.parsed(as_hash, "Model hash")
    digest = digest or hashes.pop("model", "")
    if not name and not digest:
        named = (item for item in resources if str(item.get("type")).lower() == "checkpoint")
        if (item := next(named, None)) is not None:
            return NamedModel(_resource_name(item))
    hashes.pop("model", None)
    return NamedModel(name, digest)


def _loras(
    info: Infotext,
    fields: Fields,
    hashes: dict[str, str],
    resources: list[Mapping[str, object]],
) -> tuple[UsedLora, ...]:
    """Those of tags, of hashes beside them, of the Additional Networks extension and Civitai's."""
    found = tagged_loras(info.prompt)
    weights = fields.parsed(parse_hashes, "Lora weights")
    known = {**fields.parsed(parse_hashes, "Lora hashes"), **dict.fromkeys(weights, "")}
    known |= {
        key.partition(":")[2]: hashes.pop(key) for key in list(hashes) if key.startswith("lora:")
    }
    for name, digest in known.items():
        old = found.get(name) or UsedLora(name, as_number(weights.get(name)))
        found[name] = UsedLora(name, old.weight, old.text_encoder_weight, as_hash(digest))
    for number in range(1, 6):
        if title := fields.text(f"AddNet Model {number}"):
            match = _ADDITIONAL.fullmatch(title)
            name, digest = (match[1], match[2]) if match else (title, "")
            weight = fields.number(f"AddNet Weight A {number}", f"AddNet Weight {number}")
            encoder = fields.number(f"AddNet Weight B {number}")
            fields.drop(f"AddNet Module {number}", "AddNet Enabled")
            found[name] = UsedLora(
                name, weight, None if encoder == weight else encoder, digest.lower()
            )
    if not found:  # Civitai names the same ones by their pages
        for item in resources:
            if str(item.get("type")).lower() in ("lora", "lycoris", "locon", "dora"):
                name = _resource_name(item)
                found[name] = UsedLora(name, as_number(item.get("weight")))
    return tuple(found.values())


def _resource_name(item: Mapping[str, object]) -> str:
    name = as_text(item.get("modelName"))
    return name or as_text(item.get("air")) or f"Civitai {as_text(item.get('modelVersionId'))}"


def _embeddings(
    fields: Fields, hashes: dict[str, str], resources: list[Mapping[str, object]]
) -> tuple[NamedModel, ...]:
    given = fields.parsed(parse_hashes, "TI hashes")
    found = {name: as_hash(text) for name, text in given.items()}
    for key in list(hashes):
        if key.startswith("embed:"):
            found.setdefault(key.partition(":")[2], hashes.pop(key))
    for item in resources:
        if str(item.get("type")).lower() in ("embed", "embedding", "textualinversion"):
            found.setdefault(_resource_name(item), "")
    return tuple(NamedModel(name, digest) for name, digest in found.items())


def _refiner(fields: Fields) -> RefinerPass | None:
    if (title := fields.text("Refiner")) in ("", "None"):
        return None
    return RefinerPass(
        named_with_hash(title), fields.number("Refiner switch at", "Overwrite Switch")
    )


def _hires(fields: Fields) -> HiresPass | None:
    """The enlargement; its strength stands with the image's own."""
    factor = fields.number("Hires upscale", "Postprocess upscale by")
    width, height = fields.size("Hires resize")
    upscaler = fields.text("Hires upscaler", "Postprocess upscaler")
    if factor is None and width is None and not upscaler:
        return None

    def unless_same(name: str) -> str:
        text = fields.text(name)
        return "" if text.lower() in _SAME else text

    return HiresPass(
        factor=factor,
        width=width,
        height=height,
        upscaler=upscaler,
        steps=fields.whole("Hires steps"),
        guidance_scale=fields.number("Hires Distilled CFG Scale", "Hires CFG Scale"),
        sampler=unless_same("Hires sampler"),
        schedule=unless_same("Hires schedule type"),
        model=unless_same("Hires checkpoint"),
        prompt=fields.text("Hires prompt"),
        negative_prompt=fields.text("Hires negative prompt"),
    )


def _detailers(fields: Fields) -> Iterator[DetailerPass]:
    """ADetailer's units."""
    for ending in ORDINALS:

        def key(name: str, ending: str = ending) -> str:
            return f"ADetailer {name}{ending}"

        detector = fields.text(key("model"))
        if detector in ("", "None"):
            continue
        classes = fields.text(key("model classes"))
        separate = {
            name: fields.flag(key(f"use separate {name}"))
            for name in ("steps", "CFG scale", "checkpoint", "sampler")
        }
        fields.drop_where(key("inpaint only masked"), "True")  # as regions always are here
        yield DetailerPass(
            detector=detector,
            classes=tuple(part.strip() for part in classes.split(",") if part.strip()),
            prompt=fields.text(key("prompt")),
            negative_prompt=fields.text(key("negative prompt")),
            confidence=fields.number(key("confidence")),
            strength=fields.number(key("denoising strength")),
            steps=fields.whole(key("steps")) if separate["steps"] else None,
            guidance_scale=fields.number(key("CFG scale")) if separate["CFG scale"] else None,
            sampler=fields.text(key("sampler")) if separate["sampler"] else "",
            schedule=fields.text(key("scheduler")) if separate["sampler"] else "",
            model=fields.text(key("checkpoint")) if separate["checkpoint"] else "",
            dilate=fields.whole(key("dilate erode"), key("dilate/erode")),
            blur=fields.number(key("mask blur")),
            padding=fields.whole(key("inpaint padding"), key("inpaint only masked padding")),
        )


def _controls(fields: Fields, given: Mapping[str, str]) -> Iterator[UsedControl]:
    """Units of the ControlNet extension, in both ways that its versions write them."""
    for name in given:
        if not _CONTROL.fullmatch(name):
            continue
        parts = (part.partition(":") for part in re.split(r",\s*(?![^()]*\))", given[name]))
        unit = {key.strip().lower(): value.strip() for key, colon, value in parts if colon}
        model = unit.get("model", "")
        if model in ("", "None"):
            continue
        both = re.findall(r"[\d.]+", unit.get("starting/ending", ""))
        start, end = both if len(both) == 2 else (None, None)
        module = unit.get("module") or unit.get("preprocessor") or ""
        fields.drop(name)
        yield UsedControl(
            model=model,
            preprocess="" if module.lower() == "none" else module,
            strength=as_number(unit.get("weight")),
            start=as_number(unit.get("guidance start") or start),
            end=as_number(unit.get("guidance end") or end),
        )
