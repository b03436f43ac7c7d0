"""What a sheet shows: pictures, each with what it was made by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ninefold.files.decode import decode
from ninefold.files.embed import read_infotext, read_xmp
from ninefold.files.formats import FORMATS
from ninefold.files.infotext import Infotext
from ninefold.files.opening import OWN_LIMITS, read_bytes
from ninefold.files.readers import Generation, read_file
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text
from ninefold.files.xmp import parse_xmp
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Pixels

PROMPT, NEGATIVE = "Prompt", "Negative prompt"
#: What is said below a picture where nobody chooses.
USUAL_FIELDS = (PROMPT, "Steps", "Sampler", "CFG scale", "Seed", "Size", "Model")
_SUFFIXES = frozenset(suffix for info in FORMATS.values() for suffix in info.suffixes)


@dataclass(frozen=True)
class Tile:
    """A picture, no wider or higher than the tile, and what is said below it: names and values.

    `picture` is None where there is none; `problem` then says why. `known` are the names of all
    that the file says, shown or not.
    """

    name: str
    picture: Pixels | None
    caption: tuple[tuple[str, str], ...] = ()
    problem: str | None = None
    known: tuple[str, ...] = ()
    made_by_ai: bool = False


@dataclass(frozen=True)
class Sheet:
    """Tiles in rows of `columns`; labels stand above the columns and beside the rows."""

    tiles: tuple[Tile, ...]
    columns: int
    title: str = ""
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()

    @property
    def rows(self) -> Iterator[tuple[Tile, ...]]:
        """The tiles of each row."""
        return (
            self.tiles[at : at + self.columns] for at in range(0, len(self.tiles), self.columns)
        )

    @property
    def texts(self) -> Iterator[str]:
        """All that is written on it, for the choice of a font."""
        yield from (self.title, *self.column_labels, *self.row_labels)
        for tile in self.tiles:
            yield tile.name
            yield from (value for _, value in tile.caption)


def usual_columns(count: int) -> int:
    """Columns for `count` tiles: about as many as rows, and at most 8."""
    return max(1, min(8, math.ceil(math.sqrt(count))))


def image_files(paths: Iterable[Path]) -> list[Path]:
    """The files, and in place of each folder the image files that lie right in it, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                item
                for item in path.iterdir()
                if item.suffix.lower() in _SUFFIXES and item.is_file()
            )
        else:
            found.append(path)
    return found


def tile_of(path: Path, side: int, fields: Sequence[str] = USUAL_FIELDS) -> Tile:
    """The picture of a file, at most `side` pixels wide and high, and the fields that it has.

    Fields are `Prompt`, `Negative prompt`, `Tool`, and names of infotext, whichever tool wrote the
    file, in any case; `all` stands for every one. A file that cannot be read becomes a tile that
    says so.
    """
    try:
        data = read_bytes(path, OWN_LIMITS)
        picture = _fitted(decode(data, OWN_LIMITS), side)
    except ValueError as error:
        return Tile(path.name, None, problem=str(error).removeprefix("image: "))
    try:
        found = read_file(data, OWN_LIMITS).generation
        info = read_infotext(data)
        by_ai = (packet := read_xmp(data)) is not None and parse_xmp(packet) is not None
    except ValueError:  # damaged metadata of a good picture
        found, info, by_ai = None, None, False
    said = _said(found, info) if found else {}
    return Tile(
        path.name,
        picture,
        tuple(_chosen(said, fields)),
        None if found else "no generation data in the file",
        tuple(said),
        by_ai or found is not None,
    )


def cell_of(picture: Path | str, side: int, fields: Sequence[str] = ()) -> Tile:
    """A cell of a grid, which its labels name: the picture of a file, or why there is none."""
    if isinstance(picture, str):
        return Tile("", None, problem=scrub_text(picture))
    tile = tile_of(picture, side, fields)
    return replace(tile, name="", problem=tile.problem if tile.picture is None else None)


def grid_sheet(
    tiles: Sequence[Tile], columns: Sequence[str], rows: Sequence[str], title: str
) -> Sheet:
    """A tile for each label of the columns, row by row; an axis that was not given has one empty
    label, which is left out."""
    above, beside = (() if tuple(axis) == ("",) else tuple(axis) for axis in (columns, rows))
    return Sheet(tuple(tiles), len(columns), title, above, beside)


def _fitted(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    if max(width, height) <= side:
        return pixels
    return resize(pixels, *fit_size(width, height, side=side, multiple=1))


def _said(found: Generation, info: Infotext | None) -> dict[str, str]:
    """All that the file says, without paths and secrets: a sheet is a file to be passed on."""
    sides = (found.width, found.height)
    values: dict[str, object] = {
        PROMPT: found.prompt,
        NEGATIVE: found.negative_prompt,
        "Steps": found.steps,
        "Sampler": " ".join(filter(None, (found.sampler, found.schedule))),
        "CFG scale": found.guidance_scale,
        "Seed": found.seed,
        "Size": None if None in sides else f"{found.width}x{found.height}",
        "Model": found.model.name,
        "Denoising strength": found.strength,
        "LoRAs": ", ".join(lora.name for lora in found.loras),
        "Tool": found.tool,
    }
    values |= {name: value for name, value in found.other.items() if name not in values}
    if info is not None:
        values |= {name: value for name, value in info.fields.items() if not values.get(name)}
    said: dict[str, str] = {}
    for name, value in values.items():
        text = f"{value:g}" if isinstance(value, float) else str("" if value is None else value)
        if text and not is_secret_key(name):
            prompt = name in (PROMPT, NEGATIVE) or is_prompt_key(name)
            said[name] = scrub_prompt(text) if prompt else scrub_text(text)
    return said


def _chosen(said: dict[str, str], fields: Sequence[str]) -> Iterator[tuple[str, str]]:
    names = {name.lower(): name for name in said}
    wanted = names if "all" in {field.lower() for field in fields} else map(str.lower, fields)
    for field in wanted:
        if (name := names.get(field)) is not None and said[name]:
            yield name, said[name]
