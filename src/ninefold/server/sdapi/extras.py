"""Enlarging images that were sent: A1111's extras."""

from __future__ import annotations

from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.imaging.types import Pixels
from ninefold.server.held import Order
from ninefold.server.sdapi import pictures
from ninefold.server.sdapi.documents import ExtrasBatchRequest, ExtrasRequest
from ninefold.server.sdapi.shelf import Notes, Shelf
from ninefold.stages.upscaler import MAX_FACTOR

#: `resize_mode`: to a size, not by a factor.
TO_SIZE = 1


def extras(
    request: ExtrasRequest | ExtrasBatchRequest,
    image: str,
    where: str,
    shelf: Shelf,
    limits: ImageLimits,
) -> Order:
    """One image to be enlarged; as in A1111, nothing happens where upscaler_1 is `None`.

    Raises `ConfigError` or `InputError`.
    """
    notes = Notes()
    if request.gfpgan_visibility or request.codeformer_visibility:
        notes.refuse("gfpgan_visibility", "no face restorer is at hand. Leave it 0.")
    if (
        request.upscaler_2.strip().lower() not in ("", "none")
        and request.extras_upscaler_2_visibility
    ):
        notes.refuse("upscaler_2", "only one upscaler can be used. Leave it out.")
    upscaler = None
    if _named(request.upscaler_1):
        upscaler = shelf.upscaler(request.upscaler_1, "upscaler_1", notes)
    for name in request.unknown:
        notes.warn(name[:80], "is unknown and was left out.")
    notes.check()
    data = pictures.from_base64(image, where)
    if upscaler is None:
        return Order([{"stage": "publisher"}], image=data, warnings=tuple(notes.warnings))
    if request.resize_mode != TO_SIZE:
        params: Json = {"upscale_factor": request.upscaling_resize}
    else:
        params = _to_size(request, pictures.pixels_of(data, where, limits), notes)
    notes.check()
    stages: list[Json] = [
        {"stage": "upscaler", "params": {**params, "upscaler": upscaler}},
        {"stage": "publisher"},
    ]
    return Order(stages, image=data, warnings=tuple(notes.warnings))


def _named(upscaler: str) -> bool:
    return upscaler.strip().lower() not in ("", "none")


def _to_size(request: ExtrasRequest | ExtrasBatchRequest, pixels: Pixels, notes: Notes) -> Json:
    """The size asked for, covered and cut to its shape, or the largest that fits into it."""
    height, width = pixels.shape[:2]
    wanted = request.upscaling_resize_w, request.upscaling_resize_h
    factors = wanted[0] / width, wanted[1] / height
    factor = max(factors) if request.upscaling_crop else min(factors)
    if factor > MAX_FACTOR:
        notes.refuse(
            "upscaling_resize_w",
            f"expected at most {MAX_FACTOR:g} times the image's size, got {factor:.3g}.",
        )
    if request.upscaling_crop:
        return {"width": wanted[0], "height": wanted[1]}
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if size != wanted:
        notes.warn("upscaling_resize_w", f"the image became {size[0]}x{size[1]}.")
    return {"width": size[0], "height": size[1]}
