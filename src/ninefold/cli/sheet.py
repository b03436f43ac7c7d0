"""`ninefold sheet`: pictures of files on one sheet, with what they were made by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from ninefold.cli.guard import DONE, FAILED, say
from ninefold.core.atomic import write_atomic
from ninefold.core.errors import InputError
from ninefold.files.formats import FORMATS, ImageFormat, image_format
from ninefold.files.jxl import JXL_MISSING, jxl_installed
from ninefold.sheets.page import sheet_page
from ninefold.sheets.picture import SheetStyle, encode_sheet
from ninefold.sheets.text import fitting_font, missing_characters
from ninefold.sheets.theme import Theme
from ninefold.sheets.tiles import USUAL_FIELDS, Sheet, Tile, image_files, tile_of, usual_columns

#: Of one sheet.
MAX_FILES = 2_000
PAGES = (".html", ".htm")
_SHOWN_CHARACTERS = 20


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """How sheets look and where they go; `theme` None is light, and on a page the reader's own."""

    out: tuple[Path, ...]
    tile: int = 256
    theme: Theme | None = None
    font: Path | None = None
    force: bool = False

    @property
    def style(self) -> SheetStyle:
        """Of pictures."""
        return SheetStyle(self.tile, self.theme or Theme.LIGHT, self.font)


def make_sheet(
    files: Sequence[Path],
    options: SheetOptions,
    *,
    columns: int | None,
    fields: Sequence[str] | None,
    title: str,
) -> int:
    """Write the sheet and return the exit code: 1 where a file could not be shown."""
    found = image_files(files)
    if not 1 <= len(found) <= MAX_FILES:
        raise InputError(
            f"FILES: expected 1 to {MAX_FILES:,} image files, got {len(found)}. Name some, or a "
            "folder that holds some."
        )
    check_outputs(options, found)
    tiles = tuple(
        tile_of(path, options.tile, USUAL_FIELDS if fields is None else fields) for path in found
    )
    broken = [tile for tile in tiles if tile.picture is None]
    if len(broken) == len(tiles):
        raise InputError("\n".join(f"{tile.name}: {tile.problem}" for tile in broken))
    for tile in broken:
        say(f"warning: {tile.name}: {tile.problem}")
    _report_unknown_fields(tiles, fields or ())
    write_sheets([Sheet(tiles, columns or usual_columns(len(tiles)), title)], options, title)
    return FAILED if broken else DONE


def check_outputs(options: SheetOptions, sources: Sequence[Path] = ()) -> None:
    """Raise `InputError` with everything that is wrong with where sheets go, and with the font."""
    problems = []
    taken = {path.resolve() for path in sources}
    for path in options.out:
        try:
            kind = None if path.suffix.lower() in PAGES else image_format(path.suffix)
        except ValueError:
            known = ", ".join(info.suffixes[0] for info in FORMATS.values())
            problems.append(
                f"--out {path.name}: expected a name that ends in {known} or .html. Rename it."
            )
            continue
        if kind is ImageFormat.JXL and not jxl_installed():
            problems.append(f"--out {path.name}: {JXL_MISSING}, or choose another format.")
        if not path.parent.is_dir():
            problems.append(f"--out {path.name}: its folder does not exist. Make it first.")
        elif path.resolve() in taken:
            problems.append(f"--out {path.name}: is one of the files shown. Choose another name.")
        elif path.exists() and not options.force:
            problems.append(f"--out {path.name}: exists. Choose another name, or add --force.")
    try:
        options.style.fonts()
    except ValueError as error:
        problems.append(f"--font: {error}.")
    if problems:
        raise InputError("\n".join(problems))


def write_sheets(
    sheets: Sequence[Sheet],
    options: SheetOptions,
    title: str,
    names: Sequence[str] = ("",),
    *,
    quiet: bool = False,
) -> list[Path]:
    """Write each picture and page, and print their names unless `quiet`.

    Of several sheets each becomes a picture, whose name ends in its one of `names`; a page holds
    all of them.
    """
    written = []
    if any(path.suffix.lower() not in PAGES for path in options.out):
        options = _with_font(sheets, options)
    for path in options.out:
        if path.suffix.lower() in PAGES:
            text = sheet_page(sheets, title or path.stem, side=options.tile, theme=options.theme)
            written.append(_write(path, text.encode()))
            continue
        for sheet, name in zip(sheets, names, strict=True):
            written.append(_write(path.with_stem(path.stem + name), _picture(sheet, options, path)))
    if not quiet:
        for path in written:
            typer.echo(path)
    return written


def _picture(sheet: Sheet, options: SheetOptions, path: Path) -> bytes:
    try:
        return encode_sheet(sheet, options.style, image_format(path.suffix))
    except ValueError as error:
        raise InputError(f"--out {path.name}: {error}.") from None


def _write(path: Path, data: bytes) -> Path:
    write_atomic(path, data)
    return path


def _with_font(sheets: Sequence[Sheet], options: SheetOptions) -> SheetOptions:
    """The options with a font for what the sheets say; characters that it lacks are reported."""
    texts = [text for sheet in sheets for text in sheet.texts]
    if options.font is None:
        options = replace(options, font=fitting_font(texts))
    if missing := missing_characters(texts, options.style.fonts()[0]):
        shown = "".join(missing[:_SHOWN_CHARACTERS])
        more = "..." if len(missing) > _SHOWN_CHARACTERS else ""
        say(
            f"warning: the font has no glyph for {len(missing)} characters ({shown}{more}), which "
            "show as boxes. Give one that has them with --font FILE, or write a page (.html)."
        )
    return options


def _report_unknown_fields(tiles: Sequence[Tile], fields: Sequence[str]) -> None:
    known = {name.lower(): name for tile in tiles for name in tile.known}
    unknown = [
        field
        for field in fields
        if field.lower() not in known and field.lower() not in ("all", "none")
    ]
    if unknown:
        have = ", ".join(sorted(known.values())) or "none"
        say(f"warning: no file has {', '.join(unknown)}; the files have: {have}.")
