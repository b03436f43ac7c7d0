"""Paths as people write them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePath


def ending(path: PurePath | str) -> str:
    """How a file's name ends, in lower case: `.safetensors` of `Model.SafeTensors`, too."""
    return PurePath(path).suffix.lower()


def expand_home(path: str | Path) -> Path:
    """With `~` or `~name` at its start as that home folder; as it is where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def files_below(folder: Path, endings: Collection[str]) -> list[Path]:
    """Files below a folder, sorted, whose names end so; none where there is no such folder.

    Pipes, sockets and links to nowhere are left out: opening them fails, or waits for ever. Raises
    `OSError` for a folder that cannot be read.
    """
    if not folder.is_dir():
        return []
    found = (path for path in folder.rglob("*") if ending(path) in endings)
    return sorted(path for path in found if path.is_file())
