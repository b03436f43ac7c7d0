"""Putting processed tiles together without seams, a band of rows at a time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.arrays import check_pixels, describe, row_bands, to_bytes
from ninefold.imaging.tiles import Tile, axis_weights, column_spans, plan_tiles, row_spans
from ninefold.imaging.types import Floats, Pixels

TileFunction = Callable[[Pixels, Tile], Floats | Pixels]
"""From a tile's pixels and place to its result: `scale` times larger, x 3, in 0..255."""


def blend_tiles(
    image: Pixels,
    tile: int,
    overlap: int,
    scale: int,
    function: TileFunction,
    *,
    margin: int = 0,
) -> Pixels:
    """Run `function` on overlapping tiles of `image` and blend what it gives.

    The result is `scale` times the image's size. Where `function` is a convolution that looks at
    most `margin` pixels far, it equals the untiled result. An image that fits one tile is passed
    through whole. Raises ValueError for a plan that cannot be, or a result of the wrong shape.
    """
    check_pixels(image, "image")
    tiles = plan_tiles(image.shape[1], image.shape[0], tile, overlap)
    canvas = TileCanvas(tiles, overlap, scale=scale, margin=margin)
    for each in tiles:
        canvas.add(each, function(each.crop(image), each))
    return canvas.result()


class TileCanvas:
    """Blends the tiles of one plan, added in the plan's order.

    Holds the finished rows as bytes and one row of tiles as float32: for a 4096 x 4096 result from
    1024-pixel output tiles, 48 MiB and 48 MiB.
    """

    def __init__(
        self, tiles: Sequence[Tile], overlap: int, *, scale: int = 1, margin: int = 0
    ) -> None:
        """Take a plan from `plan_tiles`; `overlap`, `margin`, `scale` as in `axis_weights`."""
        if not tiles:
            raise ValueError("expected at least one tile, got none")
        columns = axis_weights(column_spans(tiles), overlap, margin=margin, scale=scale)
        self._columns = {left: np.repeat(weights, 3) for left, weights in columns.items()}
        self._rows = axis_weights(row_spans(tiles), overlap, margin=margin, scale=scale)
        self._tiles = tuple(tiles)
        self._scale = scale
        self._added = 0
        self._top = 0
        width, height = tiles[-1].right * scale, tiles[-1].bottom * scale
        self._out = np.empty((height, width, 3), dtype=np.uint8)
        # One tile needs no sum, and its band would be as large as the image.
        band = tiles[0].height * scale if len(tiles) > 1 else 0
        self._band = np.zeros((band, width * 3), dtype=np.float32)

    def add(self, tile: Tile, pixels: Floats | Pixels) -> None:
        """Add one tile's result: (height * scale) x (width * scale) x 3, uint8 or float, 0..255.

        Raises ValueError out of the plan's order, past its end, or for another shape.
        """
        if self._added == len(self._tiles) or tile != self._tiles[self._added]:
            raise ValueError(f"expected tile {self._added + 1} of the plan in order, got {tile}")
        shape = (tile.height * self._scale, tile.width * self._scale, 3)
        if pixels.shape != shape:
            raise ValueError(
                f"tile result: expected {' x '.join(map(str, shape))}, got {describe(pixels)}"
            )
        self._added += 1
        if len(self._tiles) == 1:
            _write(self._out, pixels)
            return
        if tile.top != self._top:
            self._finish_rows(tile.top)
        self._accumulate(tile, pixels)

    def result(self) -> Pixels:
        """The blended image; raises ValueError while tiles are missing."""
        if self._added < len(self._tiles):
            raise ValueError(f"expected {len(self._tiles)} tiles, got {self._added}")
        if len(self._band):
            _write(self._out[-len(self._band) :], self._band)
        return self._out

    def _accumulate(self, tile: Tile, pixels: NDArray[np.generic]) -> None:
        rows, columns = self._rows[tile.top], self._columns[tile.left]
        start = tile.left * self._scale * 3
        target = self._band[:, start : start + len(columns)]
        flat = pixels.reshape(len(rows), -1)
        for band in row_bands(len(rows), tile.width * self._scale):
            weighted = np.multiply(flat[band], columns, dtype=np.float32)
            weighted *= rows[band, None]
            target[band] += weighted

    def _finish_rows(self, top: int) -> None:
        start, count = self._top * self._scale, (top - self._top) * self._scale
        _write(self._out[start : start + count], self._band[:count])
        # numpy would copy the whole overlap aside; piece by piece needs no second band.
        kept = len(self._band) - count
        for first in range(0, kept, count):
            last = min(first + count, kept)
            self._band[first:last] = self._band[first + count : last + count]
        self._band[kept:] = 0
        self._top = top


def _write(out: Pixels, values: NDArray[np.generic]) -> None:
    """Round into bytes by bands; `values` has as many elements a row as `out`."""
    height, width = out.shape[:2]
    flat = values.reshape(len(values), -1)
    for rows in row_bands(height, width):
        out[rows] = to_bytes(flat[rows].astype(np.float32)).reshape(-1, width, 3)
