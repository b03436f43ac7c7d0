"""`ninefold grid`: one image for every combination of values, and all of them on one sheet."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
import yaml

from ninefold.cache import StageCache
from ninefold.cli.grid_axes import Axis, parse_axes
from ninefold.cli.guard import DONE, FAILED, INTERRUPTED, say
from ninefold.cli.interrupt import cancelled_by_interrupt
from ninefold.cli.options import (
    DEFAULT_OUT,
    RunOptions,
    load_config,
    prepared_run,
    refuse_beside_resume,
    resolve_config,
    with_prompt,
)
from ninefold.cli.process import between_images, collector_held
from ninefold.cli.progress import progress_for_each
from ninefold.cli.report import Result, Status, as_document, failure_message, short
from ninefold.cli.run import plan_warnings
from ninefold.cli.settings import engines_for
from ninefold.cli.sheet import SheetOptions, check_outputs, write_sheets
from ninefold.core.atomic import write_atomic
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError, UserError
from ninefold.core.events import Observer
from ninefold.core.json_text import json_text
from ninefold.engines.engine_set import EngineSet
from ninefold.files.scrub import scrub_prompt
from ninefold.runs import Run
from ninefold.sheets.picture import check_fits
from ninefold.sheets.tiles import Sheet, Tile, tile_of
from ninefold.slots import resolve_seed

#: Cells of one grid.
MAX_CELLS = 1_000
_FILE, _CACHE, _CELLS = "grid.json", "cache", "cells"
_LAYOUT = 1


@dataclass(frozen=True)
class GridOptions:
    """What the command line said beside the options of images."""

    axes: tuple[str | None, str | None, str | None]
    images: RunOptions
    look: SheetOptions
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A grid in its folder: one folder a cell, in the order x, then y, then z.

    `labels` are those of each axis; an axis that was not given has one empty label.
    """

    folder: Path
    title: str
    labels: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    tile: int
    theme: str | None
    font: str | None
    fields: tuple[str, ...]

    @property
    def cells(self) -> tuple[Path, ...]:
        """The folder of each cell."""
        x, y, z = map(len, self.labels)
        return tuple(self.folder / _CELLS / f"{number + 1}" for number in range(x * y * z))

    @property
    def cell_labels(self) -> list[str]:
        """What each cell is, in words."""
        z, y, x = reversed(self.labels)
        return [", ".join(filter(None, reversed(parts))) for parts in product(z, y, x)]

    def save(self) -> None:
        """Write what `load` reads: the grid is whole from here on."""
        document = {"layout": _LAYOUT, **asdict(self)} | {"folder": None}
        write_atomic(self.folder / _FILE, json_text(document, indent=2).encode())

    @classmethod
    def load(cls, folder: Path) -> Grid:
        """The grid in a folder; raises `InputError` where there is none."""
        try:
            document = json.loads((folder / _FILE).read_bytes())
            if document.pop("layout") != _LAYOUT:
                raise ValueError("it is of another version")
            labels = tuple(tuple(map(str, axis)) for axis in document.pop("labels"))
            fields = tuple(document.pop("fields"))
            return cls(**document | {"folder": folder}, labels=labels, fields=fields)  # type: ignore[arg-type]
        except (OSError, ValueError, TypeError, KeyError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{folder}: expected the folder of a grid, but its {_FILE} cannot be read: "
                f"{reason}. Begin the grid anew."
            ) from None


@collector_held()
def run_grid(options: GridOptions, given: EngineSet | None) -> int:
    """Make the cells and the sheets, and return the exit code."""
    images = options.images
    engines = engines_for(images.settings_file, given, images.memory)
    if images.resume is not None:
        refuse_beside_resume(images, _said(options))
        return _finish(Grid.load(images.resume), engines, images)
    images = replace(with_prompt(images), command="grid")
    if images.count > 1:
        raise ConfigError("--count: a grid has one image a cell. Vary the seed: --x seed=1-4.")
    axes = parse_axes(options.axes, images)
    if not any(axis.name == "seed" for axis in axes):  # else every cell would take its own
        found = load_config(images.preset, images.config, images.settings)
        images = replace(images, seed=resolve_seed(images.seed, found.seed))
    if images.dry_run:
        with TemporaryDirectory() as place:
            grid = _begun(options, images, axes, engines, Path(place) / "grid")
            return _show_plan(grid, engines, images.as_json)
    folder = (images.out or DEFAULT_OUT) / f"grid-{PipelineContext().job_id}"
    return _finish(_begun(options, images, axes, engines, folder), engines, images)


def _said(options: GridOptions) -> list[str]:
    """The options of grids alone that were given."""
    look, usual = options.look, SheetOptions(out=())
    said = [f"--{name}" for name, text in zip("xyz", options.axes, strict=True) if text is not None]
    said += ["--fields"] if options.fields else []
    names = ("tile", "theme", "font")
    return said + [f"--{name}" for name in names if getattr(look, name) != getattr(usual, name)]


def _begun(
    options: GridOptions,
    images: RunOptions,
    axes: Sequence[Axis],
    engines: EngineSet,
    folder: Path,
) -> Grid:
    """A grid whose every cell was checked and lies ready in its folder.

    Raises `UserError` with every problem of every cell, and then leaves nothing behind.
    """
    by_letter = {axis.letter: axis for axis in axes}
    labels = tuple(by_letter[name].labels if name in by_letter else ("",) for name in "xyz")
    look = options.look
    grid = Grid(
        folder,
        scrub_prompt(images.prompt or ""),
        (labels[0], labels[1], labels[2]),
        look.tile,
        look.theme,
        str(look.font.absolute()) if look.font else None,
        options.fields,
    )
    count = len(grid.cells)
    if count > MAX_CELLS:
        raise ConfigError(f"expected a grid of at most {MAX_CELLS:,} cells, got {count:,}.")
    _check_look(grid, look)
    chosen = tuple(_chosen(images, axes))
    try:
        problems: dict[str, None] = {}
        for cell, values in zip(grid.cells, chosen, strict=True):
            try:
                _prepare(images, values, cell, engines)
            except UserError as error:
                problems |= dict.fromkeys(str(error).splitlines())
        if problems:
            raise ConfigError(list(problems))
        grid.save()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.is_dir() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
        raise
    return grid


def _chosen(images: RunOptions, axes: Sequence[Axis]) -> Iterator[tuple[tuple[Axis, str], ...]]:
    """The values of each cell, x changing first."""
    values = [[(axis, value) for value in axis.values] for axis in reversed(axes)]
    return (tuple(reversed(cell)) for cell in product(*values))


def _prepare(
    images: RunOptions, values: Sequence[tuple[Axis, str]], folder: Path, engines: EngineSet
) -> None:
    problems: list[str] = []
    for axis, value in values:
        try:
            images = axis.applied(images, value)
        except ConfigError as error:
            problems += error.problems
    try:
        config = resolve_config(images)
        prepared_run(replace(images, out=folder.parent), config, folder.name, engines)
    except UserError as error:
        problems += str(error).splitlines()
    if problems:
        raise ConfigError(problems)


def _check_look(grid: Grid, look: SheetOptions) -> None:
    check_outputs(replace(look, out=()))
    blank = Sheet(
        tuple(Tile("", None) for _ in range(len(grid.labels[0]) * len(grid.labels[1]))),
        len(grid.labels[0]),
        "",
        *_shown_labels(grid),
    )
    try:
        check_fits(blank, look.style)
    except ValueError as error:
        raise InputError(f"{error}, or a smaller --tile.") from None


def _finish(grid: Grid, engines: EngineSet, images: RunOptions) -> int:
    """Run what is not done yet of every cell, then write the sheets."""
    cache = StageCache(grid.folder / _CACHE)
    results: list[Result] = []
    names = grid.cell_labels
    for number, (folder, name) in enumerate(zip(grid.cells, names, strict=True), 1):
        run = Run.load(folder)
        label = f"cell {number} of {len(names)}" + (f" ({name})" if name else "")
        status: Status = "succeeded"
        if not run.finished:
            with progress_for_each(images.quiet, [label]) as (observer,):
                status = asyncio.run(_run(run, engines, cache, observer))
            between_images()
        run.context.pixels.clear()
        results.append(Result(run.context, status))
        if status == "cancelled":
            say(f"To go on: ninefold grid --resume {shlex.quote(short(grid.folder))}")
            return INTERRUPTED
        if status == "failed":
            say(f"warning: {label}: {failure_message(run.context)}")
    written = _write(grid, results, quiet=images.as_json)
    failed = [result for result in results if result.status == "failed"]
    if not failed:
        shutil.rmtree(grid.folder / _CACHE, ignore_errors=True)
    if images.as_json:
        _print_json(grid, results, written)
    return FAILED if failed else DONE


async def _run(
    run: Run, engines: EngineSet, cache: StageCache, observer: Observer | None
) -> Status:
    with cancelled_by_interrupt():
        try:
            await run.execute(engines, observer, around=cache.around)
        except asyncio.CancelledError:
            return "cancelled"
    return "failed" if run.context.error else "succeeded"


def _write(grid: Grid, results: Sequence[Result], *, quiet: bool) -> list[Path]:
    x, y, z = map(len, grid.labels)
    tiles = [_tile(grid, result) for result in results]
    sheets = [
        Sheet(
            tuple(tiles[page * x * y : (page + 1) * x * y]),
            x,
            " — ".join(filter(None, (grid.title, grid.labels[2][page]))),
            *_shown_labels(grid),
        )
        for page in range(z)
    ]
    look = SheetOptions(
        out=(grid.folder / "grid.png", grid.folder / "grid.html"),
        tile=grid.tile,
        theme="dark" if grid.theme == "dark" else "light" if grid.theme else None,
        font=Path(grid.font) if grid.font else None,
        force=True,
    )
    names = [""] if z == 1 else [f"-{page + 1}" for page in range(z)]
    return write_sheets(sheets, look, grid.title, names, quiet=quiet)


def _shown_labels(grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels of columns and rows; none of an axis that was not given."""
    x, y, _ = grid.labels
    return (() if x == ("",) else x), (() if y == ("",) else y)


def _tile(grid: Grid, result: Result) -> Tile:
    if result.status == "failed" or not result.files:
        return Tile("", None, problem=str(result.context.error or "no image"))
    tile = tile_of(result.files[0], grid.tile, grid.fields)
    return replace(tile, name="", problem=tile.problem if tile.picture is None else None)


def _show_plan(grid: Grid, engines: EngineSet, as_json: bool) -> int:
    runs = [Run.load(cell) for cell in grid.cells]
    config = runs[0].config.resolved()
    warnings = (plan_warnings(run.config.build(engines), run.context) for run in runs)
    for warning in dict.fromkeys(chain.from_iterable(warnings)):
        say(f"warning: {warning}")
    if as_json:
        cells = [{"label": name} for name in grid.cell_labels]
        typer.echo(json_text({"cells": cells, "config": config}, indent=2))
        return DONE
    for letter, labels in zip("xyz", grid.labels, strict=True):
        if labels != ("",):
            say(f"{letter}: {' | '.join(labels)}")
    say(f"{len(grid.cells)} cells; the first one:")
    typer.echo(yaml.safe_dump(config, sort_keys=False, allow_unicode=True).rstrip())
    return DONE


def _print_json(grid: Grid, results: Sequence[Result], written: Sequence[Path]) -> None:
    cells: list[dict[str, Any]] = [
        {"label": name, **as_document(result)}
        for name, result in zip(grid.cell_labels, results, strict=True)
    ]
    document = {
        "folder": str(grid.folder.absolute()),
        "sheets": [str(path.absolute()) for path in written],
        "cells": cells,
    }
    typer.echo(json_text(document, indent=2))
