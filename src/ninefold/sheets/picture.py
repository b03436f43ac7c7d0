"""A sheet as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ninefold._version import __version__
from ninefold.files.embed import EmbeddedMetadata, MetadataLevel
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import OWN_LIMITS
from ninefold.files.xmp import DigitalSourceType, Xmp
from ninefold.imaging.types import Pixels
from ninefold.sheets.text import NO_BREAK, Font, load_font, wrapped
from ninefold.sheets.theme import COLOURS, Theme
from ninefold.sheets.tiles import PROMPT, Sheet, Tile

#: Lines of a caption, and of its prompt.
_MOST_LINES, _PROMPT_LINES = 16, 6
_SEPARATOR = f"{NO_BREAK}· "


@dataclass(frozen=True)
class _Row:
    """Tiles, each with the lines of its caption."""

    tiles: list[tuple[Tile, list[str]]]


@dataclass(frozen=True)
class SheetStyle:
    """`tile` is the side of a picture in pixels, 64 to 1,024; `font` a file, Pillow's own if None.

    Raises ValueError for a font that cannot be used.
    """

    tile: int = 256
    theme: Theme = Theme.LIGHT
    font: Path | None = None

    def fonts(self) -> tuple[Font, Font]:
        """For captions, and for the title and labels."""
        size = max(11, self.tile // 21)
        return load_font(size, self.font), load_font(round(size * 1.35), self.font)


def draw_sheet(sheet: Sheet, style: SheetStyle) -> Pixels:
    """The sheet as RGB pixels. Raises ValueError where it would be too large."""
    return _Drawing(sheet, style).drawn()


def encode_sheet(sheet: Sheet, style: SheetStyle, image_format: ImageFormat) -> bytes:
    """The sheet as a file, which says in XMP where AI made what it shows.

    Raises ValueError where it would be too large.
    """
    xmp = Xmp(DigitalSourceType.COMPOSITE, system="ninefold", system_version=__version__)
    by_ai = any(tile.made_by_ai for tile in sheet.tiles)
    metadata = EmbeddedMetadata(None, xmp if by_ai else None, MetadataLevel.MINIMAL)
    return encode(draw_sheet(sheet, style), image_format, metadata=metadata)


def check_fits(sheet: Sheet, style: SheetStyle) -> None:
    """Raise ValueError where `draw_sheet` would, but for the pictures, which may be missing yet."""
    _Drawing(sheet, style).check()


class _Drawing:
    """A sheet laid out: what stands where, in pixels."""

    def __init__(self, sheet: Sheet, style: SheetStyle) -> None:
        self._sheet, self._style = sheet, style
        self._colours = COLOURS[style.theme]
        self._small, self._large = style.fonts()
        self._gap = max(8, style.tile // 16)
        self._line = _line_height(self._small)
        self._heading = _line_height(self._large)
        tile, gap = style.tile, self._gap
        self._left = self._beside() + gap
        self._width = self._left + sheet.columns * (tile + gap)
        self._title = self._wrapped(sheet.title, self._width - 2 * gap, 3) if sheet.title else []
        self._above = [self._wrapped(text, tile, 2) for text in sheet.column_labels]
        self._labels_at = gap + len(self._title) * self._heading + (gap if self._title else 0)
        labels = max(map(len, self._above), default=0) * self._heading
        self._rows_at = self._labels_at + labels + (gap // 2 if labels else 0)
        self._rows = [_Row([(item, self._caption(item)) for item in row]) for row in sheet.rows]
        self._height = self._rows_at + sum(map(self._step, self._rows)) + gap // 2

    def check(self) -> None:
        most, area = OWN_LIMITS.max_side, OWN_LIMITS.max_pixels // 4
        if max(self._width, self._height) > most or self._width * self._height > area:
            raise ValueError(
                f"expected a sheet of at most {most:,} pixels a side and {area:,} in all, got "
                f"{self._width} x {self._height}; choose smaller tiles or fewer pictures"
            )

    def drawn(self) -> Pixels:
        self.check()
        canvas = Image.new("RGB", (self._width, self._height), self._colours.paper)
        pen = ImageDraw.Draw(canvas)
        ink, gap = self._colours.ink, self._gap
        self._write(pen, self._title, gap, gap, self._large, ink)
        for column, lines in enumerate(self._above):
            self._write(pen, lines, self._column(column), self._labels_at, self._large, ink)
        at = self._rows_at
        for number, row in enumerate(self._rows):
            if self._sheet.row_labels:
                lines = self._wrapped(self._sheet.row_labels[number], self._left - 2 * gap, 6)
                self._write(pen, lines, gap, at, self._large, ink)
            below = at + self._picture_height(row)
            for column, (item, caption) in enumerate(row.tiles):
                self._show(canvas, pen, item, self._column(column), at, below)
                self._write_caption(pen, caption, self._column(column), below + gap // 2)
            at += self._step(row)
        return np.array(canvas)

    def _column(self, number: int) -> int:
        return self._left + number * (self._style.tile + self._gap)

    def _picture_height(self, row: _Row) -> int:
        """As high as the highest picture; a tile without one takes half of its side."""
        tile = self._style.tile
        return max(
            tile // 2 if item.picture is None else item.picture.shape[0] for item, _ in row.tiles
        )

    def _step(self, row: _Row) -> int:
        lines = max(len(caption) for _, caption in row.tiles)
        return self._picture_height(row) + lines * self._line + self._gap * 3 // 2

    def _wrapped(self, text: str, width: int, most: int) -> list[str]:
        return wrapped(text, self._large, width, most)

    def _beside(self) -> int:
        """Width of the labels beside the rows."""
        labels = self._sheet.row_labels
        if not labels:
            return 0
        widest = max(self._large.getlength(line) for text in labels for line in text.split("\n"))
        return self._gap + min(int(widest) + 1, self._style.tile)

    def _show(
        self,
        canvas: Image.Image,
        pen: ImageDraw.ImageDraw,
        item: Tile,
        left: int,
        top: int,
        bottom: int,
    ) -> None:
        tile, gap = self._style.tile, self._gap
        if item.picture is None:
            pen.rectangle((left, top, left + tile - 1, bottom - 1), self._colours.empty)
            room = max(1, (bottom - top - 2 * gap) // self._line)
            said = wrapped(item.problem or "no picture", self._small, tile - 2 * gap, room)
            self._write(pen, said, left + gap, top + gap, self._small, self._colours.faint)
        else:
            height, width = item.picture.shape[:2]
            place = left + (tile - width) // 2, top + (bottom - top - height) // 2
            canvas.paste(Image.fromarray(item.picture), place)

    def _write_caption(
        self, pen: ImageDraw.ImageDraw, lines: list[str], left: int, top: int
    ) -> None:
        self._write(pen, lines[:1], left, top, self._small, self._colours.ink)
        self._write(pen, lines[1:], left, top + self._line, self._small, self._colours.faint)

    def _write(
        self,
        pen: ImageDraw.ImageDraw,
        lines: Sequence[str],
        left: int,
        top: int,
        font: Font,
        colour: str,
    ) -> None:
        step = _line_height(font)
        for number, line in enumerate(lines):
            pen.text((left, top + number * step), line.replace(NO_BREAK, " "), colour, font)

    def _caption(self, item: Tile) -> list[str]:
        """The lines below a picture: its name, its prompt, and the rest."""
        width = self._style.tile
        lines = wrapped(item.name, self._small, width, 1) if item.name else []
        if item.problem and item.picture is not None:
            lines += wrapped(item.problem, self._small, width, 2)
        rest = []
        for name, value in item.caption:
            if name == PROMPT:
                lines += wrapped(value, self._small, width, _PROMPT_LINES)
            else:
                rest.append(f"{name} {value}".replace(" ", NO_BREAK))
        if rest:
            lines += wrapped(_SEPARATOR.join(rest), self._small, width, _MOST_LINES)
        return lines[:_MOST_LINES]


def _line_height(font: Font) -> int:
    ascent, descent = font.getmetrics()
    return round((ascent + descent) * 1.12)
