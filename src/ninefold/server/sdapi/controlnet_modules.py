"""Modules of the ControlNet extension, which make pictures, and the lists that clients read.

Source: `scripts/global_state.py` and `scripts/api.py` of sd-webui-controlnet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ninefold.core.values import Json

#: What is made of a unit's picture.
Made = Literal["none", "canny", "soft_edge", "inverted", "seen_whole"]
#: Modules that are listed. `inverted` is the negative; `seen_whole` is as it is, of any shape.
MODULES: dict[str, Made] = {
    "none": "none",
    "canny": "canny",
    "softedge_hed": "soft_edge",
    "softedge_pidinet": "soft_edge",
    "tile_resample": "none",
    "ip-adapter-auto": "seen_whole",
    "invert (from white bg & black line)": "inverted",
}
#: Their older names, those beside them that come to the same, and our own. All others that begin
#: so (`tile_colorfix`, `pidinet_scribble`, `ip-adapter_face_id`) make something else.
_MORE_MODULES: dict[str, Made] = {
    "": "none",
    "tile": "none",
    "soft_edge": "soft_edge",
    "softedge": "soft_edge",
    "softedge_hedsafe": "soft_edge",
    "softedge_pidisafe": "soft_edge",
    "softedge_teed": "soft_edge",
    "softedge_anyline": "soft_edge",
    "hed": "soft_edge",
    "hed_safe": "soft_edge",
    "pidinet": "soft_edge",
    "pidinet_safe": "soft_edge",
    "ip-adapter": "seen_whole",
    "ip-adapter_clip_sd15": "seen_whole",
    "ip-adapter_clip_sdxl": "seen_whole",
    "ip-adapter_clip_sdxl_plus_vith": "seen_whole",
    "ip-adapter_clip_h": "seen_whole",
    "ip-adapter_clip_g": "seen_whole",
    "clip-vit-h (ipadapter)": "seen_whole",
    "clip-vit-bigg (ipadapter)": "seen_whole",
    "invert": "inverted",
}
#: Canny's thresholds where a unit gives none.
THRESHOLDS = (100, 200)


def made_by(module: str) -> Made | None:
    """What a module makes of the picture; None where that cannot be done."""
    name = module.strip().lower()
    return MODULES.get(name) or _MORE_MODULES.get(name)


def module_details() -> Json:
    """What `/controlnet/module_list` says."""
    thresholds = [
        {"name": "Low Threshold", "min": 1, "max": 255, "value": THRESHOLDS[0]},
        {"name": "High Threshold", "min": 1, "max": 255, "value": THRESHOLDS[1]},
    ]
    details = {
        name: {"model_free": False, "sliders": thresholds if how == "canny" else []}
        for name, how in MODULES.items()
    }
    return {"module_list": list(MODULES), "module_detail": details}


def control_types(models: Sequence[str]) -> Json:
    """What `/controlnet/control_types` says: models and modules by kinds of pictures."""

    def kind(name: str, fits: Callable[[str], bool], modules: Sequence[str]) -> Json:
        found = [model for model in models if fits(model.lower())]
        return {
            name: {
                "module_list": list(modules),
                "model_list": ["None", *found],
                "default_option": modules[-1] if name != "All" else "none",
                "default_model": found[0] if found and name != "All" else "None",
            }
        }

    return {
        "control_types": {
            **kind("All", lambda _: True, tuple(MODULES)),
            **kind("Canny", lambda model: "canny" in model, ("none", "canny")),
            **kind(
                "SoftEdge",
                lambda model: "softedge" in model.replace("_", "") or "hed" in model,
                ("none", "softedge_pidinet"),
            ),
            **kind("Tile", lambda model: "tile" in model, ("none", "tile_resample")),
            **kind("IP-Adapter", lambda model: "ip" in model, ("none", "ip-adapter-auto")),
        }
    }
