"""Enlarging images that were sent: A1111's extras."""

from __future__ import annotations

from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.server.blocking_requests import PUBLISHER, ImageOrder
from ninefold.server.sdapi import images
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.schemas import ExtrasBatchRequest, ExtrasRequest
from ninefold.stages.upscaler import MAX_FACTOR

#: `resize_mode`: to a size, not by a factor.
TO_SIZE = 1


def extras(
    request: ExtrasRequest | ExtrasBatchRequest,
    image: str,
    where: str,
    catalog: ModelCatalog,
    limits: ImageLimits,
) -> ImageOrder:
    """One image to be enlarged; as in A1111, nothing happens where upscaler_1 is `None`.

    Raises `ConfigError` or `InputError`.
    """
    issues = RequestIssues()
    if request.gfpgan_visibility or request.codeformer_visibility:
        issues.refuse("gfpgan_visibility", "no face restorer is at hand. Leave it 0.")
    if (
        request.upscaler_2.strip().lower() not in ("", "none")
        and request.extras_upscaler_2_visibility
    ):
        issues.refuse("upscaler_2", "only one upscaler can be used. Leave it out.")
    upscaler = None
    if _named(request.upscaler_1):
        upscaler = catalog.upscaler(request.upscaler_1, "upscaler_1", issues)
    for name in request.unknown:
        issues.warn(name[:80], "is unknown and was left out.")
    issues.check()
    sent = images.image_of(image, where, limits)
    if upscaler is None:
        return ImageOrder([PUBLISHER], image=sent, warnings=tuple(issues.warnings))
    if request.resize_mode != TO_SIZE:
        params: Json = {"upscale_factor": request.upscaling_resize}
    else:
        params = _to_size(request, sent.size, issues)
    issues.check()
    stages: list[Json] = [
        {"stage": "upscaler", "params": {**params, "upscaler": upscaler}},
        PUBLISHER,
    ]
    return ImageOrder(stages, image=sent, warnings=tuple(issues.warnings))


def _named(upscaler: str) -> bool:
    return upscaler.strip().lower() not in ("", "none")


def _to_size(
    request: ExtrasRequest | ExtrasBatchRequest, size: tuple[int, int], issues: RequestIssues
) -> Json:
    """The size asked for, covered and cut to its shape, or the largest that fits into it."""
    width, height = size
    wanted = request.upscaling_resize_w, request.upscaling_resize_h
    factors = wanted[0] / width, wanted[1] / height
    factor = max(factors) if request.upscaling_crop else min(factors)
    if factor > MAX_FACTOR:
        issues.refuse(
            "upscaling_resize_w",
            f"expected at most {MAX_FACTOR:g} times the image's size, got {factor:.3g}.",
        )
    if request.upscaling_crop:
        return {"width": wanted[0], "height": wanted[1]}
    fit = max(1, round(width * factor)), max(1, round(height * factor))
    if fit != wanted:
        issues.warn("upscaling_resize_w", f"the image became {fit[0]}x{fit[1]}.")
    return {"width": fit[0], "height": fit[1]}
