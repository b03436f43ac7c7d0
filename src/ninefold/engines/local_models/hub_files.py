"""Removing pulled files from the hub's cache, which other tools use, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ninefold.engines.local_models.entries import Entry


def remove_from_cache(entry: Entry, others: Iterable[Entry]) -> None:
    """Remove the files of a pulled model, but for those that another entry holds, too; then what
    nothing in its repository's folder leads to any more."""
    kept = {path.absolute() for other in others if other.holding == "hub" for path in _paths(other)}
    contents = set[Path]()
    for path in _paths(entry):
        if path.absolute() not in kept:
            contents.add(path.resolve())
            path.unlink(missing_ok=True)
    snapshot = _snapshot(entry)
    if snapshot is None:
        return
    repository = snapshot.parent.parent
    used = {path.resolve() for path in repository.glob("snapshots/**/*") if path.is_file()}
    for content in contents - used:
        if content.parent == (repository / "blobs").resolve():
            content.unlink(missing_ok=True)
    _remove_empty(snapshot)
    if not snapshot.exists():
        for reference in (repository / "refs").rglob("*"):
            if reference.is_file() and reference.read_text(encoding="utf-8") == entry.commit:
                reference.unlink()
    if not any(repository.glob("snapshots/*")):
        shutil.rmtree(repository, ignore_errors=True)


def _paths(entry: Entry) -> list[Path]:
    return [entry.path / below if below else entry.path for below in entry.files]


def _snapshot(entry: Entry) -> Path | None:
    """The folder of the entry's commit in the cache."""
    return next((at for at in (entry.path, *entry.path.parents) if at.name == entry.commit), None)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, as far as they are empty."""
    if not folder.is_dir():
        return
    for inside in folder.iterdir():
        if inside.is_dir() and not inside.is_symlink():
            _remove_empty(inside)
    with suppress(OSError):  # it is not empty
        folder.rmdir()
