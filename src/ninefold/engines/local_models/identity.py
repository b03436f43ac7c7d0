"""What a model is, found without loading it: by its header or configs, and what lies beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.embeddings.inversion import inversion_base
from ninefold.engines.file_kinds import recognise
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.layouts import check_classes, read_index
from ninefold.engines.local_models.model_card import ModelCard, clean, read_model_card
from ninefold.engines.local_models.onnx_header import OnnxHeader, read_onnx_header
from ninefold.engines.local_models.places import (
    ADAPTER,
    CONFIG,
    INDEX,
    KINDS,
    Kind,
    Place,
    is_file,
    is_folder,
)
from ninefold.engines.local_models.tensor_kinds import (
    embedding_vectors,
    kind_of_tensors,
)
from ninefold.engines.loras.identify import identify_lora
from ninefold.engines.weight_files import weight_files
from ninefold.engines.weight_headers import PICKLES, WeightsHeader, read_header

#: Raised with every change to what is found of a model: what older versions found is found anew.
VERSION = 3

_NO_CARD = ModelCard()
#: Number formats of headers, as people name them.
_PRECISIONS = {
    **{"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"},
    **{"float8_e4m3fn": "fp8", "float8_e5m2": "fp8", "I8": "int8", "U8": "uint8"},
}
#: Classes of networks in a folder of their own.
_NETWORK_KINDS: tuple[tuple[str, Kind], ...] = (
    ("ControlNet", "control"),
    ("T2IAdapter", "control"),
    ("Autoencoder", "vae"),
    ("VQModel", "vae"),
    ("Transformer2D", "diffusion"),
    ("Transformer", "diffusion"),
    ("UNet", "diffusion"),
)
#: Classes of transformers, by their endings.
_TRANSFORMERS_KINDS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("Detection", "Segmentation"), "detector"),
    (("ImageSuperResolution",), "upscaler"),
    (
        (
            *("TextModel", "TextModelWithProjection", "CLIPModel", "EncoderModel", "CausalLM"),
            "ForConditionalGeneration",
        ),
        "text_encoder",
    ),
)


@dataclass(frozen=True)
class Identity:
    """What is known of a model's file or folder; texts are empty where nothing tells."""

    kind: Kind
    #: `safetensors`, `gguf`, `onnx`, `pickle`, or whose folder it is: `diffusers`, `transformers`.
    format: str
    #: Of a diffusion model the diffusers class that runs it, of a folder's network its class.
    class_name: str = ""
    #: Number format of most of its weights, such as `fp16`, or GGUF's name of one.
    precision: str = ""
    parameters: int = 0
    #: Of all its weight files.
    size_bytes: int = 0
    #: Of a diffusion model, its parts.
    parts: tuple[str, ...] = ()
    #: Of what belongs to a diffusion model, the family that it is made for.
    base: str = ""
    card: ModelCard = _NO_CARD
    #: What else is known, by its name: rank of a LoRA, labels of a detector.
    details: Mapping[str, str] = field(default_factory=dict)
    #: Why it cannot be used as it is, and what to do; empty where nothing is wrong.
    problem: str = ""

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Identity:
        """Read what `to_json` wrote; raises `ValueError` for anything else."""
        try:
            values = json.loads(text)
            card = values.pop("card")
            card = ModelCard(**card | {name: tuple(card[name]) for name in ("triggers", "tags")})
            values["parts"] = tuple(values["parts"])
            found = cls(**values, card=card)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no identity: {error}") from error
        if found.kind not in KINDS or {item.name for item in fields(cls)} != {*values, "card"}:
            raise ValueError("no identity of this version")
        return found


def identify(place: Place, *, allow_pickle: bool = False, thorough: bool = False) -> Identity:
    """What the model at a place is. Nothing is loaded, and nothing but headers is read.

    Pickled files are recognised by their folder alone, unless `thorough`: that takes torch, and
    reads their tensors' names where no code has to run. A file that is damaged or refused is listed
    with its `problem`.
    """
    path = place.path
    try:
        if path.is_dir():
            return _folder(place)
        if ending(path) == ".onnx":
            return _onnx(place)
        if ending(path) in PICKLES and not thorough:
            return _pickled(place)
        return _weights(place, read_header(path, allow_pickle=allow_pickle))
    except ModelError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path.name} cannot be read: {error.strerror or error}."
    except Exception as error:  # a stranger's file: one that surprises must not hide all others
        problem = f"{path.name} is of a form that nothing here expects ({error!r})."
    size, _ = (is_file(path) and size_and_time(path)) or (0, 0)
    return Identity(place.hint or "other", _format(path), size_bytes=size, problem=problem)


def _weights(place: Place, header: WeightsHeader) -> Identity:
    path = place.path
    kind = kind_of_tensors(header) or place.hint or "other"
    found = Identity(
        kind,
        _format(path),
        precision=precision_name(header.precision),
        parameters=parameter_count(header),
        size_bytes=path.stat().st_size,
        card=read_model_card(path, header.metadata),
    )
    if kind == "diffusion":
        return _diffusion(found, header, path)
    if kind == "lora" and ending(path) == ".safetensors":
        return _lora(found, path)
    if kind == "embedding":
        rows, widths = embedding_vectors(header)
        return replace(found, base=inversion_base(widths), details={"tokens": str(rows)})
    return replace(found, base=found.card.base)


def _diffusion(found: Identity, header: WeightsHeader, path: Path) -> Identity:
    """A file of a family that is known by its tensors, and what it holds of the pipeline."""
    try:
        recognised = recognise(header, path.name)
    except ModelError as error:
        return replace(found, problem=str(error))
    class_name = recognised.kind.pipeline_class
    return replace(found, class_name=class_name, parts=tuple(recognised.prefixes))


def _lora(found: Identity, path: Path) -> Identity:
    """A LoRA's family, form and rank."""
    try:
        info = identify_lora(path)
    except ModelError as error:
        return replace(found, problem=str(error))
    details = {"form": info.format, "rank": str(info.rank or "")}
    if info.text_encoders:
        details["changes"] = "the network and text encoders"
    return replace(
        found,
        base=info.base or found.card.base,
        details={name: text for name, text in details.items() if text},
    )


def _onnx(place: Place) -> Identity:
    path = place.path
    header = read_onnx_header(path)
    metadata = header.metadata
    card = ModelCard(
        title=clean(metadata.get("description")),
        author=clean(metadata.get("author")),
        license=clean(metadata.get("license")),
    )
    details = {
        name: text for name in ("task", "names", "scale") if (text := clean(metadata.get(name)))
    }
    return Identity(
        _onnx_kind(header) or place.hint or "other",
        "onnx",
        precision=precision_name(header.precision),
        size_bytes=path.stat().st_size,
        card=card,
        details=details,
    )


def _onnx_kind(header: OnnxHeader) -> Kind | None:
    """A detector has labels, an upscaler gives an image."""
    task = header.metadata.get("task", "")
    if "names" in header.metadata or task in ("detect", "segment", "pose"):
        return "detector"
    image, first = header.inputs[0], header.outputs[0]
    channels = {1, 3, None}
    if task == "upscale" or (
        not task and len(image) == len(first) == 4 and image[1] in channels and first[1] == image[1]
    ):
        return "upscaler"
    return None


def _pickled(place: Place) -> Identity:
    """What can be said of a pickled file without opening it."""
    hint = place.hint or "other"
    problem = (
        "it is pickled; tensors alone are read from it, anything else is refused: "
        "`ninefold models show` tells which"
    )
    if hint == "detector":
        problem = (
            f"it needs unpickling. Export it: yolo export model={place.path.name} format=onnx "
            "dynamic=True"
        )
    return Identity(
        hint,
        "pickle",
        size_bytes=place.path.stat().st_size,
        card=read_model_card(place.path, {}),
        problem=problem,
    )


def _folder(place: Place) -> Identity:
    path = place.path
    names = {item.name for item in path.iterdir()}
    if INDEX in names:
        return _diffusers(place)
    if ADAPTER in names:
        return _peft(place)
    config = _json(path / CONFIG)
    network = str(config.get("_class_name") or "")
    architectures = config.get("architectures")
    first = architectures[0] if isinstance(architectures, list) and architectures else ""
    class_name = clean(network or first)
    kind = _kind_of_class(class_name, diffusers=bool(network)) or place.hint or "other"
    return _with_weights(
        Identity(
            kind,
            "diffusers" if network else "transformers",
            class_name,
            card=read_model_card(path, {}),
            parts=("network",) if kind == "diffusion" else (),
            details=_labels(config) if kind == "detector" else {},
        ),
        _weight_files(path),
    )


def _diffusers(place: Place) -> Identity:
    index = _json(place.path / INDEX)
    class_name = index.get("_class_name")
    if not isinstance(class_name, str):
        raise ModelError("its model_index.json names no diffusers pipeline class.")
    parts = tuple(
        name
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)
    )
    scheduler = _json(place.path / "scheduler" / "scheduler_config.json", optional=True)
    card = read_model_card(place.path, {})
    prediction = clean(scheduler.get("prediction_type"))
    found = Identity(
        "diffusion",
        "diffusers",
        clean(class_name),
        parts=parts,
        card=replace(card, prediction_type=prediction or card.prediction_type),
        details={"scheduler": text} if (text := clean(scheduler.get("_class_name"))) else {},
    )
    found = _with_weights(
        found, [file for part in parts for file in _weight_files(place.path / part)]
    )
    name = place.path.name
    try:
        check_classes(read_index(place.path, name), name)
    except ModelError as error:
        return replace(found, problem=str(error))
    return found


def _peft(place: Place) -> Identity:
    config = _json(place.path / ADAPTER)
    details = {"rank": str(config["r"])} if isinstance(config.get("r"), int) else {}
    found = Identity(
        "lora",
        "peft",
        card=read_model_card(place.path, {}),
        details=details,
        base=clean(config.get("base_model_name_or_path")),
    )
    return _with_weights(found, sorted(place.path.glob("adapter_model*.safetensors")))


def _with_weights(found: Identity, files: Sequence[Path]) -> Identity:
    """With what the headers of its files say; a problem where there are none, or broken ones."""
    sizes: dict[str, int] = {}
    parameters, problem = 0, "" if files else "no weights are there"
    for file in files:
        if ending(file) in PICKLES:
            problem = problem or f"{file.name} is pickled"
            continue
        try:
            header = read_header(file)
        except ModelError as error:
            problem = problem or str(error)
            continue
        sizes[header.precision] = sizes.get(header.precision, 0) + file.stat().st_size
        parameters += parameter_count(header)
    return replace(
        found,
        precision=precision_name(max(sizes, key=sizes.__getitem__, default="")),
        parameters=parameters,
        size_bytes=sum(file.stat().st_size for file in files),
        problem=problem,
    )


def _weight_files(folder: Path) -> list[Path]:
    """The files of one network's weights, in the precision that stands for all others; none where
    it has no weights. Raises `ModelError` where some are missing."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if path.is_file()]
    sets = weight_files(names, folder.name)
    sets = tuple(item for item in sets if item.format == "safetensors") or sets
    if not sets:
        return []
    chosen = min(sets, key=lambda item: item.variant is not None)
    return [folder / name for name in chosen.names]


def _kind_of_class(name: str, *, diffusers: bool) -> Kind | None:
    if diffusers:
        return next((kind for part, kind in _NETWORK_KINDS if part in name), None)
    return next((kind for ends, kind in _TRANSFORMERS_KINDS if name.endswith(ends)), None)


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    labels = config.get("id2label")
    return {"names": clean(list(labels.values()))} if isinstance(labels, Mapping) else {}


def parameter_count(header: WeightsHeader) -> int:
    """How many numbers a file holds."""
    return sum(math.prod(tensor.shape) for tensor in header.tensors.values())


def precision_name(dtype: str) -> str:
    """A number format of a header as people write it: `fp16`, `bf16`, `fp8`, `Q4_K`."""
    return _PRECISIONS.get(dtype, dtype)


def _format(path: Path) -> str:
    if is_folder(path):
        return "diffusers" if is_file(path / INDEX) else "transformers"
    return "pickle" if ending(path) in PICKLES else ending(path).removeprefix(".")


def _json(path: Path, *, optional: bool = False) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError(f"{path.parent.name}: {path.name} is missing.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.parent.name}/{path.name} cannot be read: {error}.") from error
    return content if isinstance(content, Mapping) else {}
