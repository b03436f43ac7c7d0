"""The components of a model in a single file: what it holds, and where the rest comes from.

What the file lacks (configs, tokenizers, and for a network alone its text encoders and decoder) is
looked for in the components that the user names, in a folder beside the file that is called like
it, in the hub's cache, and last, for configs, in the shapes of the file's own tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines import hub
from ninefold.engines.configs import read_json
from ninefold.engines.file_kinds import Recognised
from ninefold.engines.inferred_configs import (
    MAKERS,
    flux_variant,
    made_index,
    scheduler_config,
)
from ninefold.engines.layouts import (
    Component,
    Layout,
    check_tokenizer,
    read_index,
    read_weights,
)
from ninefold.engines.references import HubName
from ninefold.engines.weight_headers import WeightsHeader

#: Components that a pipeline does without.
_OPTIONAL = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
_END, _PAD = "<|endoftext|>", "!"


def complete(
    path: Path,
    header: WeightsHeader,
    held: Recognised,
    source: Path | None,
    wanted: Callable[[Layout], str],
    variant: str | None = None,
) -> Layout:
    """The layout of a pipeline over a file and, for what it lacks, a diffusers folder.

    Raises `ModelError` that names every component that is nowhere, or of another family.
    """
    base = _index(path, held, source)
    missing: list[str] = []
    components: list[Component] = []
    for component in base.components:
        try:
            found = _found(path, header, held, source, component)
            components += [_weighted(item, source, lambda: wanted(base), variant) for item in found]
        except _MissingError as error:
            missing.append(str(error))
    if missing:
        raise ModelError(_lacking(path, held, source, missing))
    left_out = {
        item.name: [None, None]
        for item in base.components
        if all(item.name != found.name for found in components)
    }
    options = {**base.options, **left_out}
    if "safety_checker" in left_out:
        options["requires_safety_checker"] = False
    return Layout(base.pipeline_class, tuple(components), options)


class _MissingError(Exception):
    """A component that is nowhere, by what it is called."""


def _index(path: Path, held: Recognised, source: Path | None) -> Layout:
    kind = held.kind
    if source is None:
        index = made_index(kind.pipeline_class, kind.network, kind.network_class)
        if index is None:
            raise ModelError(_lacking(path, held, None, ["every other component"]))
        parts = [(k, v) for k, v in index.items() if isinstance(v, list) and v[0] is not None]
        options = {k: v for k, v in index.items() if k[0] != "_" and (k, v) not in parts}
        components = tuple(
            Component(name, library, class_name, path.parent / name)
            for name, (library, class_name) in parts
        )
        return Layout(kind.pipeline_class, components, options)
    layout = read_index(source, source.name)
    if not fits(held, layout):
        raise ModelError(
            f"{path.name} is {kind.name}, and the components in {source.name} are of another "
            f"family ({layout.pipeline_class}). Name components of {kind.repositories[0]}."
        )
    return replace(layout, pipeline_class=kind.pipeline_class) if kind.is_certain else layout


def fits(held: Recognised, layout: Layout) -> bool:
    """Whether components of a folder are of the family of what a file holds."""
    network = layout.component(held.kind.network)
    if network is None or network.class_name != held.kind.network_class:
        return False
    return not _differs(held, network)


def _differs(held: Recognised, network: Component) -> bool:
    """Whether a file's UNet is of SDXL's kind, which sizes are told too, and a folder's is not, or
    the other way round; their class is one."""
    config = read_json(network.folder / network.config_name, optional=True)
    if network.class_name != "UNet2DConditionModel" or not config:
        return False
    names = ("label_emb.0.0.weight", "add_embedding.linear_1.weight")
    pooled = any(name in held.shapes for name in names)
    return (config.get("addition_embed_type") == "text_time") != pooled


def _found(
    path: Path,
    header: WeightsHeader,
    held: Recognised,
    source: Path | None,
    component: Component,
) -> Iterator[Component]:
    """The component and where it is; nothing for one that the pipeline does without."""
    where = f"{'' if source is None else source.name}/{component.name}"
    prefix = held.prefixes.get(component.name)
    if component.name == "safety_checker":
        return  # as diffusers reads single files
    if prefix is not None:
        config = _config(path, header, held, component, prefix)
        yield replace(component, weights=(path,), prefix=prefix, config=config)
    elif component.is_network:
        if source is None or not _has_weights(component):
            if component.name in _OPTIONAL:
                return
            raise _MissingError(f"{component.name} ({component.class_name})")
        yield component
    elif component.folder.is_dir():
        if component.is_tokenizer:
            check_tokenizer(component, where, "Get its folder again.")
        yield component
    elif component.class_name.endswith("Scheduler"):
        config = scheduler_config(held.kind.name, header.metadata, frozenset(header.tensors))
        yield replace(component, class_name=config["_class_name"], config=config)
    elif component.is_tokenizer:
        yield _tokenizer(header, held, component)
    elif component.name not in _OPTIONAL:
        raise _MissingError(f"{component.name} ({component.class_name})")


def _weighted(
    component: Component, source: Path | None, wanted: Callable[[], str], variant: str | None
) -> Component:
    """The component with its weights, where they are not in the file."""
    if source is None or not component.is_network or component.prefix is not None:
        return component
    return read_weights(component, f"{source.name}/{component.name}", wanted, variant=variant)


def _has_weights(component: Component) -> bool:
    return component.folder.is_dir() and any(
        ending(path) in (".safetensors", ".bin") for path in component.folder.iterdir()
    )


def _config(
    path: Path, header: WeightsHeader, held: Recognised, component: Component, prefix: str
) -> Mapping[str, Any]:
    shapes = {
        key.removeprefix(prefix): tensor.shape
        for key, tensor in header.tensors.items()
        if key.startswith(prefix)
    }
    config = read_json(component.folder / "config.json", optional=True)
    if config:
        if component.class_name == "FluxTransformer2DModel":
            return {**config, **flux_variant(shapes)}
        return config
    make = MAKERS.get(component.class_name)
    if make is None or (component.name == held.kind.network and held.in_diffusers_layout):
        raise _MissingError(f"the config of its {component.name} ({component.class_name})")
    try:
        return make(shapes, held.kind.name)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise ModelError(
            f"{path.name}: its {component.name} is not laid out as {held.kind.name} is (no "
            f"{error}). Get the file again, or use the model's diffusers folder."
        ) from error


def _tokenizer(header: WeightsHeader, held: Recognised, component: Component) -> Component:
    """A tokenizer of some model in the hub's cache that has the words of this one."""
    encoder = component.name.replace("tokenizer", "text_encoder")
    start = held.prefixes.get(encoder, "\0")
    tables = ("token_embedding.weight", "shared.weight")
    sizes = [
        tensor.shape
        for key, tensor in header.tensors.items()
        if key.startswith(start) and key.endswith(tables)
    ]
    kind = "T5" if component.class_name.startswith("T5") else "CLIP"
    words, width = sizes[0] if sizes else (0, 0)
    folder = hub.cached_tokenizer(kind, words)
    if folder is None:
        raise _MissingError(f"{component.name} ({kind}'s words)")
    if kind == "T5":
        return replace(component, folder=folder)
    # OpenAI's encoder, of 768 channels, is padded with the end, OpenCLIP's with a mark.
    return replace(component, folder=folder, config={"pad_token": _END if width <= 768 else _PAD})


def _lacking(path: Path, held: Recognised, source: Path | None, missing: list[str]) -> str:
    name = HubName.parse(held.kind.repositories[0])
    holder = "it does not hold" if source is None else f"neither it nor {source.name} holds"
    alone = set(held.prefixes) == {held.kind.network}
    what = f"{held.kind.name}, its {held.kind.network} alone" if alone else held.kind.name
    return (
        f"{path.name} is {what}: {holder} {', '.join(missing)}. Name a diffusers "
        f"folder or a hub model that does, with --components (such as {name}) or for every run "
        f"in NINEFOLD_COMPONENTS, or put it beside the file as {path.stem}/. "
        f"`ninefold models pull {name}` fetches one; with "
        "NINEFOLD_ALLOW_DOWNLOAD=1 what is missing is fetched when it is needed."
    )
