"""The folder of ninefold's own models: one entry, a small JSON file, for each that was added or
pulled.

    entries/NAME.json    what it is, where it came from, the SHA-256 of its files
    files/NAME...        the file, or the folder, unless the model stays where it was

An entry is written last and removed last, so that what an interrupted command leaves is no model.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import ModelError
from ninefold.engines.local_models.places import KINDS, Kind, Place

#: How an entry came to its files: a hard link or a copy of its own, the user's file where it lies,
#: or the hub's cache.
Holding = Literal["link", "copy", "reference", "hub"]
#: What the folder is called among those that models are found in.
ADDED = "added"
_LAYOUT = 1


@dataclass(frozen=True)
class FileRecord:
    """A file as it was when its entry was made."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A model that was added or pulled."""

    name: str
    kind: Kind
    holding: Holding
    #: The file or folder.
    path: Path
    #: Where it came from: a path, or `owner/name@revision` of the hub.
    source: str
    #: Its files, by their paths below `path`; "" for a single file.
    files: Mapping[str, FileRecord]
    #: The commit of the hub that it is of.
    commit: str = ""

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.path, self.name, ADDED, self.kind, from_hub=self.holding == "hub")

    @property
    def is_own(self) -> bool:
        """Whether its files are ninefold's to remove."""
        return self.holding in ("link", "copy")


class Entries:
    """The entries in a library's folder."""

    def __init__(self, library: Path) -> None:
        self.folder = library / "entries"
        self.files = library / "files"

    def all(self) -> tuple[Entry, ...]:
        """Every entry, by name; those that cannot be read are left out."""
        if not self.folder.is_dir():
            return ()
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                found.append(_read(path))
            except ModelError:
                continue
        return tuple(found)

    def get(self, name: str) -> Entry | None:
        """The entry of a name, if there is one; raises `ModelError` where it cannot be read."""
        path = self._file(name)
        return _read(path) if path.is_file() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within the block no other process or thread changes the library; raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # let go of when it is closed
            yield

    def add(self, entry: Entry) -> None:
        """Write an entry, in place of one of the same name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"layout": _LAYOUT, **asdict(entry), "path": os.fspath(entry.path)}
        write_atomic(self._file(entry.name), json.dumps(document, indent=2).encode())

    def remove(self, entry: Entry) -> None:
        """Remove an entry; its files are the caller's to remove before."""
        self._file(entry.name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.json"


def _read(path: Path) -> Entry:
    """Raises `ModelError` for a file that is no entry, or one of a later version."""
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        if values.pop("layout") != _LAYOUT:
            raise ValueError("it was written by another version of ninefold")
        files = {name: FileRecord(**record) for name, record in values.pop("files").items()}
        found = Entry(**values | {"path": Path(values["path"]), "files": files})
        if found.kind not in KINDS or found.holding not in get_args(Holding):
            raise ValueError("it is of no known kind")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"The entry {path} cannot be read: {error}. Remove it, and add the model again."
        ) from error
    return found
