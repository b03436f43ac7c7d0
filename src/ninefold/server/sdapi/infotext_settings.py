"""The `infotext` of a request: settings of an image, for all that the request does not say itself.

Source: `apply_infotext` in `modules/api/api.py` and the paste fields of stable-diffusion-webui.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ninefold.core.problems import problems_of
from ninefold.files.infotext import Infotext, parse_infotext
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.schemas import Processing, Txt2ImgRequest

R = TypeVar("R", bound=Processing)

#: A request's field by the setting that fills it.
_FIELDS = {
    "Steps": "steps",
    "Sampler": "sampler_name",
    "Schedule type": "scheduler",
    "CFG scale": "cfg_scale",
    "Image CFG scale": "image_cfg_scale",
    "Seed": "seed",
    "Denoising strength": "denoising_strength",
    "Variation seed": "subseed",
    "Variation seed strength": "subseed_strength",
    "Eta": "eta",
    "Mask blur": "mask_blur",
    "Masked area padding": "inpaint_full_res_padding",
    "Hires upscale": "hr_scale",
    "Hires upscaler": "hr_upscaler",
    "Hires steps": "hr_second_pass_steps",
    "Hires sampler": "hr_sampler_name",
    "Hires schedule type": "hr_scheduler",
    "Hires prompt": "hr_prompt",
    "Hires negative prompt": "hr_negative_prompt",
    "Refiner": "refiner_checkpoint",
    "Refiner switch at": "refiner_switch_at",
}
#: Settings that say what was, and nothing of how to do it again.
_FACTS = frozenset(
    {"Model hash", "Lora hashes", "TI hashes", "Hashes", "Version", "User", "VAE hash", "RNG"}
)
#: Values of other settings that ask for nothing.
_NOTHING = {"Clip skip": ("1",), "ENSD": ("0",), "VAE": ("Automatic", "None")}
_SETTING = "override_settings"


def with_infotext(request: R, catalog: ModelCatalog, issues: RequestIssues) -> R:
    """The request with what its infotext says beside it; what cannot be read is a problem."""
    if not request.infotext:
        return request
    info = parse_infotext(request.infotext)
    given = {name: getattr(request, name) for name in request.model_fields_set}
    read, left_out = _read(info, request, catalog)
    for name in left_out:
        issues.warn(f"infotext.{name[:80]}")
    settings = {**read.pop(_SETTING, {}), **(request.override_settings or {})}
    try:
        return type(request).model_validate({**read, **given, _SETTING: settings})
    except ValidationError as error:
        issues.problems += problems_of(error, "infotext")
        return request


def _read(
    info: Infotext, request: Processing, catalog: ModelCatalog
) -> tuple[dict[str, Any], list[str]]:
    """What the text says of the request's fields, and the settings that nothing came of."""
    fields = type(request).model_fields
    read: dict[str, Any] = {"prompt": info.prompt, "negative_prompt": info.negative_prompt}
    left_out = []
    for name, text in info.fields.items():
        if (field := _FIELDS.get(name)) is not None and field in fields:
            read[field] = text
        elif (reader := _READERS.get(name)) is not None:
            read |= reader(text)
        elif name == "Model":
            if (model := catalog.knows_model(text)) is not None:
                read[_SETTING] = {"sd_model_checkpoint": model}
            else:
                left_out.append(f"{name}: {text}")
        elif name not in _FACTS and text not in _NOTHING.get(name, ()):
            left_out.append(name)
    if isinstance(request, Txt2ImgRequest) and {"hr_scale", "hr_resize_x"} & read.keys():
        read["enable_hr"] = True
    return {name: value for name, value in read.items() if name in (*fields, _SETTING)}, left_out


def _sides(width: str, height: str) -> Callable[[str], Mapping[str, Any]]:
    def read(text: str) -> Mapping[str, Any]:
        across, cross, down = text.partition("x")
        return {width: across, height: down} if cross else {}

    return read


_READERS: dict[str, Callable[[str], Mapping[str, Any]]] = {
    "Size": _sides("width", "height"),
    "Hires resize": _sides("hr_resize_x", "hr_resize_y"),
    "Face restoration": lambda text: {"restore_faces": text not in ("", "None")},
    "Tiling": lambda text: {"tiling": text.lower() == "true" or text == "Tiling"},
}
