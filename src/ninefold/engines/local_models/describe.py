"""Diffusion models of the library, described without reading their weights."""

from __future__ import annotations

from dataclasses import replace

from ninefold.core.errors import ModelError
from ninefold.engines.configs import folder_configs, no_configs
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Family, family_in_table
from ninefold.engines.hashing import known_hash
from ninefold.engines.local_models.lookup import LocalModel
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
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
    files = replace(resolve(str(model.place.path), here), name=model.name)
    return describe(files, hash_of=known_hash)
