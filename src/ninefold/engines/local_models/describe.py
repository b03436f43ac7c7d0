"""Diffusion models of the library, described without reading their weights."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines import hub
from ninefold.engines.configs import folder_configs, no_configs
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Family, family_in_table
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.hashing import known_hash
from ninefold.engines.local_models.lookup import LocalModel
from ninefold.engines.model_info import describe
from ninefold.engines.models import ModelFiles, resolve
from ninefold.engines.settings import EngineSettings


def family_of(model: LocalModel) -> Family | None:
    """The family of a diffusion model, as it is for this one; None for one not in the table."""
    family = family_in_table(model.identity.class_name)
    if family is None:
        return None
    path = model.place.path
    configs = folder_configs(path) if path.is_dir() else no_configs
    try:
        return family.for_model(configs, model.place.name)[0]
    except ModelError:  # a config that cannot be read
        return family


def describe_quickly(model: LocalModel, settings: EngineSettings | None) -> ModelInfo:
    """What is known of a model; its hash is empty unless its weights were read before.

    Nothing is downloaded for a description. Raises `ModelError` where it cannot be used.
    """
    here = (settings or EngineSettings()).model_copy(update={"allow_download": False})
    files = _resolved(model.place.path, here)
    return describe(replace(files, name=model.name), hash_of=known_hash)


#: What models were found to be read from, or why they cannot be used, and the state that this
#: hangs on: lists of hundreds are asked for again and again.
_KNOWN: dict[Hashable, tuple[Hashable, ModelFiles | str]] = {}


def _resolved(path: Path, settings: EngineSettings) -> ModelFiles:
    """The files of the model at `path`, found anew where the state changed; raises `ModelError`."""
    key = (path, settings.allow_pickle)
    state, found = _KNOWN.get(key, (None, None))
    if found is None or state != _state(path, found):
        found = _try(path, settings)
        _KNOWN[key] = (_state(path, found), found)
    if isinstance(found, str):
        raise ModelError(found)
    return found


def _try(path: Path, settings: EngineSettings) -> ModelFiles | str:
    """The files of the model at `path`, or why it cannot be used."""
    try:
        return resolve(str(path), settings)
    except ModelError as error:
        return str(error)


def _state(path: Path, found: ModelFiles | str) -> Hashable:
    """Equal for as long as the model would be found to be the same.

    One that lacks something may find it beside itself or in the hub's cache; of a folder that is
    not whole, whatever is in it may have changed.
    """
    if isinstance(found, ModelFiles):
        return found.signature()
    if path.is_dir():
        return object()
    places = (path, path.parent, path.with_suffix(""))
    return (*map(size_and_time, places), hub.cache_state())
