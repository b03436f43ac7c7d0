"""NovelAI: texts `Description`, `Software`, `Source` and `Comment`, which is JSON; the same in the
lowest bits of alpha."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation, NamedModel
from ninefold.files.readers.values import Fields, as_hash, as_list, as_text, read_object

_FACTS = (
    *("request_type", "signed_hash", "n_samples", "version", "add_original_image", "legacy"),
    *("legacy_v3_extend", "legacy_uc", "params_version", "ucPreset", "qualityToggle"),
)
#: Values that ask for nothing.
_NOTHING = {
    **{"cfg_rescale": "0.0", "uncond_scale": "1.0", "sm": "false", "sm_dyn": "false"},
    **{
        "dynamic_thresholding": "false",
        "uncond_per_vibe": "true",
        "wonky_vibe_correlation": "true",
    },
    **{"controlnet_strength": "1.0", "hide_debug_overlay": "false", "stream": "msgpack"},
    **{"prefer_brownian": "true", "normalize_reference_strength_multiple": "true"},
    **{"skip_cfg_below_sigma": "0.0", "lora_unet_weights": "null", "lora_clip_weights": "null"},
}


def read_novelai(carriers: Carriers) -> Generation | None:
    """What NovelAI says; None where the file names another maker."""
    texts = dict(carriers.texts)
    if carriers.comment:  # WebP: all of it as one object
        own = read_object(carriers.comment)
        texts |= {key: item for key, item in own.items() if isinstance(item, str)}
    software = texts.get("Software", "")
    values = read_object(texts.get("Comment"))
    if not values or not (software == "NovelAI" or ("uc" in values and "steps" in values)):
        return None
    fields = Fields(values)
    for name, value in _NOTHING.items():
        fields.drop_where(name, value, value.removesuffix(".0"))
    prompt, people = _caption(fields.raw("v4_prompt"))
    negative, negative_people = _caption(fields.raw("v4_negative_prompt"))
    source = texts.get("Source", "")
    name, _, digits = source.rpartition(" ")
    digest = as_hash(digits)
    characters = {"character prompts": " | ".join(people)} if people else {}
    if any(negative_people):
        characters["character negative prompts"] = " | ".join(negative_people)
    return Generation(
        tool="NovelAI",
        version=as_text(values.get("version")),
        dialect="novelai",
        prompt=", ".join(filter(None, (fields.text("prompt") or prompt or "", *people)))
        or texts.get("Description", ""),
        negative_prompt=", ".join(filter(None, (fields.text("uc") or negative, *negative_people))),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("scale"),
        sampler=fields.text("sampler"),
        schedule="" if (schedule := fields.text("noise_schedule")) == "native" else schedule,
        width=fields.whole("width"),
        height=fields.whole("height"),
        strength=fields.number("strength"),
        model=NamedModel(name if digest else source, digest),
        facts=fields.facts(*_FACTS),
        other={**fields.left(), **characters},
    )


def _caption(value: Any) -> tuple[str, list[str]]:
    """The prompt of version 4, and those of its characters."""
    caption: Mapping[str, Any] = read_object(read_object(value).get("caption"))
    people = (
        read_object(item).get("char_caption") for item in as_list(caption.get("char_captions"))
    )
    return as_text(caption.get("base_caption")), [as_text(text) for text in people]
