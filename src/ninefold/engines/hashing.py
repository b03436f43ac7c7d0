"""Fingerprints of weights: how a model is named in metadata, and how a damaged one is noticed."""

from __future__ import annotations

import hashlib
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines.file_memory import FileMemory, FileStamp
from ninefold.engines.weight_headers import check_regular, read_safetensors

#: Bytes from which a file is hashed once for all processes rather than once in each.
_WORTH_REMEMBERING = 1 << 24

#: Hashes that headers may declare.
_DECLARED = re.compile("[0-9a-fA-F]{12,64}")
#: Digits that are shown of a hash, and by which AUTOMATIC1111 knows models; of LoRAs and textual
#: inversions it takes two more.
SHORT_HASH, SHORT_ADDED_HASH = 10, 12

_Key = tuple[str, int, int]
_digests: dict[_Key, str] = {}
_lora_digests: dict[_Key, str] = {}
_lock = threading.Lock()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex, remembered until its size or time of change differs: by this
    process, and of a large file by all (`file_memory.py`).

    Raises `ModelError` if the file cannot be read.
    """
    key = _key(path)
    with _lock:
        known = _digests.get(key)
    if known is None:
        known = remembered_sha256(path) or read_sha256(path)
        with _lock:
            _digests[key] = known
    return known


def _known_sha256(path: Path) -> str | None:
    with _lock:
        known = _digests.get(_key(path))
    return known or remembered_sha256(path)


def remembered_sha256(path: Path) -> str | None:
    """The SHA-256 of a large file as some process found it, if the file has not changed since."""
    stamp = FileStamp.of(path)
    if stamp.size < _WORTH_REMEMBERING:
        return None
    return FileMemory.of_user().recall(path, stamp, "sha256")


def read_sha256(path: Path) -> str:
    """The SHA-256 of a file as it is now, whatever is remembered; remembered anew.

    Raises `ModelError` if the file cannot be read.
    """
    before = FileStamp.of(path)
    check_regular(path)
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"Cannot read {path.name}: {error.strerror}.") from error
    if before.size >= _WORTH_REMEMBERING and FileStamp.of(path) == before:
        FileMemory.of_user().remember(path, before, "sha256", found)
    return found


def weights_hash(files: Sequence[Path], root: Path) -> str:
    """The SHA-256 that names a model, in hex.

    One file: its own. Several: over the files' own digests (raw, in the order of their paths below
    `root`, then of others' folders and names), so each file is read once.
    """
    if len(files) == 1:
        return file_sha256(files[0])
    over = hashlib.sha256()
    for path in sorted(files, key=lambda file: _place(file, root)):
        over.update(bytes.fromhex(file_sha256(path)))
    return over.hexdigest()


def known_hash(files: Sequence[Path], root: Path) -> str:
    """The same where no large file has to be read for it; empty where one would have to."""
    large = (path for path in files if FileStamp.of(path).size >= _WORTH_REMEMBERING)
    if any(_known_sha256(path) is None for path in large):
        return ""
    return weights_hash(files, root)


def _place(path: Path, root: Path) -> tuple[bool, str]:
    inside = path.is_relative_to(root)
    return not inside, path.relative_to(root if inside else path.parent.parent).as_posix()


def check_unchanged(name: str, described: str, now: str) -> None:
    """Raise `ModelError` where what was read is not what was described, by their hashes: the record
    of an image names the weights that made it."""
    if now != described:
        raise ModelError(
            f"{name}: its weights were replaced while they were waited for or read, so the image "
            "would be of another model than its record says. Run it again."
        )


@contextmanager
def unchanged(name: str, current: Callable[[], str]) -> Iterator[str]:
    """The hash of weights that the block uses, as `current` gives it; `ModelError` where it is
    another one after it."""
    described = current()
    yield described
    check_unchanged(name, described, current())


def lora_hash(path: Path) -> str:
    """What names a LoRA, in hex, as for kohya-ss and AUTOMATIC1111.

    `sshs_model_hash` from the safetensors header where present, else the SHA-256 of what
    follows the header. Raises `ModelError` if the file is not safetensors.
    """
    key = _key(path)
    with _lock:
        known = _lora_digests.get(key)
    if known is None:
        known = _read_lora_hash(path)
        with _lock:
            _lora_digests[key] = known
    return known


def _read_lora_hash(path: Path) -> str:
    declared = read_safetensors(path).metadata.get("sshs_model_hash", "")
    if _DECLARED.fullmatch(declared):
        return declared.lower()
    with path.open("rb") as stream:  # eight bytes say how long the header is
        stream.seek(8 + struct.unpack("<Q", stream.read(8))[0])
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(path: Path) -> _Key:
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(f"Cannot read {path.name}: {error.strerror}.") from error
    return (str(path), stat.st_size, stat.st_mtime_ns)
