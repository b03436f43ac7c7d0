"""Overlapping tiles: where they lie, and weights that sum to one at every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.types import Floats


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of pixels: left and top inside the image, right and bottom exclusive."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column after the tile."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row after the tile."""
        return self.top + self.height

    def crop(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The tile's part of H x W (x C) pixels, as a view."""
        return pixels[self.top : self.bottom, self.left : self.right]


def plan_tiles(width: int, height: int, tile: int, overlap: int) -> tuple[Tile, ...]:
    """Cover width x height pixels with square tiles, row by row, as few as will do.

    Neighbours share at least `overlap` pixels and the tiles are spread evenly. Every tile has the
    full side `tile`, except on an axis where the image is shorter: there it has the image's side.
    Raises ValueError unless all sides are positive and 0 <= overlap < tile.
    """
    if width < 1 or height < 1:
        raise ValueError(f"expected an image of at least 1 x 1 pixels, got {width} x {height}")
    if tile < 1 or not 0 <= overlap < tile:
        raise ValueError(f"expected 0 <= overlap < tile, got overlap {overlap} and tile {tile}")
    return tuple(
        Tile(left, top, min(tile, width), min(tile, height))
        for top in _starts(height, tile, overlap)
        for left in _starts(width, tile, overlap)
    )


def axis_weights(
    spans: Sequence[tuple[int, int]], overlap: int, *, margin: int = 0, scale: int = 1
) -> dict[int, Floats]:
    """Blend weights along one axis, by each span's start; they sum to one at every position.

    `spans` are (start, end) in order, neighbours sharing at least `overlap`. Each pair cross-fades
    over `overlap - 2 * margin` pixels, centred in what it shares, along a smooth step. So a span
    weighs nothing within `margin` of an end that has a neighbour: pixels that a network computed
    from its own padding never show. With `margin = overlap // 2` the change is all but a hard cut.
    `scale` stretches the result for output that many times larger.
    Raises ValueError unless 0 <= 2 * margin <= overlap and scale >= 1.
    """
    if not 0 <= 2 * margin <= overlap:
        raise ValueError(f"expected 0 <= 2 * margin <= overlap, got {margin} and {overlap}")
    if scale < 1:
        raise ValueError(f"expected a scale of at least 1, got {scale}")
    feather = (overlap - 2 * margin) * scale
    cuts = [(end + start) * scale / 2 for (_, end), (start, _) in pairwise(spans)]
    weights = {}
    for index, (start, end) in enumerate(spans):
        at = np.arange(start * scale, end * scale) + 0.5
        # Differences of one rising step telescope: the sum is one without a normalising pass.
        entered = _step(at - cuts[index - 1], feather) if index else np.ones(len(at))
        left = _step(at - cuts[index], feather) if index < len(cuts) else np.zeros(len(at))
        weights[start] = (entered - left).astype(np.float32)
    return weights


def tile_weights(
    tile: Tile, tiles: Sequence[Tile], overlap: int, *, margin: int = 0, scale: int = 1
) -> Floats:
    """Weights of one tile of a plan: (height * scale) x (width * scale), 0..1.

    Over all tiles of the plan they sum to one at each pixel; see `axis_weights`.
    """
    columns = axis_weights(column_spans(tiles), overlap, margin=margin, scale=scale)
    rows = axis_weights(row_spans(tiles), overlap, margin=margin, scale=scale)
    return np.outer(rows[tile.top], columns[tile.left])


def column_spans(tiles: Sequence[Tile]) -> list[tuple[int, int]]:
    """The distinct (left, right) of a plan, in order."""
    return sorted({(tile.left, tile.right) for tile in tiles})


def row_spans(tiles: Sequence[Tile]) -> list[tuple[int, int]]:
    """The distinct (top, bottom) of a plan, in order."""
    return sorted({(tile.top, tile.bottom) for tile in tiles})


def seam_lines(tiles: Sequence[Tile], scale: int = 1) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Columns and rows of the output where neighbouring tiles meet, for `seam_strength`."""
    columns, rows = (
        tuple((end + start) * scale // 2 for (_, end), (start, _) in pairwise(spans))
        for spans in (column_spans(tiles), row_spans(tiles))
    )
    return columns, rows


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    if size <= tile:
        return [0]
    gaps = -(-(size - tile) // (tile - overlap))
    return [index * (size - tile) // gaps for index in range(gaps + 1)]


def _step(distance: NDArray[np.floating], feather: int) -> NDArray[np.floating]:
    if feather == 0:
        return (distance >= 0).astype(np.float64)
    t = np.clip(distance / feather + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
