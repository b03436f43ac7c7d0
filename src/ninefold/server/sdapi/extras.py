"""Enlarging images that were sent: A1111's extras."""

from __future__ import annotations

from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.server.held import Order
from ninefold.server.sdapi import pictures
from ninefold.server.sdapi.documents import ExtrasBatchRequest, ExtrasRequest
from ninefold.server.sdapi.shelf import Notes, Shelf

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
    if request.upscaler_2 != "None" and request.extras_upscaler_2_visibility:
        notes.refuse("upscaler_2", "only one upscaler can be used. Leave it out.")
    upscaler = None
    if request.upscaler_1 != "None":
        upscaler = shelf.upscaler(request.upscaler_1, "upscaler_1", notes)
    for name in request.unknown:
        notes.warn(name[:80], "is unknown and was left out.")
    notes.check()
    data = pictures.from_base64(image, where)
    if upscaler is None:
        return Order([{"stage": "publisher"}], image=data, warnings=tuple(notes.warnings))
    factor = request.upscaling_resize
    if request.resize_mode == TO_SIZE:
        pixels = pictures.pixels_of(data, where, limits)
        wanted = request.upscaling_resize_w, request.upscaling_resize_h
        if request.upscaling_crop:
            cut = pictures.fitted(pixels, *wanted, pictures.CROP)
            data = data if cut.shape == pixels.shape else pictures.png(cut)
            pixels = cut
        height, width = pixels.shape[:2]
        factor = min(wanted[0] / width, wanted[1] / height)
        if request.upscaling_crop:
            factor = max(wanted[0] / width, wanted[1] / height)
        if not 1 <= factor <= 8:
            notes.refuse(
                "upscaling_resize_w", f"expected 1 to 8 times the image's size, got {factor:.3g}."
            )
        size = round(width * factor), round(height * factor)
        if size != wanted:
            notes.warn("upscaling_resize_w", f"the image became {size[0]}x{size[1]}.")
    notes.check()
    stages: list[Json] = [
        {"stage": "upscaler", "params": {"upscale_factor": factor, "upscaler": upscaler}},
        {"stage": "publisher"},
    ]
    return Order(stages, image=data, warnings=tuple(notes.warnings))
