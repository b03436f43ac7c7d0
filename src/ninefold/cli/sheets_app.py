"""`sheet` and `grid`: their arguments and options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ninefold.cli.guard import guarded


class ThemeName(StrEnum):
    """The values of `Theme`."""

    light = "light"
    dark = "dark"


Tile = Annotated[
    int, typer.Option(min=64, max=1024, metavar="PIXELS", help="Longer side of each picture.")
]
Font = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A TrueType or OpenType font; by default Pillow's own, or one of the system's where "
        "that lacks characters.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
Look = Annotated[
    ThemeName | None,
    typer.Option("--theme", help="By default light; a page takes on the reader's own choice."),
]


@guarded
def sheet(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Image files, and folders that hold some."),
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Where to: a picture by its suffix, or a page (.html); repeatable; by default "
            "sheet.png.",
        ),
    ] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, max=100, help="By default about as many as rows.")
    ] = None,
    tile: Tile = 256,
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="What to say below each picture: prompt, negative prompt, and names of infotext "
            "such as Seed; all, or none.",
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="A line above the sheet.")] = "",
    theme: Look = None,
    font: Font = None,
    force: Force = False,
) -> int:
    """Show FILES on one sheet, each with what it was made by.

    Files that cannot be read are shown as what they are. Exit codes: 0 done, 1 some files could
    not be shown, 2 bad input.
    """
    from ninefold.cli.sheet import SheetOptions, make_sheet

    named = None if fields is None else [name.strip() for name in fields.split(",")]
    options = SheetOptions(
        out=tuple(out or [Path("sheet.png")]),
        tile=tile,
        theme="dark" if theme == "dark" else "light" if theme else None,
        font=font,
        force=force,
    )
    return make_sheet(files, options, columns=columns, fields=named, title=title)
