"""Which diffusion model a reference means, and the files that it is read from."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines import builtin, hub
from ninefold.engines.configs import folder_configs, no_configs
from ninefold.engines.diffusers_internals import knows_class
from ninefold.engines.families import Configs, Family, family_of_class, family_of_keys
from ninefold.engines.layouts import (
    Component,
    Layout,
    Precision,
    check_tokenizer,
    read_index,
    read_weights,
    variants,
)
from ninefold.engines.references import HubName, LocalPath
from ninefold.engines.settings import EngineSettings
from ninefold.engines.weight_headers import PICKLES, read_header

#: Files of a folder, beside its weights, that a description is read from.
_DESCRIBED_BY = ("model_index.json", "ninefold.json")


@dataclass(frozen=True)
class ModelFiles:
    """A model at hand: a diffusers folder, or a single checkpoint file."""

    #: As metadata names it; never an absolute path.
    name: str
    path: Path
    #: What its weights are read from, and nothing else.
    weights: tuple[Path, ...]
    #: The pipeline class that it is loaded as.
    pipeline_class: str
    #: As it is for this model, and what of that its class does not tell; empty for nothing.
    family: Family
    told_by: str = ""
    #: The components of a folder.
    layout: Layout | None = None

    @property
    def is_file(self) -> bool:
        """Whether the model is a single file."""
        return self.path.is_file()

    @property
    def configs(self) -> Configs:
        """What is known of its parts."""
        return no_configs if self.is_file else folder_configs(self.path)

    def signature(self) -> Hashable:
        """Equal for as long as no file that makes up the model, or describes it, has changed."""
        described = () if self.is_file else tuple(self.path / name for name in _DESCRIBED_BY)
        files = (*described, *self.weights)
        folders = sorted({path.parent for path in files})
        return (str(self.path), *map(_stat, folders), *map(_stat, files))


def builtin_models(root: Path = builtin.ROOT) -> tuple[str, ...]:
    """Names of the diffusion models that ship."""
    return tuple(sorted(path.parent.name for path in root.glob("*/model_index.json")))


def is_diffusers_model(reference: str, root: Path = builtin.ROOT) -> bool:
    """Whether `resolve` would look for it: by its name alone, and whether it is a folder or a file
    of the kind that diffusers reads."""
    if reference in builtin_models(root):
        return True
    if (local := LocalPath.parse(reference)) is not None:
        if local.path.is_dir():
            return (local.path / "model_index.json").is_file()
        return local.path.suffix == ".safetensors" or local.path.suffix in PICKLES
    return HubName.parse(reference) is not None


def resolve(
    reference: str,
    settings: EngineSettings,
    root: Path = builtin.ROOT,
    precision: Precision = lambda *_: "float32",
) -> ModelFiles:
    """Find a model: a built-in name, a folder, a single file, or a hub name.

    `precision` says which of several number formats is read where there is a choice.
    Raises `ModelError` that says what was tried and what would help.
    """
    if reference in builtin_models(root):
        for path in sorted((root / reference).glob("*/*.safetensors")):
            builtin.verify(path, root)
        return _folder(root / reference, reference, settings, precision)
    if (local := LocalPath.parse(reference)) is not None:
        if local.path.is_dir():
            name = local.path.resolve().name
            return _folder(local.path, name, settings, precision, local.variant)
        return _file(local.path, settings)
    if (hub_name := HubName.parse(reference)) is not None:
        allowed = settings.allow_download
        path = hub.find(hub_name, allow_download=allowed, precision=precision)
        try:
            return _folder(path, reference, settings, precision, hub_name.variant)
        except ModelError as error:
            if allowed:
                raise
            raise ModelError(f"{error} {hub.how_to_fetch(hub_name)}") from error
    if reference == "poster":
        raise builtin.missing("model 'poster'")
    raise ModelError(
        f"No model {reference!r}: expected a built-in name ({', '.join(builtin_models(root))}), "
        "a diffusers folder, a .safetensors or .gguf file, or a hub name such as owner/name."
    )


def _folder(
    path: Path,
    name: str,
    settings: EngineSettings,
    precision: Precision,
    variant: str | None = None,
) -> ModelFiles:
    layout = read_index(path, name)
    if not knows_class(layout.pipeline_class):
        raise ModelError(
            f"{name} asks for the pipeline {layout.pipeline_class}, which diffusers "
            f"{version('diffusers')} does not have. Upgrade diffusers, or use another model."
        )
    names = frozenset(component.name for component in layout.components)

    def wanted() -> str:
        return precision(layout.pipeline_class, names)

    def complete(component: Component) -> Component:
        where = f"{name}/{component.name}"
        if not component.folder.is_dir():
            raise ModelError(f"{where}: the folder is missing. Download the model again.")
        if component.is_tokenizer:
            check_tokenizer(component, where, "Download the model again.")
        if not component.is_network:
            return component
        return read_weights(
            component,
            where,
            wanted,
            variant=variant,
            allow_pickle=settings.allow_pickle,
        )

    layout = replace(layout, components=tuple(map(complete, layout.components)))
    if not layout.weights:
        raise ModelError(f"{name}: the folder holds no weights. Download the model again.")
    if variant is not None and all(item.variant != variant for item in layout.networks):
        there = ", ".join(variants(layout)) or "one precision alone"
        raise ModelError(f"{name} has no files of the variant {variant!r}; it has {there}.")
    family, told_by = family_of_class(layout.pipeline_class).for_model(folder_configs(path), name)
    loads = family.loads or layout.pipeline_class
    return ModelFiles(name, path, layout.weights, loads, family, told_by, layout)


def _file(path: Path, settings: EngineSettings) -> ModelFiles:
    if path.suffix != ".safetensors" and path.suffix not in PICKLES:
        raise ModelError(
            f"{path.name} is no model file: expected .safetensors, or a diffusers folder."
        )
    header = read_header(path, allow_pickle=settings.allow_pickle)
    family = family_of_keys(tuple(header.tensors))
    family, told_by = family.for_model(no_configs, path.stem)
    return ModelFiles(path.stem, path, (path,), family.loads, family, told_by)


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns)
