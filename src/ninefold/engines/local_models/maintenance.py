"""Adding models to ninefold's own folder, removing them, and checking files for damage."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending, expand_home
from ninefold.engines.file_memory import FileMemory, FileStamp
from ninefold.engines.hashing import read_sha256
from ninefold.engines.local_models.entries import ADDED, Entries, Entry, FileRecord, Holding
from ninefold.engines.local_models.hub_files import remove_from_cache
from ninefold.engines.local_models.identity import identify
from ninefold.engines.local_models.lookup import LocalModel, LocalModels
from ninefold.engines.local_models.places import SUFFIXES, Place, Search
from ninefold.engines.settings import EngineSettings

#: How a model can be added: a hard link, or a copy where there can be none; a copy; where it is.
AddAs = Literal["link", "copy", "reference"]

#: Seconds after which what was to become a model is no longer worked on.
_ABANDONED = 86_400.0
_NAME = re.compile(r"[^\s./\\:|@~-][^/\\:|@]*")


def add_model(
    models: LocalModels, source: str, *, name: str | None = None, how: AddAs = "link"
) -> Entry:
    """Put a file or folder into ninefold's own folder of models.

    Raises `ModelError` for what is no model, is damaged or needs unpickling, or for a name that is
    taken; nothing is there then.
    """
    path = expand_home(source)
    if not path.exists():
        raise ModelError(
            f"{source} is not there. Name a file or a folder; `ninefold models pull` fetches from "
            "the hub."
        )
    name = name or (path.absolute().name if path.is_dir() else path.stem)
    if _NAME.fullmatch(name) is None:
        raise ModelError(
            f"{name!r} cannot be a model's name: leave out / \\ : | @ and a first dot."
        )
    settings = models.settings or EngineSettings()
    place = Place(path.absolute(), name, ADDED)
    identity = identify(_one_model(place), allow_pickle=settings.allow_pickle, thorough=True)
    if identity.problem:
        raise ModelError(f"{path.name} is not added: {identity.problem}")
    if identity.kind == "other":
        raise ModelError(
            f"{path.name} is not added: nothing in it tells what kind of model it is. Its path can "
            "be named where one of its kind is expected."
        )
    entries = Entries(settings.library)
    if models.find(identity.kind, name) is not None:
        raise _taken(name)
    _check_free(entries, name, path)
    files = {
        file.relative_to(path).as_posix() if path.is_dir() else "": file for file in _files(path)
    }
    # Before files are kept, so that little time is left in which they have no entry.
    records = {
        below: FileRecord(file.stat().st_size, read_sha256(file)) for below, file in files.items()
    }
    kept = Entry(name, identity.kind, "reference", path.absolute(), str(path.absolute()), records)
    if how == "reference":
        with entries.locked():
            _check_free(entries, name, path)
            entries.add(kept)
        return kept
    return _keep(kept, files, entries, how)


def remove_model(models: LocalModels, name: str) -> Entry:
    """Remove a model that was added or pulled: its files, where they are ninefold's, and its entry.

    Raises `ModelError` for any other.
    """
    find_entry(models, name)
    entries = _entries(models)
    with entries.locked():
        entry = find_entry(models, name)
        others = [item for item in entries.all() if item.name != entry.name]
        if entry.holding == "hub":
            remove_from_cache(entry, others)
        elif entry.is_own:
            _remove(entry.path)
        entries.remove(entry)
    return entry


def find_entry(models: LocalModels, name: str) -> Entry:
    """The entry of a model that was added or pulled; raises `ModelError` where there is none."""
    if (entry := _entries(models).get(name)) is not None:
        return entry
    if found := models.named(name):
        raise ModelError(
            f"{name!r} was neither added nor pulled: it lies at {found[0].place.path}, and what is "
            "in your folders stays. Delete it there, or leave the folder out of model_folders."
        )
    raise models.missing(name)


State = Literal["whole", "new", "changed", "damaged", "missing"]


@dataclass(frozen=True)
class Checked:
    """What became of a file since it was known."""

    model: str
    file: str
    state: State
    #: What is wrong, and what to do; empty where nothing is.
    problem: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether the file cannot be trusted."""
        return self.state in ("damaged", "missing")


def verify_models(models: LocalModels, name: str | None = None) -> Iterator[Checked]:
    """Read all files of all models, or of one, and compare them with what is known of them.

    Raises `ModelError` for a name that means no model.
    """
    entries = {entry.name: entry for entry in _entries(models).all()}
    found = models.models() if name is None else models.named(name)
    if name is not None and not found and name not in entries:
        raise models.missing(name)
    known = {model.place.name for model in found if model.place.source == ADDED}
    for entry in entries.values():
        if name in (None, entry.name) and entry.name not in known:
            yield Checked(
                entry.name,
                str(entry.path),
                "missing",
                "its files are gone. Add or pull it again, or remove it.",
            )
    for model in found:
        added = entries.get(model.place.name) if model.place.source == ADDED else None
        yield from _verify(model, {} if added is None else added.files)


def _verify(model: LocalModel, records: Mapping[str, FileRecord]) -> Iterator[Checked]:
    path = model.place.path
    files = {
        file.relative_to(path).as_posix() if path.is_dir() else "": file for file in _files(path)
    }
    whole = True
    for below in sorted(records.keys() - files.keys()):
        whole = False
        yield Checked(model.name, below, "missing", "it is gone. Add or pull the model again.")
    for below, file in files.items():
        state, problem = _compare(file, records.get(below))
        whole = whole and not problem
        yield Checked(model.name, below or file.name, state, problem)
    # What was damaged when it was first read shows in its header alone.
    if whole and model.identity.format != "pickle" and (problem := identify(model.place).problem):
        yield Checked(model.name, path.name, "damaged", problem)


def _compare(file: Path, record: FileRecord | None) -> tuple[State, str]:
    """Read a file, and compare it with its record, or with what is remembered of it."""
    memory = FileMemory.of_user()
    stamp = FileStamp.of(file)
    before = memory.recall(file, stamp, "sha256")
    digest = read_sha256(file)
    again = "Get it again from where it came from."
    if record is not None:
        if digest == record.sha256:
            return "whole", ""
        if stamp.size < record.size:
            return "damaged", f"{stamp.size:,} of {record.size:,} bytes are there. {again}"
        return "damaged", f"its bytes are not those that were added. {again}"
    if before is not None and before != digest:
        return "damaged", f"its bytes changed, though its size and time did not. {again}"
    memory.remember(file, stamp, "sha256", digest)
    return ("new" if before is None else "whole"), ""


def _entries(models: LocalModels) -> Entries:
    return Entries((models.settings or EngineSettings()).library)


def _one_model(place: Place) -> Place:
    """The place, where it is one model; raises `ModelError` that names those in a folder."""
    if place.path.is_file():
        if ending(place.path) not in SUFFIXES:
            raise ModelError(
                f"{place.path.name} is no model file: expected {', '.join(sorted(SUFFIXES))}, or a "
                "folder of diffusers or transformers."
            )
        return place
    search = Search()
    search.folder(place.path, place.name)
    if [item.path for item in search.places] == [place.path]:
        return place
    if not search.places:
        raise ModelError(f"{place.path.name} holds no model. Name a model's file or folder.")
    some = ", ".join(str(item.path.relative_to(place.path)) for item in search.places[:5])
    raise ModelError(
        f"{place.path.name} holds {len(search.places)} models ({some}): add them one by one, or "
        "name the folder in the setting model_folders."
    )


def _files(path: Path) -> list[Path]:
    """A file, or all files of a folder but hidden ones."""
    if path.is_file():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def _taken(name: str) -> ModelError:
    return ModelError(f"{name!r} is there already. Choose another --name, or remove it first.")


def _check_free(entries: Entries, name: str, source: Path) -> None:
    """Raise `ModelError` where an entry has the name, or its files lie where these would."""
    if entries.get(name) is not None:
        raise _taken(name)
    target = _target(entries, name, source)
    for other in {target.name, target.stem}:
        owner = entries.get(other)
        if owner is not None and owner.is_own and owner.path.name == target.name:
            raise ModelError(
                f"{target} is where the model {other!r} is kept. Choose another --name, or remove "
                "it first."
            )


def _target(entries: Entries, name: str, source: Path) -> Path:
    return entries.files / (name if source.is_dir() else f"{name}{source.suffix}")


def _keep(entry: Entry, files: Mapping[str, Path], entries: Entries, how: AddAs) -> Entry:
    """Link or copy the files of a new entry below the library and write it, whole or not at all;
    the entry as it is then."""
    source, target = entry.path, _target(entries, entry.name, entry.path)
    staged = entries.files / f".{secrets.token_hex(8)}"
    holding: Holding = "link" if how == "link" else "copy"
    try:
        for below, file in files.items():
            copy = staged / below if below else staged
            copy.parent.mkdir(parents=True, exist_ok=True)
            if holding == "link":
                try:
                    os.link(file.resolve(), copy)
                    continue
                except OSError:  # another file system, or one without links
                    holding = "copy"
            shutil.copyfile(file, copy)
            shutil.copystat(file, copy)
        kept = replace(entry, holding=holding, path=target)
        with entries.locked():
            _check_free(entries, entry.name, source)
            _sweep(staged)
            _remove(target)  # no entry names it: a command that was interrupted left it there
            os.replace(staged, target)
            entries.add(kept)
    except OSError as error:
        raise ModelError(
            f"{source.name} cannot be kept in {entries.files} ({error.strerror or error}). Free "
            "space, or add it with --as reference."
        ) from error
    finally:
        with suppress(OSError):
            _remove(staged)
    return kept


def _sweep(staged: Path) -> None:
    """Remove what commands that were killed have left beside this one's: nobody copies for a whole
    day."""
    for path in staged.parent.glob(".*"):
        with suppress(OSError):
            if path != staged and time.time() - path.lstat().st_ctime > _ABANDONED:
                _remove(path)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
