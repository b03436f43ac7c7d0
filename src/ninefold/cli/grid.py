"""`ninefold grid`: one image for every combination of values, and all of them on one sheet."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
import yaml

from ninefold.cache import StageCache
from ninefold.cli.grid_axes import parse_axes
from ninefold.cli.grid_plan import Grid, GridOptions, prepare_grid
from ninefold.cli.guard import DONE, FAILED, INTERRUPTED, say
from ninefold.cli.interrupt import cancelled_by_interrupt
from ninefold.cli.options import (
    DEFAULT_OUT,
    RunOptions,
    load_config,
    refuse_beside_resume,
    with_prompt,
)
from ninefold.cli.process import between_images, collector_held
from ninefold.cli.progress import progress_for_each
from ninefold.cli.report import Result, Status, as_document, failure_message, short
from ninefold.cli.settings import engines_for
from ninefold.cli.sheet import SheetOptions, write_sheets
from ninefold.config import WITHOUT_LORAS
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError
from ninefold.core.events import Observer
from ninefold.core.json_text import json_text
from ninefold.engines.engine_set import EngineSet
from ninefold.plan_warnings import plan_warnings
from ninefold.runs import Run
from ninefold.sheets.tiles import cell_of
from ninefold.slots import resolve_seed

#: Of stages that cells have in common, in the folder of the grid until it is done.
_CACHE = "cache"


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
    found = load_config(images.preset, images.config, images.settings)
    if not any(axis.name == "seed" for axis in axes):  # else every cell would take its own
        images = replace(images, seed=resolve_seed(images.seed, found.seed))
    if loras := [axis for axis in axes if axis.lora is not None]:
        if not found.applies_loras:
            raise ConfigError(f"{loras[0].option}: {WITHOUT_LORAS}")
        images = replace(images, prompt=images.prompt or found.prompt)
    if images.dry_run:
        with TemporaryDirectory() as place:
            grid = prepare_grid(options, images, axes, engines, Path(place) / "grid")
            return _show_plan(grid, engines, images.as_json)
    folder = (images.out or DEFAULT_OUT) / f"grid-{PipelineContext().job_id}"
    return _finish(prepare_grid(options, images, axes, engines, folder), engines, images)


def _said(options: GridOptions) -> list[str]:
    """The options of grids alone that were given."""
    look, usual = options.look, SheetOptions(out=())
    said = [f"--{name}" for name, text in zip("xyz", options.axes, strict=True) if text is not None]
    said += ["--fields"] if options.fields else []
    names = ("tile", "theme", "font")
    return said + [f"--{name}" for name in names if getattr(look, name) != getattr(usual, name)]


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
    sheets = grid.sheets([cell_of(_picture(result), grid.tile, grid.fields) for result in results])
    look = SheetOptions(
        out=(grid.folder / "grid.png", grid.folder / "grid.html"),
        tile=grid.tile,
        theme=grid.theme,
        font=Path(grid.font) if grid.font else None,
        force=True,
    )
    names = [""] if len(sheets) == 1 else [f"-{page + 1}" for page in range(len(sheets))]
    return write_sheets(sheets, look, grid.title, names, quiet=quiet)


def _picture(result: Result) -> Path | str:
    """The file of a cell, or why there is none."""
    if result.status == "failed" or not result.files:
        return str(result.context.error or "no image")
    return result.files[0]


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
