"""From A1111's parameters to a pipeline and its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.imaging.fill import fill_inside
from ninefold.imaging.masks import blur
from ninefold.imaging.resize import resize_mask
from ninefold.imaging.types import Mask, Pixels
from ninefold.server.held import Order
from ninefold.server.sdapi import pictures
from ninefold.server.sdapi.adetailer import detailer_stages
from ninefold.server.sdapi.documents import Img2ImgRequest, Processing, Txt2ImgRequest
from ninefold.server.sdapi.passes import hires_stages, refiner_stages
from ninefold.server.sdapi.samplers import scheduler_of
from ninefold.server.sdapi.shelf import Notes, Shelf

#: A1111's own values where a request gives none.
IMG2IMG_STRENGTH = 0.75
MASK_BLUR = 4.0
#: What the detector and its models do not know of, by parameter: values that ask for nothing.
_NOTHING: dict[str, tuple[Any, ...]] = {
    "restore_faces": (None, False),
    "tiling": (None, False),
    "script_name": (None, "", "None"),
}
#: The same, for what only shifts the result: told as a warning. Clients send some of them always.
_MINOR: dict[str, tuple[Any, ...]] = {
    "eta": (None, 0, 1),
    "s_churn": (None, 0),
    "s_tmax": (None, 0),
    "s_tmin": (None, 0),
    "s_noise": (None, 1),
    "initial_noise_multiplier": (None, 1),
}
#: Settings that may be overridden by what they already are.
_SETTINGS: dict[str, tuple[Any, ...]] = {
    "CLIP_stop_at_last_layers": (None, 0, 1),
    "sd_vae": (None, "", "None", "Automatic"),
    "samples_format": ("png",),
    "return_grid": (False,),
    "save_images_add_number": (True, False),
}


def txt2img(request: Txt2ImgRequest, shelf: Shelf) -> Order:
    """Images from text; raises `ConfigError` with every problem, or `ModelError`."""
    notes = Notes()
    model = _model(request, shelf, notes)
    sampling = _sampling(request, notes)
    info = shelf.info(model)
    width, height = request.width or info.native_size[0], request.height or info.native_size[1]
    if request.enable_hr and (request.firstphase_width or request.firstphase_height):
        width = request.firstphase_width or info.native_size[0]
        height = request.firstphase_height or info.native_size[1]
    first = {**sampling, "width": width, "height": height}
    stages: list[Json] = [{"stage": "prompt"}, {"stage": "text_to_image", "params": first}]
    stages += refiner_stages(request, sampling, shelf, notes)
    if request.enable_hr:
        stages += hires_stages(request, (width, height), sampling, info, shelf, notes)
    stages += _scripts(request, sampling, shelf, notes)
    return _order(request, model, stages, notes)


def img2img(request: Img2ImgRequest, shelf: Shelf, limits: ImageLimits) -> Order:
    """Images from an image, whole or in a mask; raises as `txt2img`, and `InputError`."""
    notes = Notes()
    model = _model(request, shelf, notes)
    sampling = _sampling(request, notes)
    if len(request.init_images) != 1:
        notes.refuse("init_images", f"expected one image, got {len(request.init_images)}.")
    if request.denoising_strength == 0:
        notes.refuse("denoising_strength", "expected above 0, which would change nothing.")
    if request.resize_mode == 3:
        notes.warn("resize_mode", "3 was taken for 0.")
    refiner = refiner_stages(request, sampling, shelf, notes)
    detailers = _scripts(request, sampling, shelf, notes)
    if request.mask is not None and detailers:
        notes.refuse("ADetailer", "cannot be used with a mask.")
    notes.check()
    data = pictures.from_base64(request.init_images[0], "init_images.0")
    pixels = pictures.pixels_of(data, "init_images.0", limits)
    strength = request.denoising_strength or IMG2IMG_STRENGTH
    painted: Json = {**sampling, "strength": strength}
    if request.mask is None or not request.inpaint_full_res:
        painted |= {"width": request.width, "height": request.height}
    stages: list[Json] = [{"stage": "prompt"}]
    if request.mask is None:
        cut = _fitted(pixels, request)
        stages += [{"stage": "text_to_image", "params": painted}, *refiner, *detailers]
        image = data if cut is pixels else pictures.png(cut)
        return _order(request, model, stages, notes, image=image)
    inverted = bool(request.inpainting_mask_invert)
    mask = pictures.mask_of(
        pictures.from_base64(request.mask, "mask"), "mask", limits, inverted=inverted
    )
    mask = resize_mask(mask, pixels.shape[1], pixels.shape[0], "nearest")
    if request.inpainting_fill > 1:
        notes.warn("inpainting_fill", f"{request.inpainting_fill} was taken for 0.")
    soft = MASK_BLUR if request.mask_blur is None else request.mask_blur
    if request.inpaint_full_res:
        if refiner:
            notes.warn("refiner_checkpoint", "is not honoured with inpaint_full_res.")
        _tell_size(request, notes, pixels)
        place = {"padding_pixels": request.inpaint_full_res_padding, "dilate": 0, "blur": soft}
        stages.append({"stage": "detailer", "params": {**painted, **place}})
    else:
        pixels, mask = _fitted(pixels, request), _fitted_mask(mask, request)
        stages += [{"stage": "text_to_image", "params": painted}, *refiner]
    if request.inpainting_fill != 1:
        pixels = fill_inside(pixels, mask)
    if not request.inpaint_full_res:
        mask = blur(mask, soft)
    files = {"image": pictures.png(pixels), "mask": pictures.png(pictures.as_pixels(mask))}
    return _order(request, model, stages, notes, **files)


def _order(
    request: Processing, model: str | None, stages: Sequence[Json], notes: Notes, **files: bytes
) -> Order:
    if not request.prompt.strip():
        notes.refuse("prompt", "expected text, got none.")
    _tell(request, notes)
    notes.check()
    return Order(
        [*stages, {"stage": "publisher"}],
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or None,
        seed=request.seed if request.seed is not None and request.seed >= 0 else None,
        model=model,
        count=request.count,
        warnings=tuple(notes.warnings),
        **files,
    )


def _model(request: Processing, shelf: Shelf, notes: Notes) -> str | None:
    """The request's own model, or the one that its client has set."""
    name = (request.override_settings or {}).get("sd_model_checkpoint")
    if name is None or name == "":
        return shelf.chosen
    return shelf.model(str(name), "override_settings.sd_model_checkpoint", notes)


def _sampling(request: Processing, notes: Notes) -> Json:
    """How every diffusion pass of the request is run; what it does not say is the model's own."""
    sampler = request.sampler_name or request.sampler_index
    found = {
        "steps": request.steps,
        "guidance_scale": request.cfg_scale,
        "scheduler": scheduler_of(sampler, request.scheduler, notes),
    }
    return {name: value for name, value in found.items() if value is not None}


def _scripts(request: Processing, sampling: Json, shelf: Shelf, notes: Notes) -> list[Json]:
    """The detailers of ADetailer; any other script that is on cannot be run."""
    stages: list[Json] = []
    for name, script in (request.alwayson_scripts or {}).items():
        args = script.get("args", ()) if isinstance(script, Mapping) else script
        if name.lower() == "adetailer":
            stages += detailer_stages(args, sampling, shelf, notes)
        elif _is_on(args):
            notes.refuse(f"alwayson_scripts.{name[:80]}")
    return stages


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


def _tell(request: Processing, notes: Notes) -> None:
    """What the request asks for that is not done: an error where leaving it out would be a lie."""
    for name, nothing in _NOTHING.items():
        if getattr(request, name) not in nothing:
            notes.refuse(name)
    if request.styles:
        notes.unknown("styles", ", ".join(request.styles), ())
    if (request.subseed_strength or 0) > 0:
        notes.refuse("subseed_strength")
    if (request.seed_resize_from_w or 0) > 0 or (request.seed_resize_from_h or 0) > 0:
        notes.refuse("seed_resize_from_w")
    for name, nothing in _MINOR.items():
        if getattr(request, name, None) not in nothing:
            notes.warn(name)
    for name, value in (request.override_settings or {}).items():
        if name != "sd_model_checkpoint" and value not in _SETTINGS.get(name, ()):
            notes.warn(f"override_settings.{name[:80]}")
    for name in request.unknown:
        notes.warn(name[:80], "is unknown and was left out.")


def _tell_size(request: Img2ImgRequest, notes: Notes, pixels: Pixels) -> None:
    height, width = pixels.shape[:2]
    if (request.width or width, request.height or height) != (width, height):
        notes.warn(
            "width",
            "the place is painted at the model's own size, and the image keeps its "
            f"{width}x{height}.",
        )


def _fitted(pixels: Pixels, request: Img2ImgRequest) -> Pixels:
    height, width = pixels.shape[:2]
    size = request.width or width, request.height or height
    return pictures.fitted(pixels, *size, request.resize_mode)


def _fitted_mask(mask: Mask, request: Img2ImgRequest) -> Mask:
    fitted = _fitted(pictures.as_pixels(mask), request)
    found: Mask = (fitted[..., 0] > 127).astype(mask.dtype)
    return found
