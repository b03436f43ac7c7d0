"""Models fetched from the hub: which files of a repository make up its model, and their entry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.core.problems import suggest
from ninefold.engines.families import family_in_table
from ninefold.engines.hashing import file_sha256
from ninefold.engines.hub import INDEX, pipeline_files
from ninefold.engines.hub_download import HubRepository, Report
from ninefold.engines.local_models.entries import Entries, Entry, FileRecord
from ninefold.engines.local_models.identity import identify
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.places import ADAPTER, CONFIG, Place
from ninefold.engines.references import HubName
from ninefold.engines.settings import EngineSettings
from ninefold.engines.weight_files import pick, weight_files
from ninefold.engines.weight_headers import PICKLES, pickle_refused

_README = "README.md"
_BESIDE_WEIGHTS = re.compile(r"[^/]*\.(json|txt|jinja|model)")
_SINGLE = (".safetensors", ".gguf", ".onnx")


def pull_model(
    models: LocalModels,
    name: HubName,
    *,
    files: Sequence[str] = (),
    report: Report = lambda *_: None,
) -> tuple[Entry, ...]:
    """Fetch a model, or some files of its repository, and keep entries of them.

    Nothing but what the model is read from is fetched: one precision, by default the half one that
    its family is run in; no pickled weights. Raises `ModelError`.
    """
    settings = models.settings or EngineSettings()
    repository = HubRepository.look_up(name, report)
    wanted = list(_wanted(repository, files, settings))
    readme = [_README] if _README in repository.files else []
    snapshot = repository.fetch([*wanted, *readme])
    is_folder = not files and any(item in repository.files for item in (INDEX, CONFIG, ADAPTER))
    paths = [snapshot] if is_folder else [snapshot / file for file in wanted]
    entries = Entries(settings.library)
    found = []
    for path in paths:
        below = [*wanted, *readme] if is_folder else [""]
        entry = _entry(models, repository, path, below)
        with entries.locked():
            entries.add(entry)
        found.append(entry)
    return tuple(found)


def _entry(
    models: LocalModels, repository: HubRepository, path: Path, files: Sequence[str]
) -> Entry:
    shown = replace(repository.name, variant=None)
    name = str(shown)
    if path.is_file():
        taken = [item for item in models.named(path.stem) if item.place.path != path]
        name = f"{shown}/{path.stem}" if taken else path.stem
    identity = identify(Place(path, name, "hub"))
    records = {
        below: FileRecord((path / below).stat().st_size, file_sha256(path / below))
        for below in files
    }
    source = f"{repository.name.repository}@{repository.commit}"
    return Entry(name, identity.kind, "hub", path, source, records, repository.commit)


def _wanted(
    repository: HubRepository, asked: Sequence[str], settings: EngineSettings
) -> Iterator[str]:
    """The files that make up the model; raises `ModelError` where that is not clear."""
    name, files = repository.name, repository.files
    if asked:
        for file in asked:
            if file not in files:
                known = suggest(file, files) or f" It has {_listed(repository, files)}."
                raise ModelError(f"{name} has no file {file!r}.{known}")
            if ending(file) in PICKLES and not settings.allow_pickle:
                raise pickle_refused(file)
        yield from asked
    elif INDEX in files:
        needed = list(pipeline_files(repository, _half))
        pickled = [path for path in needed if ending(path) in PICKLES]
        if pickled and not settings.allow_pickle:
            raise _pickled_alone(repository, pickled[0])
        yield from needed
    elif CONFIG in files or ADAPTER in files:
        yield from _network(repository)
    else:
        yield _only_file(repository)


def _half(pipeline_class: str, _: frozenset[str]) -> str:
    """The number format that a pipeline's family is run in on devices that have several."""
    family = family_in_table(pipeline_class)
    return "bfloat16" if family is None else family.dtype


def _network(repository: HubRepository) -> Iterator[str]:
    """The files of a network or LoRA in a repository of its own."""
    top = [path for path in repository.files if "/" not in path]
    yield from (path for path in top if _BESIDE_WEIGHTS.fullmatch(path))
    if ADAPTER in top:
        adapters = [path for path in top if path.startswith("adapter_model")]
        weights = [path for path in adapters if path.endswith(".safetensors")]
    else:
        where = str(repository.name)
        chosen = pick(weight_files(top, where), lambda: "float16", variant=repository.name.variant)
        weights = [] if chosen is None or chosen.format != "safetensors" else [*chosen.names]
    if not weights:
        raise _no_weights(repository)
    yield from weights


def _only_file(repository: HubRepository) -> str:
    single = [path for path in repository.files if ending(path) in _SINGLE]
    if len(single) == 1:
        return single[0]
    if not single:
        raise _no_weights(repository)
    raise ModelError(
        f"{repository.name} holds {len(single)} models: {_listed(repository, single)}. Choose with "
        "--file."
    )


def _no_weights(repository: HubRepository) -> ModelError:
    pickled = [path for path in repository.files if ending(path) in PICKLES]
    if pickled:
        return _pickled_alone(repository, pickled[0])
    return ModelError(
        f"{repository.name} holds no weights that are read here; it has "
        f"{_listed(repository, repository.files)}."
    )


def _pickled_alone(repository: HubRepository, path: str) -> ModelError:
    return ModelError(
        f"{repository.name}: its weights are pickled alone ({path}), which can run any code when "
        "they are loaded, so they are not fetched. Look for a safetensors version."
    )


def _listed(repository: HubRepository, paths: Iterable[str]) -> str:
    names = list(paths)
    some = [f"{path} ({repository.files[path].size / 1e6:,.0f} MB)" for path in names[:10]]
    return ", ".join(some) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
