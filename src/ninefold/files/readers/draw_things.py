"""Draw Things: a JSON object in the user comment of its XMP."""

from __future__ import annotations

from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation, NamedModel, UsedControl, UsedLora
from ninefold.files.readers.values import Fields, as_list, as_number, as_text, read_object


def read_draw_things(carriers: Carriers) -> Generation | None:
    """What Draw Things says."""
    values = read_object(carriers.xmp.get("UserComment") or carriers.comment)
    if not ({"c", "uc"} <= values.keys() or {"c", "steps", "sampler"} <= values.keys()):
        return None
    fields = Fields(values)
    width, height = fields.size("size")
    loras = map(read_object, as_list(fields.raw("lora", "loras")))
    controls = map(read_object, as_list(fields.raw("control", "controls")))
    return Generation(
        tool="Draw Things",
        version=carriers.xmp.get("CreatorTool", "").removeprefix("Draw Things").strip(),
        prompt=fields.text("c"),
        negative_prompt=fields.text("uc"),
        seed=fields.whole("seed"),
        steps=fields.whole("steps"),
        guidance_scale=fields.number("scale"),
        sampler=fields.text("sampler"),
        width=width,
        height=height,
        strength=None if (strength := fields.number("strength")) == 1 else strength,
        model=NamedModel(fields.text("model")),
        loras=tuple(
            UsedLora(name, as_number(item.get("weight")))
            for item in loras
            if (name := as_text(item.get("model") or item.get("file")))
        ),
        controls=tuple(
            UsedControl(model=name, strength=as_number(item.get("weight")))
            for item in controls
            if (name := as_text(item.get("model") or item.get("file")))
        ),
        facts=fields.facts("seed_mode", "profile", "v2"),
        other=fields.left(),
    )
