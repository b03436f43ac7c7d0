"""Manifests of published images by their identifiers: what is left when a file lost its metadata.

An entry is a folder, `FIRST_BYTE/IDENTIFIER` in hex below the store's own: `manifest.json`, and
the C2PA manifest store of each signed file under the file's name and `.c2pa`. The same image made
again replaces its entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import InputError
from ninefold.files.identifier import IDENTIFIER_BYTES

#: Below the folder of marks: keys to sign with that ninefold made, and the store.
KEYS, MANIFESTS = "signing", "manifests"
_RECORD = "manifest.json"
_C2PA = ".c2pa"


@dataclass(frozen=True)
class StoredManifest:
    """What is kept of one published image."""

    identifier: bytes
    #: The manifest as `files.manifest.read_manifest` takes it.
    record: bytes
    #: The C2PA manifest stores of its files, by file name.
    c2pa: Mapping[str, bytes]


class ManifestStore:
    """Manifests in a folder, which is made with the first one; many processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self, identifier: bytes, record: bytes, c2pa: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Keep an image's manifest, and the C2PA manifest of each of its files that is signed.

        Each file appears whole or not at all, the record last. Raises OSError where the folder
        cannot be written or the disk is full.
        """
        entry = self._entry(identifier)
        entry.mkdir(parents=True, exist_ok=True)
        for name, data in (c2pa or {}).items():
            if data is not None:
                write_atomic(entry / f"{Path(name).name}{_C2PA}", data)
        write_atomic(entry / _RECORD, record)

    def find(self, identifier: bytes) -> StoredManifest | None:
        """What is kept under an identifier; None where nothing is."""
        entry = self._entry(identifier)
        try:
            record = (entry / _RECORD).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = sorted(entry.glob(f"*{_C2PA}"))
        return StoredManifest(
            identifier, record, {path.name.removesuffix(_C2PA): path.read_bytes() for path in found}
        )

    def identifiers(self) -> Iterator[bytes]:
        """Every identifier that has an entry, in order; none where the folder cannot be read."""
        try:
            records = sorted(self.folder.glob(f"??/*/{_RECORD}"))
        except OSError:
            return
        for record in records:
            try:
                yield bytes.fromhex(record.parent.name)
            except ValueError:
                continue

    def _entry(self, identifier: bytes) -> Path:
        if len(identifier) != IDENTIFIER_BYTES:
            raise InputError(
                f"identifier: expected {IDENTIFIER_BYTES} bytes, got {len(identifier)}."
            )
        name = identifier.hex()
        return self.folder / name[:2] / name
