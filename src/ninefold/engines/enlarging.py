"""What engines of super-resolution share: from pixels to what networks take, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import InputError
from ninefold.imaging.types import Pixels

#: Channels x height x width, 0 to 1.
Planes = NDArray[np.float32]
#: Makes planes larger by a network's factor.
Enlarge = Callable[[Planes], Planes]

#: The margin is looked for up to this many pixels; a model that reaches further is given this.
MAX_MARGIN = 32
_CONTEXT = 40
#: A quarter of one of 255 grey levels: what no eye and no rounding shows.
_VISIBLE = 0.25 / 255


def enlarged_pixels(image: Pixels, channels: int, enlarge: Enlarge) -> Pixels:
    """An image through a network of `channels`: 1 is given the luma alone, and the colours are
    enlarged by interpolation; 4 are given an opaque alpha. Raises `InputError`."""
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"image: expected height x width x 3, got {image.shape}.")
    if channels == 1:
        return _by_luma(image, enlarge)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    planes /= 255
    if channels == 4:
        planes = np.concatenate([planes, np.ones_like(planes[:1])])
    return np.ascontiguousarray(_bytes(enlarge(planes)[:3]).transpose(1, 2, 0))


def measured_margin(channels: int, scale: int, enlarge: Enlarge) -> int:
    """The farthest pixel from an edge whose value changes by a quarter of a grey level or more
    when noise continues beyond the edge; at most 32 input pixels."""
    side, reach = MAX_MARGIN + 8, 0
    for noise in _probes(channels, side + _CONTEXT):
        whole = enlarge(noise)[:, _CONTEXT * scale :, _CONTEXT * scale :]
        alone = enlarge(np.ascontiguousarray(noise[:, _CONTEXT:, _CONTEXT:]))
        # Far edges are cut alike in both, so they cancel out; what is left hangs on the near ones.
        rows, columns = np.nonzero(np.abs(whole - alone).max(axis=0) > _VISIBLE)
        depth = int(np.minimum(rows, columns).max(initial=-1)) + 1
        reach = max(reach, min(-(-depth // scale), MAX_MARGIN))
    return reach


def padded(planes: Planes, multiple: int, enlarge: Enlarge, scale: int) -> Planes:
    """`enlarge` for a network whose sides must be multiples, with edges that go on as they end."""
    height, width = planes.shape[1:]
    down, across = -height % multiple, -width % multiple
    if not down and not across:
        return enlarge(planes)
    wider = np.pad(planes, ((0, 0), (0, down), (0, across)), mode="edge")
    return enlarge(wider)[:, : height * scale, : width * scale]


def in_tiles(
    planes: Planes, size: tuple[int, int], margin: int, enlarge: Enlarge, scale: int
) -> Planes:
    """`enlarge` for a network that takes one height and width alone: tiles whose edges, `margin`
    pixels wide, are left out where another tile goes on."""
    (high, wide), (height, width) = size, planes.shape[1:]
    padding = ((0, 0), (0, max(0, high - height)), (0, max(0, wide - width)))
    whole = np.pad(planes, padding, mode="edge")
    result: Planes = np.empty((0, 0, 0), np.float32)
    for top, bottom, window_top in _windows(height, high, margin):
        for left, right, window_left in _windows(width, wide, margin):
            window = whole[:, window_top : window_top + high, window_left : window_left + wide]
            made = enlarge(np.ascontiguousarray(window))
            if not result.size:
                result = np.empty((made.shape[0], height * scale, width * scale), np.float32)
            result[:, top * scale : bottom * scale, left * scale : right * scale] = made[
                :,
                (top - window_top) * scale : (bottom - window_top) * scale,
                (left - window_left) * scale : (right - window_left) * scale,
            ]
    return result


def _windows(length: int, window: int, margin: int) -> list[tuple[int, int, int]]:
    """Start and end of each part of a side, and where its window starts."""
    if length <= window:
        return [(0, length, 0)]
    margin, parts, start = min(margin, (window - 1) // 4), [], 0
    while start < length:
        at = min(max(0, start - margin), length - window)
        end = length if at + window >= length else at + window - margin
        parts.append((start, end, at))
        start = end
    return parts


def _by_luma(image: Pixels, enlarge: Enlarge) -> Pixels:
    from PIL import Image

    luma, blue, red = Image.fromarray(image).convert("YCbCr").split()
    planes = np.asarray(luma, np.float32)[None] / np.float32(255)
    large = Image.fromarray(_bytes(enlarge(planes))[0])
    colours = [part.resize(large.size, Image.Resampling.BICUBIC) for part in (blue, red)]
    return np.asarray(Image.merge("YCbCr", (large, *colours)).convert("RGB")).copy()


def _bytes(planes: Planes) -> NDArray[np.uint8]:
    # In place: at 4x each copy of the result is 48 times the source's bytes.
    planes = planes if planes.flags.writeable else planes.copy()
    np.clip(planes, 0, 1, out=planes)
    planes *= 255
    np.rint(planes, out=planes)
    return planes.astype(np.uint8)


def _probes(channels: int, side: int) -> list[Planes]:
    draw = np.random.default_rng(9)
    fine = draw.random((channels, side, side), np.float32)
    coarse = draw.random((channels, -(-side // 8), -(-side // 8)), np.float32)
    return [fine, coarse.repeat(8, 1).repeat(8, 2)[:, :side, :side]]
