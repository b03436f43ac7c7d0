"""`sheet` and `grid`: their arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ninefold.cli import arguments as a
from ninefold.cli.guard import guarded
from ninefold.cli.image_options import ImageOptions, with_image_options
from ninefold.sheets.theme import Theme

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
    Theme | None,
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
    places = tuple(out or [Path("sheet.png")])
    options = SheetOptions(out=places, tile=tile, theme=theme, font=font, force=force)
    return make_sheet(files, options, columns=columns, fields=named, title=title)


def _axis(what: str) -> Any:
    return typer.Option(metavar="NAME=VALUE,...", help=what)


@guarded
@with_image_options
def grid(
    images: ImageOptions,
    context: typer.Context,
    x: Annotated[
        str | None,
        _axis(
            "What changes from column to column: stage.parameter, such as detailer.strength; "
            "model, seed, size, steps, guidance, scheduler, quality, strength or components; "
            "lora:NAME, the weight of a LoRA; or prompt, whose first value is replaced in the "
            "prompt by each. 1-10:3 is 1, 4, 7, 10."
        ),
    ] = None,
    y: Annotated[str | None, _axis("What changes from row to row.")] = None,
    z: Annotated[str | None, _axis("What changes from one sheet to the next.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder that gets one folder a grid; by default ninefold-out."),
    ] = None,
    tile: Tile = 256,
    fields: Annotated[
        str, typer.Option(metavar="NAME,...", help="What to say below each picture, as of `sheet`.")
    ] = "",
    theme: Look = None,
    font: Font = None,
    as_json: a.AsJson = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say nothing but warnings and errors on stderr.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every cell, print the plan and stop.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Go on with the grid in DIR at its first open cell."),
    ] = None,
    settings_file: a.SettingsFile = None,
    memory: a.Memory = None,
) -> int:
    """Make images of PROMPT for every combination of values, and show them on one sheet.

    Everything is checked before anything runs, and what cells have in common runs once. The sheet
    and a page are listed on stdout. Exit codes: 0 done, 1 a cell failed, 2 bad input, 130
    interrupted.
    """
    from ninefold.cli.grid import run_grid
    from ninefold.cli.grid_plan import GridOptions
    from ninefold.cli.options import RunOptions
    from ninefold.cli.sheet import SheetOptions

    options = RunOptions.of(
        images,
        out=out,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        resume=resume,
        settings_file=settings_file,
        memory=memory,
    )
    named = tuple(name.strip() for name in fields.split(",") if name.strip())
    look = SheetOptions(out=(), tile=tile, theme=theme, font=font)
    return run_grid(GridOptions((x, y, z), options, look, named), context.obj)
