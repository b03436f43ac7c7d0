"""Control models on disk: found by name, folder, file or hub name, and identified by their config
or by the names and shapes of their tensors."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending, expand_home, files_below
from ninefold.core.problems import suggest
from ninefold.engines.configs import read_json
from ninefold.engines.control import CONTROL, ControlInfo
from ninefold.engines.control_base import widths_of
from ninefold.engines.control_hub import ControlInHub
from ninefold.engines.control_table import MODES, NETWORKS, WIDTHS, control_pipelines
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.hashing import weights_hash
from ninefold.engines.ip_adapters import ip_adapter_info
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.places import is_file
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.unet_control import unet_control_config
from ninefold.engines.weight_headers import PICKLES, pickle_refused, read_safetensors

CONFIG_FILE = "config.json"
_WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class ControlFiles:
    """A control model at hand."""

    #: As metadata names it; never an absolute path.
    name: str
    #: A folder with a config, or a file.
    path: Path
    weights: tuple[Path, ...]
    #: The config of the network, read or worked out; empty for an IP-Adapter.
    config: Mapping[str, Any]
    info: ControlInfo

    def signature(self) -> Hashable:
        """Equal for as long as no file of the model has changed."""
        return (str(self.path), *map(size_and_time, (self.path / CONFIG_FILE, *self.weights)))

    def hash_now(self) -> str:
        """The hash of the weights as they are now; `info` has the one that was described."""
        return _hash(self.path, self.weights)


class DiffusersControlEngine:
    """Fulfils `ControlEngine` for what diffusers loads."""

    name = "diffusers_control"
    kind = CONTROL

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is read until it is asked for."""
        self._settings = resources.settings
        self._models = resources.local_models

    def models(self) -> tuple[str, ...]:
        """Names in the folder of the setting `control` and in the library; folders, files and hub
        names work too."""
        found = control_names(self._settings.control)
        more = (
            name
            for name, path in self._models.paths("control").items()
            if path not in found.values() and (is_file(path) or _is_network(path / CONFIG_FILE))
        )
        return (*found, *more)

    def accepts(self, model: str) -> bool:
        """Whether it is in the folder, or such a folder, file or hub name."""
        path = expand_home(model)
        return (
            model in control_names(self._settings.control)
            or self._models.knows("control", model)
            or is_file(path / CONFIG_FILE)
            or (is_file(path) and ending(path) in (_WEIGHTS, *PICKLES))
            or (not _exists(path) and ControlInHub.parse(model) is not None)
        )

    def check(self, model: str) -> None:
        """Raise `ModelError` for a model that is not at hand, or is none of control."""
        find_control(model, self._settings, self._models)

    def hash(self, model: str) -> str:
        """The SHA-256 of the weights in hex; raises `ModelError`."""
        return self.info(model).hash

    def info(self, model: str) -> ControlInfo:
        """What is known of a model, by its config or header; raises `ModelError`."""
        return find_control(model, self._settings, self._models).info


def control_names(folder: Path) -> dict[str, Path]:
    """Control models in a folder by name: a path below it, without `.safetensors`; none of one
    that cannot be read, which the library reports."""
    found: dict[str, Path] = {}
    with suppress(OSError):
        _gather(folder, found)
    found.pop(".", None)
    return dict(sorted(found.items()))


def _gather(folder: Path, found: dict[str, Path]) -> None:
    for path in sorted(folder.rglob(CONFIG_FILE)):
        if _is_network(path):
            found[path.parent.relative_to(folder).as_posix()] = path.parent
    for path in files_below(folder, {_WEIGHTS}):
        if not (path.parent / CONFIG_FILE).is_file():
            found[path.relative_to(folder).with_suffix("").as_posix()] = path


def find_control(
    reference: str, settings: EngineSettings, models: LocalModels | None = None
) -> ControlFiles:
    """The control model of a name in the folder of the settings or in the library, a folder, a
    file or a hub name.

    Raises `ModelError` that says what was looked for and what would help.
    """
    at_hand = control_names(settings.control)
    if reference in at_hand:
        return _read(at_hand[reference], reference, settings)
    if models is not None and (found := models.find("control", reference)) is not None:
        return _read(found.place.path, found.name, settings)
    path = expand_home(reference)
    if _exists(path):
        return _read(path, path.resolve().stem if path.is_file() else path.resolve().name, settings)
    if (in_hub := ControlInHub.parse(reference)) is not None:
        return _read(in_hub.find(settings), reference, settings)
    known = suggest(reference, at_hand) or " NINEFOLD_CONTROL is their folder."
    raise ModelError(
        f"no control model {reference!r}: expected a name in the folder of control models, a "
        f"diffusers folder, a .safetensors file, or a hub name such as owner/name.{known}"
    )


def _read(path: Path, name: str, settings: EngineSettings) -> ControlFiles:
    if path.is_file() and _is_network(path.parent / CONFIG_FILE):
        path = path.parent  # the weights of a diffusers folder
    if path.is_dir():
        return _folder(path, name, settings)
    if ending(path) in PICKLES:
        _refuse_pickle(path.name, settings)
        raise ModelError(
            f"{name}: a pickled control model of one file is not read. Convert it to .safetensors, "
            "or use its diffusers folder."
        )
    if ending(path) != _WEIGHTS:
        raise ModelError(
            f"{path.name} is no control model: expected .safetensors or a diffusers folder."
        )
    return _file(path, name)


def _folder(path: Path, name: str, settings: EngineSettings) -> ControlFiles:
    if not (path / CONFIG_FILE).is_file():
        inside = sorted(item.name for item in path.iterdir() if ending(item) == _WEIGHTS)
        remedy = (
            f"Name one of its files: {', '.join(inside)}."
            if inside
            else "Name the folder of one ControlNet or T2I-Adapter, or the file of an IP-Adapter."
        )
        raise ModelError(f"{name}: the folder has no {CONFIG_FILE}. {remedy}")
    config = read_json(path / CONFIG_FILE)
    files = sorted(item for item in path.iterdir() if item.is_file())
    weights = [item for item in files if ending(item) == _WEIGHTS]
    if not weights and (pickles := [item for item in files if ending(item) in PICKLES]):
        _refuse_pickle(f"{name}/{pickles[0].name}", settings)
        weights = pickles
    if not weights:
        raise ModelError(f"{name}: the folder holds no weights. Put its .safetensors file there.")
    return _network(name, path, tuple(weights), config)


def _file(path: Path, name: str) -> ControlFiles:
    shapes = read_safetensors(path).shapes
    if (adapter := ip_adapter_info(name, shapes)) is not None:
        info = replace(adapter, hash=_hash(path, (path,)))
        return ControlFiles(name, path, (path,), {}, info)
    for beside in (path.with_suffix(".json"), path.with_suffix("") / CONFIG_FILE):
        if _is_network(beside):
            return _network(name, path, (path,), read_json(beside))
    config = unet_control_config(shapes)
    if config is None:
        raise ModelError(
            f"{path.name} is no control model that can be recognised by its tensors alone. Put its "
            f"{CONFIG_FILE} beside it as {path.stem}.json, or use its diffusers folder."
        )
    return _network(name, path, (path,), config)


def _hash(path: Path, weights: tuple[Path, ...]) -> str:
    return weights_hash(weights, path if path.is_dir() else path.parent)


def _network(
    name: str, path: Path, weights: tuple[Path, ...], config: Mapping[str, Any]
) -> ControlFiles:
    network = str(config.get("_class_name"))
    if network not in NETWORKS:
        raise ModelError(
            f"{name} is a {network}, which is no control model that can be used here: expected "
            f"{', '.join(NETWORKS)}, or an IP-Adapter."
        )
    for key in ("extra_condition_channels", "extra_conditioning_channels"):
        if config.get(key):
            raise ModelError(
                f"{name} is a {network} for inpainting, which takes a mask beside the picture and "
                "cannot be used here. Use one without it; the model's own inpainting stays."
            )
    info = ControlInfo(
        name=name,
        hash=_hash(path, weights),
        kind="t2i_adapter" if network == "T2IAdapter" else "controlnet",
        network=network,
        bases=_bases(network, config),
        widths=widths_of(WIDTHS[network], config),
        modes=_modes(network, config),
    )
    return ControlFiles(name, path, weights, config, info)


def _bases(network: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The families of a network; those of UNets share its class."""
    if network == "ControlNetModel":
        added = config.get("addition_embed_type") == "text_time"
        return ("StableDiffusionXL",) if added else ("StableDiffusion",)
    if network == "T2IAdapter":
        large = config.get("adapter_type") == "full_adapter_xl"
        return ("StableDiffusionXL",) if large else ("StableDiffusion",)
    bases = ("StableDiffusionXL", "Flux", "StableDiffusion3", "QwenImage", "ZImage")
    known = (*bases, "HunyuanDiT", "Sana")
    return tuple(base for base in known if control_pipelines(base, network) is not None)


def _modes(network: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    if network == "ControlNetUnionModel":
        count = int(config.get("num_control_type") or 6)
    else:
        count = int(config.get("num_mode") or 0)
    return tuple(name for name, number in MODES.get(network, {}).items() if number < count)


def _is_network(config: Path) -> bool:
    """Whether a file is the config of a control network."""
    try:
        content = json.loads(config.read_bytes()) if config.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("_class_name") in NETWORKS


def _refuse_pickle(name: str, settings: EngineSettings) -> None:
    if not settings.allow_pickle:
        raise pickle_refused(name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than names may be, or not to be looked at
        return False
