"""Paths as people write them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator


def ending(path: PurePath | str) -> str:
    """How a file's name ends, in lower case: `.safetensors` of `Model.SafeTensors`, too."""
    return PurePath(path).suffix.lower()


def expand_home(path: str | Path) -> Path:
    """With `~` or `~name` at its start as that home folder; as it is where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def inside(folder: Path, name: str) -> Path | None:
    """The file of this name in a folder; None for a name that leads out of it."""
    path = folder / name
    return path if path.is_relative_to(folder) and ".." not in path.parts else None


def files_below(folder: Path, endings: Collection[str]) -> list[Path]:
    """Files below a folder, sorted, whose names end so; none where there is no such folder.

    Pipes, sockets and links to nowhere are left out: opening them fails, or waits for ever. Raises
    `OSError` for a folder that cannot be read.
    """
    if not folder.is_dir():
        return []
    found = (path for path in folder.rglob("*") if ending(path) in endings)
    return sorted(path for path in found if path.is_file())


def _expanded(value: Any) -> Any:
    if not isinstance(value, str | Path):
        return value
    path = expand_home(value)
    if path.parts[:1] and path.parts[0].startswith("~"):
        raise ValueError(
            f"expected a folder, and {path.parts[0]} is nobody's home; name another one, or write "
            "the whole path of one that is called so"
        )
    return path


#: A path, mostly of a folder, in which `~` is the home folder.
Folder = Annotated[Path, BeforeValidator(_expanded)]
