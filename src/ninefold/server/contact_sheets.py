"""The pictures of a group on one sheet, as a picture or a page."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ninefold.core.errors import ConflictError, InputError
from ninefold.core.paths import inside
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.scrub import scrub_prompt
from ninefold.jobs import Group, Job, JobStatus
from ninefold.jobs.naming import number_of
from ninefold.server.concurrency import ConcurrencyLimit
from ninefold.server.schemas.jobs import summary
from ninefold.sheets.page import sheet_page
from ninefold.sheets.picture import SheetStyle, encode_sheet
from ninefold.sheets.text import fitting_font
from ninefold.sheets.tiles import Sheet, Tile, cell_of, grid_sheet, tile_of, usual_columns

#: Sides of one picture that may be asked for, in pixels, and the one where nobody asks.
MIN_TILE, MAX_TILE, USUAL_TILE = 64, 512, 256
#: Most pictures of one sheet, and pixels of all its pictures together.
MAX_PICTURES, MAX_PIXELS = 200, 1 << 24
#: Sheets that are made at once, and requests that may wait: a large one takes half a minute.
_AT_ONCE, _WAITING = 1, 16


class SheetFormat(StrEnum):
    """What a sheet may be asked for as."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    HTML = "html"

    @property
    def media_type(self) -> str:
        """As `Content-Type` says it."""
        if self is SheetFormat.HTML:
            return "text/html"
        return FORMATS[ImageFormat(self.value)].media_type

    @classmethod
    def accepted(cls, accept: str) -> SheetFormat:
        """The one that an `Accept` header likes best: of those it likes alike, the one that it
        names first. PNG where it takes anything, or none of them."""
        best, best_weight = cls.PNG, 0.0
        known = {item.media_type: item for item in cls}
        for part in accept.split(","):
            name, *parameters = (text.strip().lower() for text in part.split(";"))
            if name in known and (weight := _weight(parameters)) > best_weight:
                best, best_weight = known[name], weight
        return best


@dataclass(frozen=True)
class ContactSheet:
    """What will be on a sheet: the pictures of jobs, or why there is none, and the title.

    `labels` are those of a grid's columns and rows.
    """

    title: str
    pictures: Sequence[Path | str]
    format: SheetFormat
    tile: int
    columns: int | None = None
    labels: tuple[Sequence[str], Sequence[str]] | None = None

    @property
    def etag(self) -> str:
        """Changes with anything of it; pictures of jobs that have succeeded never change."""
        return f'"{hashlib.sha256(repr(self).encode()).hexdigest()[:32]}"'


class ContactSheets:
    """Makes contact sheets; used on one event loop alone."""

    def __init__(self, closing: asyncio.Event) -> None:
        """Once `closing` is set, none is begun any more."""
        self._turns = ConcurrencyLimit(_AT_ONCE, _WAITING, closing)

    async def make(self, wanted: ContactSheet) -> bytes:
        """The sheet as a file; ends between two pictures where it is cancelled.

        Raises `BusyError` where too many wait.
        """
        async with self._turns():
            tiles = [await asyncio.to_thread(_tile, wanted, shown) for shown in wanted.pictures]
            return await asyncio.to_thread(_file, wanted, tiles)


def sheet_of(
    group: Group, image_format: SheetFormat, *, tile: int, columns: int | None
) -> ContactSheet:
    """What a sheet of a group shows: the jobs that succeeded, in the order of their inputs.

    What is left out stands in its title. Raises `ConflictError` where nothing is there to show.
    """
    found = [path for path in map(_picture_of, group.jobs) if path is not None]
    counts: Counter[JobStatus] = Counter(job.status for job in group.jobs)
    if not found:
        raise _nothing_yet(group)
    shown = found[: min(MAX_PICTURES, MAX_PIXELS // tile**2)]
    title = f"Group {group.id}"
    if left_out := counts - Counter({"succeeded": len(shown)}):
        title += f": {len(shown)} of {len(group.jobs)} jobs. Left out: {_counted(left_out)}"
    return ContactSheet(title, tuple(shown), image_format, tile, columns)


def sheet_of_grid(
    group: Group,
    title: str,
    labels: tuple[Sequence[str], Sequence[str]],
    image_format: SheetFormat,
    *,
    tile: int,
) -> ContactSheet:
    """What a sheet of a grid with these labels shows: every cell, or the first rows of many.

    A cell without a picture says why. Raises `ConflictError` where none has one.
    """
    if not any(map(_picture_of, group.jobs)):
        raise _nothing_yet(group)
    x, y = labels
    most = min(MAX_PICTURES, MAX_PIXELS // tile**2)
    columns, rows = x[:most], y[: max(1, most // len(x))]
    jobs = {number_of(job.id): job for job in group.jobs}
    shown = [
        _cell_of(jobs.get(row * len(x) + column + 1))
        for row in range(len(rows))
        for column in range(len(columns))
    ]
    title = scrub_prompt(title)
    if len(shown) < (count := len(x) * len(y)):
        title += f": {len(shown)} of {count} cells"
    return ContactSheet(title, tuple(shown), image_format, tile, labels=(columns, rows))


def _picture_of(job: Job) -> Path | None:
    """The picture of a job that succeeded."""
    if job.status != "succeeded" or job.listing.picture is None:
        return None
    return inside(job.folder, job.listing.picture)


def _cell_of(job: Job | None) -> Path | str:
    if job is None:
        return "deleted"
    if (picture := _picture_of(job)) is not None:
        return picture
    error = summary(job).error
    return job.status if error is None else f"{job.status}: {error.message}"


def _nothing_yet(group: Group) -> ConflictError:
    counts: Counter[JobStatus] = Counter(job.status for job in group.jobs)
    return ConflictError(
        f"group {group.id!r} has no picture of a job that succeeded: {_counted(counts)}. Ask again "
        "once one has."
    )


def _counted(counts: Mapping[JobStatus, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def _tile(wanted: ContactSheet, shown: Path | str) -> Tile:
    if wanted.labels is None and isinstance(shown, Path):
        return tile_of(shown, wanted.tile)
    return cell_of(shown, wanted.tile)


def _file(wanted: ContactSheet, tiles: Sequence[Tile]) -> bytes:
    if wanted.labels is None:
        columns = wanted.columns or usual_columns(len(tiles))
        sheet, where = Sheet(tuple(tiles), columns, wanted.title), "columns"
    else:
        sheet, where = grid_sheet(tiles, *wanted.labels, wanted.title), "tile"
    if wanted.format is SheetFormat.HTML:
        return sheet_page([sheet], wanted.title, side=wanted.tile).encode()
    style = SheetStyle(wanted.tile, font=fitting_font(list(sheet.texts)))
    try:
        return encode_sheet(sheet, style, ImageFormat(wanted.format.value))
    except ValueError as error:
        raise InputError(f"{where}: {error}.") from None


def _weight(parameters: Sequence[str]) -> float:
    """The `q` of a media type, 0 to 1."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
