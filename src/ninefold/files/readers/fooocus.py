"""Fooocus's own scheme: a JSON object; its other one is infotext. RuinedFooocus writes another.

Source: `modules/meta_parser.py` of lllyasviel/Fooocus.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import Any

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation, NamedModel, RefinerPass, UsedLora
from ninefold.files.readers.values import Fields, as_hash, as_list, as_number, as_text, read_object

_FACTS = ("version", "created_by", "metadata_scheme", "performance", "styles", "prompt_expansion")
_PAIR = re.compile(r"\D{0,3}(\d{1,6})\D{1,4}(\d{1,6})\D{0,3}")


def read_fooocus(carriers: Carriers) -> Generation | None:
    """What Fooocus says in its own scheme."""
    values = read_object(carriers.parameters)
    if values.get("software") == "RuinedFooocus":
        return _ruined(Fields(values))
    if "base_model" not in values or "sui_image_params" in values:
        return None
    fields = Fields(values)
    sampler, schedule = fields.text("sampler"), fields.text("scheduler")
    width, height = _pair(fields.text("resolution"))
    # What was painted, with its styles and what the expansion added; the rest is how it came about.
    full, full_negative = fields.raw("full_prompt"), fields.raw("full_negative_prompt")
    own, own_negative = fields.text("prompt"), fields.text("negative_prompt")
    refiner = fields.text("refiner_model")
    switch, refiner_hash = fields.number("refiner_switch"), fields.text("refiner_model_hash")
    vae = fields.text("vae")
    return Generation(
        tool="Fooocus",
        version=as_text(values.get("version")).removeprefix("Fooocus").strip(),
        prompt=_joined(full) or own,
        negative_prompt=_joined(full_negative) or own_negative,
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("guidance_scale"),
        sampler=sampler,
        schedule=schedule,
        width=width,
        height=height,
        model=NamedModel(fields.text("base_model"), as_hash(fields.text("base_model_hash"))),
        vae="" if vae.startswith(("Default", "None")) else vae,
        clip_skip=fields.whole("clip_skip"),
        loras=tuple(_loras(fields)),
        refiner=None
        if refiner in ("", "None")
        else RefinerPass(NamedModel(refiner, as_hash(refiner_hash)), switch),
        facts=fields.facts(*_FACTS) | ({"prompt as typed": own} if full and own else {}),
        other=fields.left(),
    )


def _ruined(fields: Fields) -> Generation:
    loras = []
    for item in as_list(fields.raw("loras")):
        weight, _, name = item.partition(" - ") if isinstance(item, str) else ("", "", "")
        if name:
            loras.append(UsedLora(name, as_number(weight)))
    return Generation(
        tool="RuinedFooocus",
        prompt=fields.text("Prompt"),
        negative_prompt=fields.text("Negative"),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("cfg"),
        sampler=fields.text("sampler_name"),
        schedule=fields.text("scheduler"),
        width=fields.whole("width"),
        height=fields.whole("height"),
        model=NamedModel(fields.text("base_model_name"), as_hash(fields.text("base_model_hash"))),
        clip_skip=fields.whole("clip_skip"),
        loras=tuple(loras),
        facts=fields.facts("software", "start_step", "denoise"),
        other=fields.left(),
    )


def _loras(fields: Fields) -> list[UsedLora]:
    """`loras` with their hashes, or `lora_combined_1` as `name : weight`."""
    found: dict[str, UsedLora] = {}
    for item in as_list(fields.raw("loras")):
        if isinstance(item, list) and len(item) >= 2 and (name := as_text(item[0])):
            digest = as_hash(item[2]) if len(item) > 2 else ""
            found[name] = UsedLora(name, as_number(item[1]), None, digest)
    for number in range(1, 21):
        parts = fields.text(f"lora_combined_{number}").split(" : ")
        *before, name, weight = ["", *parts] if len(parts) > 1 else ["", "", ""]
        if name and name != "None" and "False" not in before:
            found.setdefault(name, UsedLora(name, as_number(weight)))
    return list(found.values())


def _pair(text: str) -> tuple[int | None, int | None]:
    """Two numbers as Python writes a tuple of them."""
    match = _PAIR.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else (None, None)


def _joined(value: Any) -> str:
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            value = ast.literal_eval(value) if len(value) < 100_000 else value
    if isinstance(value, list):
        return ", ".join(text for item in value if (text := as_text(item)))
    return as_text(value)
