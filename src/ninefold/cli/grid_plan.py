"""A grid's cells: every one checked and ready in its folder before any is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from math import prod
from pathlib import Path

from ninefold.cli.grid_axes import Axis
from ninefold.cli.options import RunOptions, prepared_run, resolve_config
from ninefold.cli.sheet import SheetOptions, check_outputs
from ninefold.core.atomic import write_atomic
from ninefold.core.errors import ConfigError, InputError, UserError
from ninefold.core.json_text import json_text
from ninefold.engines.engine_set import EngineSet
from ninefold.files.scrub import scrub_prompt
from ninefold.sheets.axes import MAX_CELLS, deciding_axis
from ninefold.sheets.picture import check_fits
from ninefold.sheets.theme import Theme
from ninefold.sheets.tiles import Sheet, Tile, grid_sheet

_FILE, _CELLS = "grid.json", "cells"
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
    theme: Theme | None
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

    def sheets(self, tiles: Sequence[Tile]) -> list[Sheet]:
        """One sheet for each value of z, of a tile for each cell."""
        columns, rows, pages = self.labels
        size = len(columns) * len(rows)
        return [
            grid_sheet(
                tiles[page * size : (page + 1) * size],
                columns,
                rows,
                " — ".join(filter(None, (self.title, label))),
            )
            for page, label in enumerate(pages)
        ]

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
            theme = Theme(named) if (named := document.pop("theme")) else None
            return cls(**document | {"folder": folder}, labels=labels, theme=theme, fields=fields)  # type: ignore[arg-type]
        except (OSError, ValueError, TypeError, KeyError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{folder}: expected the folder of a grid, but its {_FILE} cannot be read: "
                f"{reason}. Begin the grid anew."
            ) from None


def prepare_grid(
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
        problems: dict[str, list[int]] = {}
        for number, (cell, values) in enumerate(zip(grid.cells, chosen, strict=True)):
            for problem in _problems(images, values, cell, engines):
                problems.setdefault(problem, []).append(number)
        if problems:
            alone = partial(_problems, images, folder=folder / "alone", engines=engines)
            named = _named(problems, axes, alone)
            raise ConfigError(list(dict.fromkeys(named)))
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


def _named(
    problems: Mapping[str, Collection[int]],
    axes: Sequence[Axis],
    alone: Callable[[Sequence[tuple[Axis, str]]], Sequence[str]],
) -> Iterator[str]:
    """Problems of cells, those that an axis brings in as of it; `alone` tells those of a run with
    but some of a cell's values."""
    lengths = [len(axis.values) for axis in axes]
    usual: Sequence[str] | None = None
    for problem, cells in problems.items():
        if (decided := deciding_axis(cells, lengths)) is not None:
            yield axes[decided[0]].named(problem)
            continue
        if len(cells) == prod(lengths):
            usual = alone([]) if usual is None else usual
            if problem not in usual:
                bring = (axis for axis in axes if problem in alone([(axis, axis.values[0])]))
                if (axis := next(bring, None)) is not None:
                    yield axis.named(problem)
                    continue
        yield problem


def _problems(
    images: RunOptions, values: Sequence[tuple[Axis, str]], folder: Path, engines: EngineSet
) -> list[str]:
    """What is wrong with a cell; where nothing is, it lies ready in its folder."""
    try:
        _prepare(images, values, folder, engines)
    except UserError as error:
        return str(error).splitlines()
    return []


def _prepare(
    images: RunOptions, values: Sequence[tuple[Axis, str]], folder: Path, engines: EngineSet
) -> None:
    problems: list[str] = []
    for axis, value in sorted(values, key=lambda item: item[0].lora is not None):  # of each prompt
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
    check_outputs(look)
    try:
        for sheet in grid.sheets([Tile("", None)] * len(grid.cells)):
            check_fits(sheet, look.style)
    except ValueError as error:
        raise InputError(f"{error}, or a smaller --tile.") from None
