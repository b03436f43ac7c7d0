"""Coverage of a subject (H x W float32, 0..1): enlarged along edges, shaped, and cut out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.alpha import spread_colours
from ninefold.imaging.arrays import check_mask, check_pixels, check_range, to_bytes
from ninefold.imaging.filters import gaussian_blur
from ninefold.imaging.resize import resize, resize_mask
from ninefold.imaging.types import Alpha, Floats, Mask, Pixels

#: Sigma in coarse pixels of the window that colours are compared in, and the squared difference
#: of colours (0..1) that is noise.
_WINDOW, _NOISE = 1.5, 1e-4
#: Coverage below this is haze and becomes 0; above one minus this it becomes 1.
_HAZE = 0.1
#: How steeply trust in a pixel's own colour falls with its coverage.
_OWN = 8
#: Sigma in pixels of what belongs to a part around it.
_EDGE = 1.0
#: Longest side in pixels at which connected parts are looked for.
_LABEL_SIDE = 512


def enlarge_along_edges(coverage: Mask, pixels: Pixels) -> Mask:
    """Coverage of a smaller picture at the size of `pixels`, its edges where the colours change.

    The fast guided filter (He and Sun, 2015) with colours as the guide: near each coarse pixel
    coverage is taken as a linear function of colour, which then holds for the fine pixels there.
    What colours do not explain is enlarged as it is.
    """
    check_mask(coverage)
    check_pixels(pixels)
    height, width = pixels.shape[:2]
    if height <= coverage.shape[0] or width <= coverage.shape[1]:
        return np.clip(resize_mask(coverage, width, height), 0, 1)
    small = resize(pixels, coverage.shape[1], coverage.shape[0], "box")
    planes = _planes(small)
    slope = _slope(planes, coverage)
    unexplained = coverage - (slope * planes).sum(axis=0)
    fine = resize_mask(unexplained, width, height)
    for channel in range(3):
        plane = pixels[..., channel].astype(np.float32) / np.float32(255)
        fine += resize_mask(slope[channel], width, height) * plane
    # Where coverage is all or nothing around, colours have no say.
    coarse = resize_mask(coverage, width, height)
    certain = np.abs(resize_mask(_mean(coverage), width, height) - np.float32(0.5)) > 0.49
    return np.clip(np.where(certain, coarse, fine), 0, 1)


def with_threshold(coverage: Mask, threshold: float) -> Mask:
    """Coverage whose half lies where it was `threshold` (0..1, exclusive), without haze.

    0 and 1 stay; the edge stays soft.
    """
    check_mask(coverage)
    check_range("threshold", threshold, 0.01, 0.99)
    inside = coverage * np.float32(1 - threshold)
    outside = (np.float32(1) - coverage) * np.float32(threshold)
    moved = inside / (inside + outside)
    return np.clip((moved - _HAZE) / np.float32(1 - 2 * _HAZE), 0, 1)


def large_parts(coverage: Mask, least: float, *, largest: bool = False) -> Mask:
    """Coverage of the connected parts that have at least `least` (0..1) of the image's area.

    With `largest`, of the largest one alone. Pixels are connected by their eight neighbours where
    at least half of them is covered.
    """
    check_mask(coverage)
    check_range("least", least, 0, 1)
    height, width = coverage.shape
    factor = min(1.0, _LABEL_SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    parts = _connected(resize_mask(coverage, *size) >= 0.5)
    counts = np.bincount(parts.ravel())
    counts[0] = 0
    wanted = counts >= max(1.0, least * parts.size)
    if largest:
        wanted &= np.arange(len(counts)) == counts.argmax()
    if np.array_equal(wanted, counts > 0):
        return coverage
    # What is nearer to a part that goes than to one that stays is dropped with it; a soft edge
    # reaches a few pixels out.
    stays = gaussian_blur(wanted[parts].astype(np.float32), _EDGE)
    goes = gaussian_blur(((parts > 0) & ~wanted[parts]).astype(np.float32), _EDGE)
    near = (stays > 1e-3) & (stays >= goes)
    return coverage * resize_mask(near.astype(np.float32), width, height)


def cut_out(pixels: Pixels, coverage: Mask) -> tuple[Pixels, Alpha]:
    """Colours and alpha of what is covered.

    At the edge, colours are a mix of the subject and what was behind it; they become the
    subject's own, continued outwards, so that no fringe shows on another background and nothing
    of the old one is left.
    """
    check_mask(coverage)
    alpha = to_bytes(coverage * np.float32(255))
    # By the most that is covered: where all is covered in part, all colours are a mix alike.
    most = max(float(coverage.max()), 1 / 255)
    own = to_bytes((coverage / np.float32(most)) ** _OWN * np.float32(255))
    return spread_colours(pixels, own), alpha


def _planes(pixels: Pixels) -> Floats:
    planes: Floats = np.moveaxis(pixels, -1, 0).astype(np.float32, order="C")
    return planes / np.float32(255)


def _mean(plane: Floats) -> Floats:
    return gaussian_blur(np.ascontiguousarray(plane), _WINDOW)


def _slope(planes: Floats, coverage: Mask) -> Floats:
    """How coverage changes with each colour (3 x H x W) around each pixel, by least squares."""
    means = np.stack([_mean(plane) for plane in planes])
    mean = _mean(coverage)
    height, width = coverage.shape
    spread = np.empty((height, width, 3, 3), np.float32)
    shared = np.empty((height, width, 3), np.float32)
    for i in range(3):
        shared[..., i] = _mean(planes[i] * coverage) - means[i] * mean
        for j in range(i, 3):
            spread[..., i, j] = _mean(planes[i] * planes[j]) - means[i] * means[j]
            spread[..., j, i] = spread[..., i, j]
    spread += np.float32(_NOISE) * np.eye(3, dtype=np.float32)
    slope = np.moveaxis(np.linalg.solve(spread, shared[..., None])[..., 0], -1, 0)
    # Each pixel is in several windows; it takes the mean of what they say.
    return np.stack([_mean(plane) for plane in slope])


def _connected(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers from 1 for the connected parts of a bitmap, 0 elsewhere: runs of rows, joined."""
    labels = np.zeros(inside.shape, np.int64)
    joined = [0]
    above: Sequence[tuple[int, int, int]] = ()
    for y, row in enumerate(inside):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        runs = []
        for start, stop in edges.reshape(-1, 2).tolist():
            label = len(joined)
            joined.append(label)
            for left, right, other in above:
                if left <= stop and right >= start:  # diagonal neighbours, too
                    joined[_root(joined, other)] = _root(joined, label)
            runs.append((start, stop, label))
            labels[y, start:stop] = label
        above = runs
    roots = np.array([_root(joined, label) for label in range(len(joined))])
    return np.unique(roots, return_inverse=True)[1].reshape(-1)[labels]


def _root(joined: list[int], label: int) -> int:
    while joined[label] != label:
        joined[label] = joined[joined[label]]
        label = joined[label]
    return label
