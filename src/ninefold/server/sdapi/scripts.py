"""A1111's scripts: `SD upscale`, which is our upscaler and restorer, and those that are always on.

Source: `scripts/sd_upscale.py` of stable-diffusion-webui.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.server.sdapi.adetailer import Detailing, detailing
from ninefold.server.sdapi.controlnet import SCRIPT as CONTROLNET
from ninefold.server.sdapi.hires import enlarger
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.schemas import Img2ImgRequest, Processing

SD_UPSCALE = "sd upscale"
#: Names for "no script".
_NONE = ("", "none")
#: The most of a tile's side that may overlap.
_MOST_OVERLAP = 0.5
_LEAST_TILE, _MOST_TILE = 32, 4096


class _UpscaleArgs(BaseModel):
    """The script's arguments, in its order; the first is a line of text that its form shows."""

    model_config = ConfigDict(allow_inf_nan=False)

    note: Any = None
    overlap: int = Field(64, ge=0, le=256)
    #: By name, or by its place in `upscalers`.
    upscaler: Annotated[int, Field(ge=0, strict=True)] | str = 0
    scale: float = Field(2.0, ge=1, le=8)


def selected(request: Processing, issues: RequestIssues) -> str | None:
    """The script that a request names, if it is one of ours."""
    name = (request.script_name or "").strip().lower()
    if name in _NONE:
        if request.script_args:
            issues.warn("script_args", "were left out, for no script is named.")
        return None
    if name == SD_UPSCALE and isinstance(request, Img2ImgRequest):
        return SD_UPSCALE
    known = f"At hand: {SD_UPSCALE}, for img2img."
    issues.refuse("script_name", f"no script {request.script_name!r}. {known} Leave it out.")
    return None


def upscale_stages(
    request: Img2ImgRequest,
    strength: float,
    sampling: Json,
    info: ModelInfo,
    catalog: ModelCatalog,
    issues: RequestIssues,
) -> list[Json]:
    """The upscaler, and the restorer in tiles of the request's size."""
    given = dict(zip(_UpscaleArgs.model_fields, request.script_args or (), strict=False))
    try:
        args = _UpscaleArgs.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        issues.problems += problems_of(error, "script_args")
        return []
    for extra in (request.script_args or ())[len(_UpscaleArgs.model_fields) :]:
        issues.warn("script_args", f"{extra!r:.80} is one too many and was left out.")
    stages: list[Json] = []
    name = _upscaler_name(args.upscaler, catalog, issues)
    if name not in (None, "None") and args.scale > 1:
        upscaler = enlarger(str(name), "script_args.upscaler", catalog, issues)
        params: Json = {"upscale_factor": args.scale, "upscaler": upscaler}
        stages.append({"stage": "upscaler", "params": params})
    if strength == 0:
        return stages
    sides = request.width or info.native_size[0], request.height or info.native_size[1]
    tile = min(max(*sides, _LEAST_TILE), info.max_size, _MOST_TILE)
    if (tile, tile) != sides:
        issues.warn("width", f"tiles of {tile}x{tile} were used in place of {sides[0]}x{sides[1]}.")
    overlap = args.overlap / tile
    if overlap > _MOST_OVERLAP:
        overlap = _MOST_OVERLAP
        issues.warn("script_args.overlap", f"{args.overlap} became {round(tile * overlap)}.")
    params = {**sampling, "strength": strength, "tile": tile, "overlap": round(overlap, 6)}
    return [*stages, {"stage": "restorer", "params": {**params, "prompt": "{prompt}"}}]


def always_on(
    request: Processing, sampling: Json, catalog: ModelCatalog, issues: RequestIssues
) -> Detailing:
    """What ADetailer is to do; any other script that is on, but ControlNet, cannot be run."""
    found = Detailing()
    for name, script in (request.alwayson_scripts or {}).items():
        args = script.get("args", ()) if isinstance(script, Mapping) else script
        if name.strip().lower() == "adetailer":
            found = detailing(args, sampling, catalog, issues)
        elif name.strip().lower() != CONTROLNET and _is_on(args):
            issues.refuse(f"alwayson_scripts.{name[:80]}")
    return found


def _upscaler_name(given: int | str, catalog: ModelCatalog, issues: RequestIssues) -> str | None:
    if isinstance(given, str):
        return "None" if given.lower() == "none" else given
    names = catalog.upscaler_names
    if given >= len(names):
        listed = ", ".join(names)
        issues.refuse("script_args.upscaler", f"expected 0 to {len(names) - 1} for {listed}.")
        return None
    return names[given]


def _is_on(args: Any) -> bool:
    """Whether a script's arguments ask for anything."""
    if isinstance(args, Mapping):
        return any(_is_on(item) for item in args.values())
    if not isinstance(args, Sequence) or isinstance(args, str):
        return bool(args)
    if args and isinstance(args[0], bool):
        return args[0]
    return any(
        not isinstance(item, Mapping) or item.get("enabled", item.get("enable", True))
        for item in args
    )
