"""Finding the record of how an image was made: in its file, or in the manifest store."""

from __future__ import annotations

from ninefold.core.errors import InputError
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.watermark import WATERMARK, find_any
from ninefold.files.decode import decode
from ninefold.files.embed import read_record
from ninefold.files.manifest import Manifest, read_manifest
from ninefold.files.manifest_store import ManifestStore

_REMEDY = (
    "Files of ninefold's hold one at the metadata level full; else give the manifest.json that "
    "was written beside it, with --record."
)


def manifest_of(data: bytes, name: str) -> Manifest:
    """What the file `name`, a manifest.json, says; raises `InputError`."""
    try:
        return read_manifest(data)
    except ValueError as error:
        raise InputError(f"{name}: {error}.") from None


def find_record(data: bytes, engines: EngineSet, store: ManifestStore | None) -> Manifest:
    """How an image file was made: by its own record, else by what its watermark names.

    Raises `InputError` where there is neither, or the file is no image.
    """
    try:
        record = read_record(data)
    except ValueError as error:
        raise InputError(f"{error}. {_REMEDY}") from None
    found = record or _by_watermark(data, engines, store)
    if found is None:
        raise InputError(f"expected a record of how it was made, got none. {_REMEDY}")
    return found


def _by_watermark(data: bytes, engines: EngineSet, store: ManifestStore | None) -> Manifest | None:
    if store is None or not engines.engines.get(WATERMARK):
        return None
    try:
        found = find_any(engines[WATERMARK], decode(data))
    except ValueError:  # too small to tell
        return None
    kept = None if found is None else store.find(found.identifier)
    return None if kept is None else read_manifest(kept.record)
