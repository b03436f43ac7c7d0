"""From A1111's parameters to a pipeline and its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ninefold.core.errors import ConfigError
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.files.opening import ImageLimits
from ninefold.imaging.types import Mask
from ninefold.server.blocking_requests import PUBLISHER, ImageOrder
from ninefold.server.sdapi import images
from ninefold.server.sdapi.controlnet import control_units
from ninefold.server.sdapi.hires import hires_stages, refiner_of, restored_faces
from ninefold.server.sdapi.infotext_settings import with_infotext
from ninefold.server.sdapi.inpainting import Source, filled, inpainting, mask_of
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.samplers import scheduler_of
from ninefold.server.sdapi.schemas import Img2ImgRequest, Processing, Txt2ImgRequest
from ninefold.server.sdapi.scripts import SD_UPSCALE, always_on, selected, upscale_stages
from ninefold.server.sent_images import SentImage

_Request = TypeVar("_Request", Txt2ImgRequest, Img2ImgRequest)

#: A1111's own value where a request gives none.
IMG2IMG_STRENGTH = 0.75
#: What only shifts the result, and the values that ask for nothing: else reported as a warning.
#: Clients send some of them always.
_MINOR: dict[str, tuple[Any, ...]] = {
    "eta": (None, 0, 1),
    "s_churn": (None, 0),
    "s_tmax": (None, 0),
    "s_tmin": (None, 0),
    "s_noise": (None, 1),
    "s_min_uncond": (None, 0),
    "seed_enable_extras": (None, True),
    "disable_extra_networks": (None, False),
    "comments": (None, {}),
    "override_settings_restore_afterwards": (True,),
    "initial_noise_multiplier": (None, 1),
    "mask_round": (None, True),
}
#: Settings that may be overridden by what they already are.
_SETTINGS: dict[str, tuple[Any, ...]] = {
    "CLIP_stop_at_last_layers": (None, 0, 1),
    "sd_vae": (None, "", "None", "Automatic"),
    "samples_format": ("png",),
    "return_grid": (False,),
    "save_images_add_number": (True, False),
}


def txt2img(request: Txt2ImgRequest, catalog: ModelCatalog, limits: ImageLimits) -> ImageOrder:
    """Images from text; raises `ConfigError` with every problem, or `ModelError`."""
    issues = RequestIssues()
    request = with_infotext(request, catalog, issues)
    model = _model(request, catalog, issues)
    sampling = _sampling(request, issues)
    selected(request, issues)
    info = catalog.info(model)
    request = _rounded_down(request, info, issues)
    width, height = request.width or info.native_size[0], request.height or info.native_size[1]
    if request.enable_hr and (request.firstphase_width or request.firstphase_height):
        width = request.firstphase_width or info.native_size[0]
        height = request.firstphase_height or info.native_size[1]
    refining, refiner = refiner_of(request, model, sampling, catalog, issues)
    first = {**sampling, **refining, "width": width, "height": height}
    stages = [_painting(first), *refiner]
    if request.enable_hr:
        stages += hires_stages(request, (width, height), sampling, info, catalog, issues)
    steering = control_units(
        request.alwayson_scripts,
        (width, height),
        catalog,
        limits,
        issues,
        hires=request.enable_hr,
    )
    stages = steering.steered(stages, issues)
    stages += restored_faces(request, sampling, catalog, issues)
    stages += always_on(request, sampling, catalog, issues).stages
    return _order(request, model, stages, issues, control=steering.pictures)


def img2img(request: Img2ImgRequest, catalog: ModelCatalog, limits: ImageLimits) -> ImageOrder:
    """Images from an image, whole or in a mask; raises as `txt2img`, and `InputError`.

    Of several source images each makes one image of a batch, as in A1111.
    """
    sources = request.init_images
    if len(sources) < 2:
        return _img2img(request, catalog, limits)
    if len(sources) > request.batch_size and request.batch_size > 1:
        raise ConfigError(
            f"init_images: expected at most batch_size, {request.batch_size}, got {len(sources)}. "
            "Raise batch_size, or send fewer."
        )
    orders = [
        _img2img(request.model_copy(update={"init_images": [source]}), catalog, limits, number)
        for number, source in enumerate(sources)
    ]
    first, *others = orders
    if any(order.stages != first.stages for order in others):
        raise ConfigError(
            "init_images: expected images of one size, got several. Give width and height, or send "
            "one request for each size."
        )
    return replace(
        first,
        count=len(orders) * request.n_iter,
        further=tuple((order.image, order.mask) for order in others),
        warnings=tuple(dict.fromkeys(text for order in orders for text in order.warnings)),
    )


def _img2img(
    request: Img2ImgRequest, catalog: ModelCatalog, limits: ImageLimits, number: int = 0
) -> ImageOrder:
    issues = RequestIssues()
    request = with_infotext(request, catalog, issues)
    model = _model(request, catalog, issues)
    sampling = _sampling(request, issues)
    script = selected(request, issues)
    if not request.init_images:
        issues.refuse("init_images", "expected an image, got none.")
    if request.resize_mode == 3:
        issues.warn("resize_mode", "3 was taken for 0.")
    refining, refiner = refiner_of(
        request, model, sampling, catalog, issues, takes_over=not request.mask
    )
    after = always_on(request, sampling, catalog, issues)
    issues.check()
    sent = images.image_of(request.init_images[0], f"init_images.{number}", limits).flattened()
    strength = request.denoising_strength
    strength = IMG2IMG_STRENGTH if strength is None else strength
    source = Source(request, sent)
    steering = control_units(
        request.alwayson_scripts, source.size, catalog, limits, issues, has_source=True
    )
    faces: list[Json] = []
    if not request.mask or after.alone:
        faces = restored_faces(request, sampling, catalog, issues)
    elif request.restore_faces:
        issues.warn("restore_faces", "is not done with a mask.")
    detailers = [*faces, *after.stages]
    if script == SD_UPSCALE:
        if request.mask:
            issues.refuse("mask", f"cannot be used with the script {SD_UPSCALE!r}. Leave it out.")
        if refining or refiner:
            issues.warn("refiner_checkpoint", f"is not honoured with the script {SD_UPSCALE!r}.")
        info = catalog.info(model)
        stages = upscale_stages(request, strength, sampling, info, catalog, issues)
        stages = [*steering.steered(stages, issues), *detailers]
        order = _order(request, model, stages, issues, image=sent, control=steering.pictures)
        return replace(order, count=request.n_iter)  # a batch is of tiles
    if after.alone:
        if request.mask:
            issues.warn("mask", "has no effect where ADetailer works alone.")
        if steering.entries:
            issues.warn("controlnet", "has no effect where ADetailer works alone.")
        if refining or refiner:
            issues.warn("refiner_checkpoint", "has no effect where ADetailer works alone.")
        return _order(request, model, detailers, issues, image=sent)
    mask = mask_of(source, limits, issues)
    if strength == 0 or (mask is not None and not mask.any()):
        if not detailers:
            where = "denoising_strength: is 0" if strength == 0 else "mask: is blank"
            issues.warnings.append(f"{where}; nothing was painted.")
        steering.steered((), issues)
        if refining or refiner:
            issues.warn("refiner_checkpoint", "has no effect where nothing is painted.")
        return _order(request, model, detailers, issues, image=_unpainted(source, mask, issues))
    painted: Json = {**sampling, "strength": strength}
    if mask is None or not request.inpaint_full_res:
        request = _rounded_down(request, catalog.info(model), issues)
        source = replace(source, request=request)
    size = {"width": request.width or None, "height": request.height or None}
    if mask is None:
        painting = _painting({**painted, **refining, **size})
        stages = [*steering.steered([painting], issues), *refiner, *detailers]
        image = source.fitted()
        return _order(request, model, stages, issues, image=image, control=steering.pictures)
    if after.stages:
        issues.refuse("ADetailer", "cannot be used with a mask.")
    place = inpainting(source, mask, issues)
    if not request.inpaint_full_res:
        stages = [_painting({**painted, **size}), *refiner]
    else:
        if refiner:
            issues.warn("refiner_checkpoint", "is not honoured with inpaint_full_res.")
        stages = [{"stage": "detailer", "params": {**painted, **place.params}}]
    stages, pictures = steering.steered(stages, issues), steering.pictures
    return _order(request, model, stages, issues, place.image, place.mask, pictures)


def _unpainted(source: Source, mask: Mask | None, issues: RequestIssues) -> SentImage:
    """The image as A1111 leaves it where nothing is painted: filled, and at the size asked for."""
    if mask is None:
        return source.resized()
    pixels = filled(source, mask, issues)
    if source.request.inpaint_full_res:
        return source.image.with_pixels(pixels)
    return source.resized(pixels)


def _rounded_down(request: _Request, info: ModelInfo, issues: RequestIssues) -> _Request:
    """The request with sizes that the model can do, as A1111 leaves out what is over.

    Where a hires pass has a first size of its own, `width` and `height` are only those of the end.
    """
    sides = ["width", "height"]
    if isinstance(request, Txt2ImgRequest) and request.enable_hr:
        first = ["firstphase_width", "firstphase_height"]
        sides = first if any(getattr(request, side) for side in first) else sides
    changes: dict[str, int] = {}
    for name in sides:
        side = getattr(request, name) or 0
        below = side // info.size_multiple * info.size_multiple
        if info.min_size <= below < side:
            issues.warn(
                name, f"{side} became {below}: {info.name} makes multiples of {info.size_multiple}."
            )
            changes[name] = below
    return request.model_copy(update=changes) if changes else request


def _painting(params: Json) -> Json:
    return {"stage": "text_to_image", "params": {**params, "allow_blank": True}}


def _seamless(stages: Sequence[Json], issues: RequestIssues) -> list[Json]:
    """Stages whose image meets at all its edges."""
    if not any(stage["stage"] == "text_to_image" for stage in stages):
        issues.warn("tiling", "has no effect here: no whole image is painted.")
    tiling = {"tiling": "both"}
    return [
        {**stage, "params": {**stage.get("params", {}), **tiling}}
        if stage["stage"] == "text_to_image"
        else stage
        for stage in stages
    ]


def _order(
    request: Processing,
    model: str | None,
    stages: Sequence[Json],
    issues: RequestIssues,
    image: SentImage | None = None,
    mask: SentImage | None = None,
    control: tuple[SentImage, ...] = (),
) -> ImageOrder:
    if request.tiling:
        stages = _seamless(stages, issues)
    _tell(request, issues)
    issues.check()
    return ImageOrder(
        [
            {"stage": "prompt", "params": {"allow_blank": True}},
            *stages,
            PUBLISHER,
        ],
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or None,
        seed=request.seed if request.seed is not None and request.seed >= 0 else None,
        model=model,
        count=request.count,
        warnings=tuple(issues.warnings),
        image=image,
        mask=mask,
        control=control,
    )


def _model(request: Processing, catalog: ModelCatalog, issues: RequestIssues) -> str | None:
    """The request's own model, or the one that its client has set."""
    name = (request.override_settings or {}).get("sd_model_checkpoint")
    if name is None or name == "":
        return catalog.chosen
    return catalog.model(str(name), "override_settings.sd_model_checkpoint", issues)


def _sampling(request: Processing, issues: RequestIssues) -> Json:
    """How every diffusion pass of the request is run; what it does not say is the model's own."""
    sampler = request.sampler_name or request.sampler_index
    found = {
        "steps": request.steps,
        "guidance_scale": request.cfg_scale,
        "scheduler": scheduler_of(sampler, request.scheduler, issues),
    }
    return {name: value for name, value in found.items() if value is not None}


def _tell(request: Processing, issues: RequestIssues) -> None:
    """What the request asks for that is not done: an error where leaving it out would be a lie."""
    if request.styles:
        issues.unknown("styles", ", ".join(request.styles), ())
    if (request.subseed_strength or 0) > 0:
        issues.refuse("subseed_strength")
    if (request.seed_resize_from_w or 0) > 0 or (request.seed_resize_from_h or 0) > 0:
        issues.refuse("seed_resize_from_w")
    for name, nothing in _MINOR.items():
        if getattr(request, name, None) not in nothing:
            issues.warn(name)
    for name, value in (request.override_settings or {}).items():
        if name != "sd_model_checkpoint" and value not in _SETTINGS.get(name, ()):
            issues.warn(f"override_settings.{name[:80]}")
    for name in request.unknown:
        issues.warn(name[:80], "is unknown and was left out.")
