"""Which diffusion model a reference means, and the files that it is read from."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines import builtin, hub
from ninefold.engines.families import Configs, Family, family_of_class
from ninefold.engines.file_kinds import Recognised, recognise
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.layouts import (
    Component,
    Layout,
    Precision,
    check_classes,
    check_tokenizer,
    read_index,
    read_weights,
    variants,
)
from ninefold.engines.references import HubName, LocalPath, model_of, split_components
from ninefold.engines.settings import EngineSettings
from ninefold.engines.single_files import complete, fits
from ninefold.engines.weight_headers import PICKLES, read_header

#: Files of a folder, beside its weights, that a description is read from.
_DESCRIBED_BY = ("model_index.json", "ninefold.json")
#: Endings of single files.
_FILES = PICKLES | {".safetensors", ".gguf"}


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
    recognised_by: str
    layout: Layout

    @property
    def is_file(self) -> bool:
        """Whether the model is a single file."""
        return self.path.is_file()

    @property
    def configs(self) -> Configs:
        """What is known of its parts."""
        return self.layout.configs()

    def signature(self) -> Hashable:
        """Equal for as long as no file that makes up the model, or describes it, has changed."""
        described = () if self.is_file else tuple(self.path / name for name in _DESCRIBED_BY)
        files = (*described, *self.weights)
        configs = [
            path
            for item in self.layout.components
            for path in (item.folder, item.folder / item.config_name)
        ]
        places = dict.fromkeys((*(path.parent for path in files), *files, *configs))
        return (str(self.path), self.pipeline_class, *((str(p), size_and_time(p)) for p in places))


def builtin_models(root: Path = builtin.ROOT) -> tuple[str, ...]:
    """Names of the diffusion models that ship."""
    return tuple(sorted(path.parent.name for path in root.glob("*/model_index.json")))


def is_diffusers_model(reference: str, root: Path = builtin.ROOT) -> bool:
    """Whether `resolve` would look for it: by its name alone, and whether it is a folder or a file
    of the kind that diffusers reads."""
    if reference in builtin_models(root):
        return True
    model = model_of(reference)
    if (local := LocalPath.parse(model)) is not None:
        if local.path.is_dir():
            return (local.path / "model_index.json").is_file()
        return ending(local.path) in _FILES
    return HubName.parse(model) is not None


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
    model, components = split_components(reference)
    given = None if components is None else _source(components, settings, precision)
    if (local := LocalPath.parse(model)) is not None:
        if local.path.is_dir():
            name = local.path.resolve().name
            return _folder(local.path, name, settings, precision, local.variant, given)
        return _file(local.path, settings, precision, given)
    if (hub_name := HubName.parse(model)) is not None:
        allowed = settings.allow_download
        path = hub.find(hub_name, allow_download=allowed, precision=precision)
        try:
            return _folder(path, model, settings, precision, hub_name.variant, given)
        except ModelError as error:
            if allowed:
                raise
            raise ModelError(f"{error} {hub.how_to_fetch(hub_name)}") from error
    if model == "poster":
        raise builtin.missing("model 'poster'")
    raise ModelError(
        f"No model {model!r}: expected a built-in name ({', '.join(builtin_models(root))}), "
        "a diffusers folder, a .safetensors, .gguf or .ckpt file, or a hub name such as owner/name."
    )


def _source(reference: str, settings: EngineSettings, precision: Precision) -> LocalPath:
    """The diffusers folder that other components are taken from; raises `ModelError`."""
    if (local := LocalPath.parse(reference)) is not None:
        if not local.path.is_dir():
            raise ModelError(
                f"components: {local.path.name} is a file. Name a diffusers folder or a hub model."
            )
        return local
    if (name := HubName.parse(reference)) is not None:
        allowed = settings.allow_download
        folder = hub.find(name, allow_download=allowed, precision=precision)
        return LocalPath(folder, name.variant)
    raise ModelError(
        f"components: no folder {reference!r}. Name a diffusers folder or a hub model, owner/name."
    )


def _folder(
    path: Path,
    name: str,
    settings: EngineSettings,
    precision: Precision,
    variant: str | None = None,
    given: LocalPath | None = None,
) -> ModelFiles:
    layout = read_index(path, name)
    check_classes(layout, name)
    names = frozenset(component.name for component in layout.components)

    def wanted() -> str:
        return precision(layout.pipeline_class, names)

    def complete(component: Component) -> Component:
        where = f"{name}/{component.name}"
        asked = variant
        if given is not None and not component.folder.is_dir():
            component = replace(component, folder=given.path / component.name)
            where, asked = f"{given.path.name}/{component.name}", given.variant
        if not component.folder.is_dir():
            raise ModelError(
                f"{where}: the folder is missing. Download the model again, or name components "
                "that have it."
            )
        if component.is_tokenizer:
            check_tokenizer(component, where, "Download the model again.")
        if not component.is_network:
            return component
        allow_pickle = settings.allow_pickle
        return read_weights(component, where, wanted, variant=asked, allow_pickle=allow_pickle)

    layout = replace(layout, components=tuple(map(complete, layout.components)))
    if not layout.weights:
        raise ModelError(f"{name}: the folder holds no weights. Download the model again.")
    if given is not None and all(item.folder.parent == path for item in layout.components):
        raise ModelError(f"components: {name} has all of its own. Leave them out.")
    if variant is not None and all(item.variant != variant for item in layout.networks):
        there = ", ".join(variants(layout)) or "one precision alone"
        raise ModelError(f"{name} has no files of the variant {variant!r}; it has {there}.")
    return _model(name, path, layout)


def _file(
    path: Path, settings: EngineSettings, precision: Precision, given: LocalPath | None
) -> ModelFiles:
    if ending(path) not in _FILES:
        raise ModelError(
            f"{path.name} is no model file: expected {', '.join(sorted(_FILES))}, or a diffusers "
            "folder."
        )
    header = read_header(path, allow_pickle=settings.allow_pickle)
    held = recognise(header, path.name)

    def wanted(layout: Layout) -> str:
        names = frozenset(component.name for component in layout.components)
        return precision(layout.pipeline_class, names)

    def completed(source: LocalPath | None) -> Layout:
        if source is None:
            return complete(path, header, held, None, wanted)
        return complete(path, header, held, source.path, wanted, source.variant)

    try:
        layout = completed(given or _near(path, held, settings, precision))
    except ModelError:
        if given is not None or not settings.allow_download:
            raise
        name = HubName(held.kind.repositories[0])
        fetched = hub.fetch(name, precision, without=frozenset(held.prefixes))
        layout = completed(LocalPath(fetched))
    return _model(path.stem, path, layout)


def _near(
    path: Path, held: Recognised, settings: EngineSettings, precision: Precision
) -> LocalPath | None:
    """Where components of a file are without being named: beside it, where a setting says, or in
    the hub's cache. What the setting names and is not there may be for files of other families."""
    beside = path.with_suffix("")
    if (beside / "model_index.json").is_file():
        return LocalPath(beside)
    for reference in settings.components:
        with suppress(ModelError):
            found = _source(reference, settings, precision)
            if fits(held, read_index(found.path, found.path.name)):
                return found
    for name in held.kind.repositories:
        folder = hub.cached_folder(HubName(name))
        if folder is not None and (folder / "model_index.json").is_file():
            return LocalPath(folder)
    return None


def _check_latents(name: str, configs: Configs) -> None:
    """Raise `ModelError` for a UNet whose latents the autoencoder cannot decode."""
    unet, vae = configs("unet").get("out_channels"), configs("vae").get("latent_channels")
    if isinstance(unet, int) and isinstance(vae, int) and unet != vae:
        raise ModelError(
            f"{name}: its components are of different models: the unet makes latents of {unet} "
            f"channels, and the vae reads {vae}. Take both from one model."
        )


def _check_scheduler(name: str, layout: Layout, family: Family) -> None:
    """Raise `ModelError` for a scheduler of flow matching at a model that predicts noise."""
    scheduler = layout.component("scheduler")
    if scheduler is None or family.scheduler not in ("noise", "zero_snr"):
        return
    if scheduler.class_name.startswith("FlowMatch"):
        raise ModelError(
            f"{name}: its components are of different models: {family.name} has no use for the "
            f"scheduler {scheduler.class_name}, which is for flow matching. Take both from one "
            "model."
        )


def _model(name: str, path: Path, layout: Layout) -> ModelFiles:
    configs = layout.configs()
    _check_latents(name, configs)
    found, recognised_by = family_of_class(layout.pipeline_class).for_model(configs, name)
    _check_scheduler(name, layout, found)
    loads = found.loads or layout.pipeline_class
    return ModelFiles(name, path, layout.weights, loads, found, recognised_by, layout)
