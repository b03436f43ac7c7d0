"""What routes answer, for the OpenAPI document; a test holds them against real answers."""

from __future__ import annotations

from typing import Any

from ninefold.server.sdapi.controlnet import MAX_UNITS
from ninefold.server.sdapi.controlnet_modules import control_types, module_details
from ninefold.server.sdapi.options import FIXED, KEPT
from ninefold.server.sdapi.sessions import IDLE


def _argument(label: str, value: Any, **limits: Any) -> dict[str, Any]:
    """One argument of a script, as its list shows it."""
    nothing = {"minimum": None, "maximum": None, "step": None, "choices": None}
    return {"label": label, "value": value, **nothing, **limits}


_IMAGE = "iVBORw0KGgo..."
_INFOTEXT = "a red house\nNegative prompt:\nSteps: 8, Sampler: Euler a, CFG scale: 4, Seed: 7"

IMAGES: dict[str, Any] = {
    "images": [_IMAGE],
    "parameters": {"prompt": "a red house", "steps": 8, "seed": 7},
    "info": '{"prompt": "a red house", "all_seeds": [7], "infotexts": ["..."], "warnings": []}',
}
EXTRAS: dict[str, Any] = {"html_info": "<p>Postprocess upscale by: 2, ...</p>", "image": _IMAGE}
EXTRAS_BATCH: dict[str, Any] = {"html_info": EXTRAS["html_info"], "images": [_IMAGE]}
PNG_INFO: dict[str, Any] = {
    "info": _INFOTEXT,
    "items": {"parameters": _INFOTEXT},
    "parameters": {"Prompt": "a red house", "Negative prompt": "", "Steps": "8", "Seed": "7"},
}
PROGRESS: dict[str, Any] = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "state": IDLE,
    "current_image": None,
    "textinfo": None,
}
OPTIONS: dict[str, Any] = {
    "sd_model_checkpoint": "poster [0123456789]",
    "sd_checkpoint_hash": "0123456789",
    **FIXED,
    **KEPT,
}
MODEL: dict[str, Any] = {
    "title": "poster [0123456789]",
    "model_name": "poster",
    "hash": "0123456789",
    "sha256": "0123456789" + "abcdef" * 9,
    "filename": "poster",
    "config": None,
}
SAMPLER: dict[str, Any] = {"name": "Euler a", "aliases": ["k_euler_a"], "options": {}}
SCHEDULE: dict[str, Any] = {
    "name": "karras",
    "label": "Karras",
    "aliases": None,
    "default_rho": -1.0,
    "need_inner_model": False,
}
UPSCALER: dict[str, Any] = {
    "name": "2x",
    "model_name": None,
    "model_path": None,
    "model_url": None,
    "scale": 2,
}
LORA: dict[str, Any] = {"name": "sketch", "alias": "sketch", "path": "sketch", "metadata": {}}
SCRIPT_INFO: list[dict[str, Any]] = [
    {"name": "adetailer", "is_alwayson": True, "is_img2img": False, "args": []},
    {"name": "adetailer", "is_alwayson": True, "is_img2img": True, "args": []},
    {"name": "controlnet", "is_alwayson": True, "is_img2img": False, "args": []},
    {"name": "controlnet", "is_alwayson": True, "is_img2img": True, "args": []},
    {
        "name": "sd upscale",
        "is_alwayson": False,
        "is_img2img": True,
        "args": [
            _argument("", ""),
            _argument("Tile overlap", 64, minimum=0, maximum=256, step=16),
            _argument("Upscaler", "None"),
            _argument("Scale Factor", 2.0, minimum=1.0, maximum=8.0, step=0.05),
        ],
    },
]
SCRIPTS: dict[str, list[str]] = {
    "txt2img": ["adetailer", "controlnet"],
    "img2img": ["adetailer", "controlnet", "sd upscale"],
}
CAPTION: dict[str, str] = {"caption": "a red house"}
AD_MODELS: dict[str, list[str]] = {"ad_model": ["detector"]}
CONTROL_MODELS: dict[str, list[str]] = {"model_list": ["edges"]}
CONTROL_MODULES: dict[str, Any] = module_details()
CONTROL_TYPES: dict[str, dict[str, Any]] = control_types(CONTROL_MODELS["model_list"])
CONTROL_SETTINGS: dict[str, int] = {"control_net_unit_count": MAX_UNITS}
#: What is listed of an embedding beside its name: files are not read for a list.
EMBEDDING: dict[str, Any] = {
    "step": None,
    "sd_checkpoint": None,
    "sd_checkpoint_name": None,
    "shape": None,
    "vectors": None,
}
EMBEDDINGS: dict[str, dict[str, Any]] = {"loaded": {"easynegative": EMBEDDING}, "skipped": {}}
MEMORY: dict[str, dict[str, str]] = {
    "ram": {"error": "not reported"},
    "cuda": {"error": "not reported"},
}
