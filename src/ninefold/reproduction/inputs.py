"""The files that an image was made from, found again by their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.values import ImageRecord, Json
from ninefold.core.wiring import Step
from ninefold.files.manifest import Manifest
from ninefold.files.opening import OWN_LIMITS, read_bytes

#: Most folders of jobs that are looked through.
_MOST_JOBS = 2000


@dataclass(frozen=True)
class FileInput:
    """A file that is needed."""

    #: What it is called when it is given: a slot, or `step.parameter`.
    name: str
    #: Below the working folder.
    path: str
    #: None where the record does not say.
    sha256: str | None
    #: The entry of the inputs that describes it; None for a parameter's file.
    entry: Json | None = None


@dataclass(frozen=True)
class FoundFile:
    """A file that was needed, or another that was given in its place."""

    data: bytes
    #: What a job makes of a picture that was given; None for the record's own file.
    picture: ImageRecord | None = None

    @property
    def sha256(self) -> str:
        """In hex."""
        return hashlib.sha256(self.data).hexdigest()


def input_files(inputs: Json) -> Iterator[FileInput]:
    """The images among the inputs; raises `InputError` for paths that lead out of the folder."""
    for slot, value in inputs.items():
        for name, entry in _entries(slot, value):
            path = PurePosixPath(str(entry["path"]))
            if path.is_absolute() or ".." in path.parts:
                raise InputError(
                    f"{name}: expected a path below the job's folder, got {entry['path']!r}. The "
                    "record was not written by ninefold."
                )
            yield FileInput(name, str(path), str(entry["sha256"]), entry)


def parameter_files(steps: Sequence[Step], record: Manifest) -> Iterator[FileInput]:
    """The files that parameters of stages name, of which records hold no more than the name."""
    for step in steps:
        params, entry = step.stage.params, record.stages.get(step.name, {})
        for field in type(params).model_fields:
            value = getattr(params, field)
            if isinstance(value, PurePath):
                digest = entry.get(f"{field}_sha256")
                yield FileInput(f"{step.name}.{field}", f"inputs/{value.name}", digest)


def found_file(wanted: FileInput, given: Path | None, folders: Sequence[Path]) -> FoundFile | None:
    """The file that was given, else one with its hash; None for neither.

    A picture that was given becomes what a job makes of it. Raises `InputError` where it cannot be
    read.
    """
    if given is not None:
        found = FoundFile(read_named_file(given, f"{wanted.name}: "))
        if wanted.entry is None or found.sha256 == wanted.sha256:
            return found
        return _imported(wanted.name.partition(".")[0], given)
    if wanted.sha256 is None:
        return None
    for folder in folders:
        path = folder / (wanted.path if wanted.entry is not None else PurePath(wanted.path).name)
        if path.is_file() and (found := FoundFile(path.read_bytes())).sha256 == wanted.sha256:
            return found
    return None


def read_named_file(path: Path, where: str = "") -> bytes:
    """A file that somebody named; raises `InputError` for none, a special or an oversized one."""
    try:
        return read_bytes(path, OWN_LIMITS)
    except ValueError as error:
        reason = str(error).removeprefix("image: ")
        raise InputError(f"{where}{path.name}: cannot be read: {reason}.") from None


def job_folders(data: Path) -> tuple[Path, ...]:
    """Folders of jobs in a data folder, the newest first."""
    return tuple(sorted(data.glob("jobs/*"), reverse=True)[:_MOST_JOBS])


def _entries(name: str, value: Any) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str) and isinstance(value.get("sha256"), str):
            yield name, dict(value)
            return
        for key, item in value.items():
            yield from _entries(f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from _entries(f"{name}.{number}", item)


def _imported(slot: str, given: Path) -> FoundFile:
    """The file that the slot makes of a picture."""
    with TemporaryDirectory() as folder:
        context = PipelineContext(folder)
        context.set(slot, {"picture": str(given)} if slot == "control_images" else str(given))
        found = context.data[slot]
        if isinstance(found, Mapping):
            found = next(iter(found.values()))
        if isinstance(found, tuple):
            (found,) = found
        if not isinstance(found, ImageRecord):
            raise InputError(f"{slot}: takes no picture.")
        return FoundFile(found.path.read_bytes(), found)
