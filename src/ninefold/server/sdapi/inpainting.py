"""What img2img paints: the source made to fit, and the place that a mask leaves to be painted."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.imaging.fill import fill_inside
from ninefold.imaging.masks import blur
from ninefold.imaging.resize import resize_mask
from ninefold.imaging.types import Mask, Pixels
from ninefold.server.sdapi import images
from ninefold.server.sdapi.model_catalog import RequestIssues
from ninefold.server.sdapi.schemas import Img2ImgRequest
from ninefold.server.sent_images import SentImage, grey_pixels

#: A1111's own value where a request gives none.
MASK_BLUR = 4.0


@dataclass(frozen=True)
class Source:
    """The image of a request, and how the request would have it fit."""

    request: Img2ImgRequest
    image: SentImage

    @property
    def pixels(self) -> Pixels:
        """The image's."""
        return self.image.pixels

    @property
    def size(self) -> tuple[int, int]:
        """The size asked for; by default the image's own."""
        width, height = self.image.size
        return self.request.width or width, self.request.height or height

    def fitted(self) -> SentImage:
        """The image cut or extended to the shape asked for."""
        return self.image.with_pixels(
            images.fitted(self.pixels, *self.size, self.request.resize_mode)
        )

    def resized(self, pixels: Pixels | None = None) -> SentImage:
        """The image, or `pixels` in its place, at the size asked for."""
        given = self.pixels if pixels is None else pixels
        return self.image.with_pixels(images.resized(given, *self.size, self.request.resize_mode))


def mask_of(source: Source, limits: ImageLimits, issues: RequestIssues) -> Mask | None:
    """The request's mask at the image's size; None where it has none that asks for anything.

    As in A1111, a blank mask with `inpaint_full_res` stands for none at all. Raises `InputError`.
    """
    request = source.request
    if not request.mask:
        return None
    sent = images.image_of(request.mask, "mask", limits)
    mask = images.mask_of(sent, inverted=bool(request.inpainting_mask_invert))
    height, width = source.pixels.shape[:2]
    if abs(mask.shape[1] * height - mask.shape[0] * width) > max(width, height):
        issues.warn("mask", f"of {mask.shape[1]}x{mask.shape[0]} was stretched to the image.")
    if not mask.any() and request.inpaint_full_res:
        issues.warn("mask", "is blank; the whole image was changed, as without one.")
        return None
    return resize_mask(mask, width, height, "nearest")


@dataclass(frozen=True)
class Inpainting:
    """The files to start from, and the parameters that say how soft the place's edge is."""

    image: SentImage
    mask: SentImage
    params: Json


def inpainting(source: Source, mask: Mask, issues: RequestIssues) -> Inpainting:
    """What is painted inside a mask: at the source's size, or at that which is asked for."""
    request, softness = source.request, _softness(source.request, issues)
    pixels = filled(source, mask, issues)
    if request.inpaint_full_res:
        _tell_size(source, issues)
        padding = request.inpaint_full_res_padding
        params: Json = {"padding_pixels": padding, "dilate": 0, "blur": softness}
        return Inpainting(source.image.with_pixels(pixels), _mask_file(mask), params)
    fit = images.fitted(grey_pixels(mask), *source.size, request.resize_mode)
    place: Mask = (fit[..., 0] > 127).astype(mask.dtype)
    pixels = images.fitted(pixels, *source.size, request.resize_mode)
    return Inpainting(source.image.with_pixels(pixels), _mask_file(blur(place, softness)), {})


def filled(source: Source, mask: Mask, issues: RequestIssues) -> Pixels:
    """The source, its masked place as `inpainting_fill` says."""
    kind = source.request.inpainting_fill
    if kind > 1:
        issues.warn("inpainting_fill", f"{kind} was taken for 0.")
    return source.pixels if kind == 1 or not mask.any() else fill_inside(source.pixels, mask)


def _softness(request: Img2ImgRequest, issues: RequestIssues) -> float:
    across, down = request.mask_blur_x, request.mask_blur_y
    if request.mask_blur is not None or (across is None and down is None):
        return MASK_BLUR if request.mask_blur is None else request.mask_blur
    across, down = (MASK_BLUR if side is None else side for side in (across, down))
    if across != down:
        issues.warn("mask_blur_x", f"{across:g} and {down:g} became {(across + down) / 2:g}.")
    return (across + down) / 2


def _mask_file(mask: Mask) -> SentImage:
    return SentImage.of_pixels(grey_pixels(mask))


def _tell_size(source: Source, issues: RequestIssues) -> None:
    height, width = source.pixels.shape[:2]
    if source.size != (width, height):
        issues.warn(
            "width",
            "the place is painted at the model's own size, and the image keeps its "
            f"{width}x{height}.",
        )
