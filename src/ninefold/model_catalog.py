"""The models at hand, as JSON values: for the command line, the service and the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import expand_home
from ninefold.core.values import Json
from ninefold.engines import registry
from ninefold.engines.capabilities import capabilities, starts_by
from ninefold.engines.diffusion import DIFFUSION, ModelInfo
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.families import TASKS
from ninefold.engines.local_models.describe import describe_quickly, family_of
from ninefold.engines.local_models.identity import Identity, identify
from ninefold.engines.local_models.lookup import LocalModel
from ninefold.engines.local_models.places import Place
from ninefold.engines.sampler_names import scheduler_names

#: Bytes of a number, by the formats that a model may be loaded in; NF4 with its scales.
NUMBER_BYTES = {"fp32": 4.0, "fp16 or bf16": 2.0, "fp8 or int8": 1.0, "nf4": 0.56}
BUILT_IN = "built in"


def list_models(engines: EngineSet, kind: str | None = None) -> tuple[Json, ...]:
    """Every model that has a name, or those of a kind; the built-in ones first.

    Nothing is loaded, and no weight is read.
    """
    found = [*_built_in(engines), *(summary(model) for model in engines.local_models.models())]
    return tuple(item for item in found if kind in (None, item["kind"]))


def summary(model: LocalModel) -> Json:
    """One line of the list."""
    identity = model.identity
    return {
        "name": model.name,
        "kind": model.kind,
        "family": _family_name(model),
        "format": identity.format,
        "precision": identity.precision,
        "parameters": identity.parameters,
        "size_bytes": identity.size_bytes,
        "source": model.place.source,
        "title": identity.card.title,
        "license": identity.card.license,
        "problem": identity.problem,
    }


def public_summary(engines: EngineSet, kind: str, name: str) -> Json:
    """What may be said to clients of a model in the library, its files' places left out; nothing
    for any other, or for a name that may mean several."""
    try:
        model = engines.local_models.find(kind, name)
    except ModelError:
        return {}
    return {} if model is None else public_facts(model)


def public_facts(model: LocalModel) -> Json:
    """What may be said to clients of a model, its files' places left out."""
    found, card = summary(model), model.identity.card
    shown = ("family", "format", "precision", "parameters", "size_bytes", "title", "license")
    return {
        **{key: found[key] for key in shown if found[key]},
        **({"triggers": list(card.triggers)} if card.triggers else {}),
        **({"tags": list(card.tags)} if card.tags else {}),
    }


def show_model(engines: EngineSet, name: str) -> tuple[Json, ...]:
    """All that is known of the models that a name or a path means: of one, or of one of each kind.

    Raises `ModelError` where there is none.
    """
    if found := engines.local_models.named(name):
        return tuple(_shown(engines, model) for model in found)
    if name in engines.diffusion.models():
        return (
            {**_of_built_in(name, "diffusion"), **_diffusion(engines.diffusion.describe(name))},
        )
    if built_in := [item for item in _built_in(engines) if item["name"] == name]:
        return tuple(built_in)
    path = expand_home(name)
    if path.exists():
        place = Place(path, path.absolute().stem if path.is_file() else path.absolute().name, "")
        return (_shown(engines, LocalModel(place.name, place, identify(place, thorough=True))),)
    try:
        info = engines.diffusion.describe(name)  # one in the hub's cache, perhaps
    except ModelError:
        raise engines.local_models.missing(name) from None
    return ({**_of_built_in(name, "diffusion"), "source": "hub", **_diffusion(info)},)


def described(engines: EngineSet, name: str) -> ModelInfo:
    """What is known of a diffusion model; of one in the library without reading its weights, so
    that its hash may be empty. Raises `ModelError`."""
    model = engines.local_models.find("diffusion", name)
    if model is None:
        return engines.diffusion.describe(name)
    return describe_quickly(model, engines.local_models.settings)


def _shown(engines: EngineSet, model: LocalModel) -> Json:
    identity = model.identity
    if identity.format == "pickle":
        identity = identify(model.place, thorough=True)
        model = LocalModel(model.name, model.place, identity)
    card = identity.card
    found: dict[str, Any] = summary(model)
    found |= {
        "path": str(model.place.path),
        "author": card.author,
        "description": card.description,
        "base": identity.base,
        "triggers": list(card.triggers),
        "tags": list(card.tags),
        "prediction_type": card.prediction_type,
        "class": identity.class_name,
        "parts": list(identity.parts),
        "details": dict(identity.details),
        "memory_bytes": memory_estimate(identity),
    }
    if model.kind == "diffusion":
        try:
            found |= _diffusion(describe_quickly(model, engines.local_models.settings))
        except ModelError as error:
            found["problem"] = str(error)
    return found


def _diffusion(info: ModelInfo) -> Json:
    """What a diffusion model can do, and how it is run where nobody says otherwise."""
    family = info.family
    return {
        "family": family.name,
        "recognised_by": info.recognised_by,
        "hash": info.hash,
        "native_size": list(info.native_size),
        "size_multiple": info.size_multiple,
        "min_size": info.min_size,
        "max_size": info.max_size,
        "steps": info.steps,
        "guidance_scale": info.guidance_scale,
        "guidance": family.guidance.kind,
        "scheduler": info.scheduler,
        "schedulers": list(scheduler_names(info.scheduler_kind)),
        "starts_from": {task: by for task in TASKS if (by := starts_by(family, task))},
        "capabilities": dict(capabilities(info)),
    }


def memory_estimate(identity: Identity) -> dict[str, int]:
    """Bytes of the weights alone in each number format, for a file whose parameters are known.

    Working memory comes on top: it grows with the area of the image.
    """
    if not identity.parameters:
        return {}
    return {name: round(identity.parameters * size) for name, size in NUMBER_BYTES.items()}


def _family_name(model: LocalModel) -> str:
    """Of a diffusion model its family; of all else what it is made for."""
    if model.kind != "diffusion":
        return model.identity.base
    family = family_of(model)
    return model.identity.class_name if family is None else family.name


def _built_in(engines: EngineSet) -> Iterator[Json]:
    """The models that ship, and those of installed packages."""
    known = {(model.kind, model.name) for model in engines.local_models.models()}
    for kind in registry.installed().kinds.values():
        names = engines[kind].models() if engines.engines.get(kind) else ()
        for name in names:
            if (kind.model, name) not in known:
                yield _of_built_in(name, kind.model)
        if kind is DIFFUSION:
            for name in engines.diffusion.loras():
                if ("lora", name) not in known:
                    yield _of_built_in(name, "lora")


def _of_built_in(name: str, kind: str) -> Json:
    empty: Json = dict.fromkeys(
        ("family", "format", "precision", "title", "license", "problem"), ""
    )
    return {
        "name": name,
        "kind": kind,
        **empty,
        "parameters": 0,
        "size_bytes": 0,
        "source": BUILT_IN,
    }
