"""The components of a diffusers folder: which class reads each, from which files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.configs import read_json
from ninefold.engines.diffusers_internals import knows_class
from ninefold.engines.families import Configs
from ninefold.engines.weight_files import WeightFiles, pick, weight_files
from ninefold.engines.weight_headers import PICKLES, read_header

#: The number format (`float16`) that a pipeline of this class and these components is run in.
Precision = Callable[[str, frozenset[str]], str]

#: Classes without weights, by their names: `TokenizersBackend`, `CLIPImageProcessorPil`.
_WEIGHTLESS = re.compile(r".*(Tokenizer|Scheduler|Processor|Extractor|Guidance)\w*")
#: Of a tokenizer, the files that hold its words; one of them must be there.
_WORDS = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
#: The package that reads weights quantised by a method, as a component's config names it.
_QUANTISED_BY = {
    "bitsandbytes": "bitsandbytes",
    "torchao": "torchao",
    "gguf": "gguf",
    "quanto": "optimum.quanto",
    "sdnq": "sdnq",
    "modelopt": "modelopt",
    "auto-round": "auto_round",
}


@dataclass(frozen=True)
class Component:
    """One part of a pipeline, as `model_index.json` names it, and the files that it is in."""

    name: str
    package: str
    class_name: str
    #: Where its config lies.
    folder: Path
    weights: tuple[Path, ...] = ()
    variant: str | None = None
    #: What stands before the names of its tensors in a single file; None for files of its own.
    prefix: str | None = None
    #: What is read in place of the config in its folder; of a tokenizer, options.
    config: Mapping[str, Any] | None = None

    @property
    def is_network(self) -> bool:
        """Whether it has weights."""
        return _WEIGHTLESS.fullmatch(self.class_name) is None

    @property
    def config_name(self) -> str:
        """The file that holds its config."""
        is_scheduler = self.class_name.endswith("Scheduler")
        return "scheduler_config.json" if is_scheduler else "config.json"

    @property
    def is_tokenizer(self) -> bool:
        """Whether it turns text into tokens."""
        return "Tokenizer" in self.class_name

    @property
    def is_processor(self) -> bool:
        """Whether it prepares text, images and videos for a language model."""
        return self.package == "transformers" and self.class_name.endswith("Processor")

    @property
    def is_pickled(self) -> bool:
        """Whether its weights are files of `torch.save`."""
        return any(ending(path) in PICKLES for path in self.weights)


@dataclass(frozen=True)
class Layout:
    """A pipeline's class and its components."""

    pipeline_class: str
    components: tuple[Component, ...]
    #: Everything else that the pipeline is made with, such as `force_zeros_for_empty_prompt`, and
    #: the components that it is made without.
    options: Mapping[str, Any]

    @property
    def networks(self) -> tuple[Component, ...]:
        """Those with weights."""
        return tuple(item for item in self.components if item.is_network)

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that are read, each once."""
        return tuple(dict.fromkeys(path for item in self.components for path in item.weights))

    def component(self, name: str) -> Component | None:
        """The component of that name, if there is one."""
        return next((item for item in self.components if item.name == name), None)

    def index(self) -> dict[str, Any]:
        """What `model_index.json` says of it."""
        parts = {item.name: [item.package, item.class_name] for item in self.components}
        return {"_class_name": self.pipeline_class, **self.options, **parts}

    def configs(self) -> Configs:
        """The configs of its components, each read once when first asked for."""

        @cache
        def config(part: str) -> Mapping[str, Any]:
            if not part:
                return self.index()
            found = self.component(part)
            if found is None:
                return {}
            if found.config is not None:
                return found.config
            return read_json(found.folder / found.config_name, optional=True)

        return config

    def is_folder(self, folder: Path) -> bool:
        """Whether that diffusers folder holds all of it."""
        return all(
            item.folder == folder / item.name and item.prefix is None and item.config is None
            for item in self.components
        )

    def write(self, folder: Path) -> None:
        """Lay the components out as a diffusers folder, by links, without what single files hold.

        Where they lie in different places, diffusers finds them so.
        """
        (folder / "model_index.json").write_text(json.dumps(self.index()), encoding="utf-8")
        for component in self.components:
            if component.config is not None and not component.is_tokenizer:
                (folder / component.name).mkdir()
                config = folder / component.name / component.config_name
                config.write_text(json.dumps(component.config), encoding="utf-8")
            else:
                (folder / component.name).symlink_to(component.folder.resolve())


def read_index(folder: Path, name: str) -> Layout:
    """The components that the `model_index.json` of a folder names, without their weights.

    Raises `ModelError` for a folder that is none of diffusers', or of code of its own.
    """
    index = read_json(folder / "model_index.json")
    pipeline_class = index.get("_class_name")
    if not isinstance(pipeline_class, str):
        raise ModelError(_own_code(name, "the pipeline"))
    components, options = [], {}
    for key, value in index.items():
        if key.startswith("_"):
            continue
        if Path(key).name != key:  # a key is also a folder's name
            raise ModelError(f"{name}: model_index.json names a component {key[:80]!r}.")
        if not (isinstance(value, list) and len(value) == 2 and all(map(_is_text, value))):
            options[key] = value
        else:
            components.append(Component(key, value[0], value[1], folder / key))
            if (folder / key / f"{value[0]}.py").is_file():
                raise ModelError(_own_code(name, key))
    return Layout(pipeline_class, tuple(components), options)


def check_classes(layout: Layout, name: str) -> None:
    """Raise `ModelError` for a pipeline, or a component of diffusers, of a class that the installed
    version does not have."""
    asked = {"the pipeline": layout.pipeline_class} | {
        f"the {item.name}": item.class_name
        for item in layout.components
        if item.package == "diffusers"
    }
    for what, class_name in asked.items():
        if not knows_class(class_name):
            raise ModelError(
                f"{name} asks for {what} {class_name}, which diffusers {version('diffusers')} does "
                "not have. Upgrade diffusers, or use another model."
            )


def read_weights(
    component: Component,
    where: str,
    wanted: Callable[[], str],
    *,
    variant: str | None = None,
    allow_pickle: bool = False,
) -> Component:
    """The component with the weights of its folder that suit; `where` names it in errors.

    Raises `ModelError` for weights that are missing, damaged, only to be unpickled, or quantised
    by a package that is not there.
    """
    names = [path.name for path in component.folder.iterdir() if path.is_file()]
    sets = weight_files(names, where)

    def precision(item: WeightFiles) -> str:
        first = component.folder / item.names[0]
        return read_header(first).precision if item.format == "safetensors" else ""

    chosen = pick(sets, wanted, lambda item: precision(item) or item.named_precision, variant)
    if chosen is None:
        raise ModelError(_no_weights(where, names))
    _check_quantisation(component, where)
    paths = tuple(component.folder / name for name in chosen.names)
    for path in paths:
        try:
            read_header(path, allow_pickle=allow_pickle)  # damaged, cut short, or to be unpickled
        except ModelError as error:
            raise ModelError(f"{where}: {error}") from error
    return replace(component, weights=paths, variant=chosen.variant)


def check_tokenizer(component: Component, where: str, remedy: str) -> None:
    """Raise `ModelError` for a tokenizer without its words, or that no library here reads."""
    there = [name for name in _WORDS if (component.folder / name).is_file()]
    if not there and component.class_name.startswith("ByT5"):
        return  # whose words are bytes
    if not there:
        raise ModelError(
            f"{where}: the tokenizer is missing ({component.class_name}: {', '.join(_WORDS[:2])} "
            f"or another). {remedy}"
        )
    if all(name.endswith(".model") for name in there) and find_spec("sentencepiece") is None:
        raise ModelError(
            f"{where}: {there[0]} is read by the package sentencepiece. Install it: "
            "pip install sentencepiece."
        )


def variants(layout: Layout) -> tuple[str, ...]:
    """The precisions that the file names of a folder tell, each once."""
    found: dict[str, None] = {}
    for component in layout.networks:
        if component.folder.is_dir():
            names = [path.name for path in component.folder.iterdir()]
            found |= dict.fromkeys(
                item.variant for item in weight_files(names, component.name) if item.variant
            )
    return tuple(found)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _own_code(name: str, what: str) -> str:
    return (
        f"{name}: model_index.json names no class of diffusers for {what}, or one with code of its "
        "own, which is not run. Use a model whose classes are part of diffusers."
    )


def _no_weights(where: str, names: list[str]) -> str:
    other = [
        name
        for name in names
        if name.endswith((".msgpack", ".h5", ".onnx", ".onnx_data", ".xml", ".safetensors"))
        or ending(name) in PICKLES
    ]
    if not other:
        return f"{where}: no weights are there. Download the model again."
    return (
        f"{where}: no weights that diffusers reads are there, but {', '.join(sorted(other)[:3])}. "
        "Get the safetensors version of the model."
    )


def _check_quantisation(component: Component, where: str) -> None:
    quantised = read_json(component.folder / "config.json", optional=True).get(
        "quantization_config"
    )
    if not isinstance(quantised, Mapping):
        return
    method = str(quantised.get("quant_method", ""))
    package = _QUANTISED_BY.get(method, method)
    try:
        there = find_spec(package) is not None if package else True
    except ModuleNotFoundError:
        there = False
    if not there:
        name = package.replace("optimum.quanto", "optimum-quanto").replace("_", "-")
        raise ModelError(
            f"{where} is quantised by {method}, and the package {name} is not here. Install it: "
            f"pip install {name}; or take a version that is not quantised."
        )
