"""Civitai's own generator where it runs ComfyUI: what was asked for, beside the graph, as
`extraMetadata`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation, NamedModel, UsedLora
from ninefold.files.readers.infotext_tools import tagged_loras
from ninefold.files.readers.values import Fields, as_list, as_number, as_text, read_object

_AIR = re.compile(r"urn:air:[^:]*:([^:]*):civitai:\d+@(\d+)")


def read_civitai(carriers: Carriers) -> Generation | None:
    """What Civitai says beside a graph."""
    whole = read_object(carriers.texts.get("prompt")) or read_object(carriers.comment)
    values = read_object(whole.get("extraMetadata"))
    if not values:
        return None
    fields = Fields(values)
    airs = _airs(whole)
    resources = [read_object(item) for item in as_list(fields.raw("resources"))]
    prompt = fields.text("prompt")
    checkpoint = next((air for air, kind in airs.values() if kind == "checkpoint"), "")
    return Generation(
        tool="Civitai",
        prompt=prompt,
        negative_prompt=fields.text("negativePrompt"),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("cfgScale"),
        sampler=fields.text("sampler"),
        width=fields.whole("width"),
        height=fields.whole("height"),
        strength=fields.number("denoise"),
        clip_skip=fields.whole("clipSkip"),
        model=NamedModel(checkpoint),
        loras=(*tagged_loras(prompt).values(), *_loras(resources, airs)),
        facts=fields.facts("workflowId", "remixOfId", "baseModel", "draft"),
        other=fields.left(),
    )


def _airs(whole: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The resources and their kinds, by their numbers."""
    found = {}
    for text in map(as_text, as_list(read_object(whole.get("extra")).get("airs"))):
        if (match := _AIR.fullmatch(text)) is not None:
            found[match[2]] = text, match[1]
    return found


def _loras(
    resources: list[Mapping[str, Any]], airs: Mapping[str, tuple[str, str]]
) -> Iterator[UsedLora]:
    for item in resources:
        name, kind = airs.get(as_text(item.get("modelVersionId")), ("", ""))
        if kind in ("lora", "lycoris", "dora"):
            yield UsedLora(name, as_number(item.get("strength")))
