"""LoRA tags as A1111 and its descendants write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

from ninefold.core.errors import InputError
from ninefold.core.values import Lora
from ninefold.prompts.tree import LoraTag, Nodes, Text, walk

#: A tag of another tool's, and its content; ours may hold more (see `prompts.patterns`).
LORA_TAG = re.compile(r"<\s*(?:lora|lyco)\s*:([^<>]*)>", re.IGNORECASE)
#: Largest weight, either way; 1 is as trained, and beyond this is a typing slip.
MAX_LORA_WEIGHT = 10.0

#: A1111's names of the weights, in the order in which they may be written without a name.
_NAMED = ("te", "unet", "dyn")


def parse_lora(content: str, where: str = "prompt") -> Lora:
    """The LoRA that a tag's content names; raises `InputError`.

    `name`, `name:weight`, `name:te:unet`, and the same with names: `name:te=0.5:unet=0.8`;
    `lbw=` beside these for strengths by block. Blanks around each do not count, and a backslash in
    a name is a slash.
    """
    shown = f"<lora:{content}>"
    name, *rest = (part.strip() for part in content.split(":"))
    if not name:
        raise InputError(f"{where}: expected a name in {shown}. Write <lora:name:0.8>.")
    weights: dict[str, float] = {}
    blocks = ""
    for index, part in enumerate(rest):
        key, equals, text = part.partition("=")
        key, text = (key.strip().lower(), text.strip()) if equals else ("", part)
        if not equals:
            key = _NAMED[index] if index < len(_NAMED) else ""
        if key == "lbw" and text:
            blocks = text.replace(" ", "")
            continue
        if key not in _NAMED:
            raise InputError(
                f"{where}: expected at most a weight for the text encoder, one for the model and "
                f"lbw= in {shown}, got {part!r}. Write <lora:name:0.8>, "
                "<lora:name:te=0.5:unet=0.8> or <lora:name:0.8:lbw=OUTALL>."
            )
        if text or equals:
            weights[key] = _weight(text, name, where)
    if weights.get("dyn"):
        raise InputError(f"{where}: {shown}: a dynamic rank (dyn) is not there. Leave it out.")
    encoder = weights.get("te", 1.0)
    model = weights.get("unet", encoder)
    path = name.replace("\\", "/").removesuffix(".safetensors")
    return Lora(path, model, None if encoder == model else encoder, blocks)


def tag_content(lora: Lora) -> str:
    """What a tag holds that names this LoRA."""
    encoder = "" if lora.text_encoder_weight is None else f":{lora.text_encoder_weight!r}"
    blocks = f":lbw={lora.blocks}" if lora.blocks else ""
    return f"{lora.name}{encoder}:{lora.weight!r}{blocks}"


def added(loras: Iterable[Lora]) -> tuple[Lora, ...]:
    """Each LoRA once, in order; of one that is named several times the weights are added up.

    One with other strengths by block acts beside it.
    """
    found: dict[tuple[str, str], Lora] = {}
    for lora in loras:
        key = (lora.name, lora.blocks)
        found[key] = _sum(found[key], lora) if key in found else lora
    return tuple(found.values())


def _sum(first: Lora, second: Lora) -> Lora:
    encoders = [
        lora.weight if lora.text_encoder_weight is None else lora.text_encoder_weight
        for lora in (first, second)
    ]
    weight, encoder = round(first.weight + second.weight, 6), round(sum(encoders), 6)
    return replace(first, weight=weight, text_encoder_weight=None if encoder == weight else encoder)


def _weight(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -MAX_LORA_WEIGHT <= value <= MAX_LORA_WEIGHT:
        raise InputError(
            f"{where}: expected a weight from -10 to 10 in <lora:{name}:...>, got {text!r}. "
            "Write <lora:name:0.8>."
        )
    return value


def lora_names(nodes: Nodes) -> tuple[str, ...]:
    """The LoRAs that a prompt's tags name in plain letters, in whatever variant that can be chosen.

    Those that a variant, wildcard or variable inside a tag decides on are known once resolved.
    """
    found: dict[str, None] = {}
    for node in walk(nodes):
        if isinstance(node, LoraTag) and node.content and isinstance(node.content[0], Text):
            name, colon, _ = node.content[0].text.partition(":")
            if colon or len(node.content) == 1:
                found[parse_lora(name).name] = None
    return tuple(found)
