"""`ninefold models list` and `show`: what is known of models, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer

from ninefold.cli.guard import DONE, say
from ninefold.core.json_text import json_text
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.families.abilities import TASK_NAMES
from ninefold.model_catalog import list_models, show_model

_COLUMNS = ("name", "kind", "family", "precision", "size", "license", "source")


def show_list(engines: EngineSet, kind: str | None, as_json: bool) -> int:
    """A table, a line for each model; what is wrong with one stands below it."""
    found = list_models(engines, kind)
    if as_json:
        typer.echo(json_text(found, indent=2))
    elif not found:
        typer.echo("no models of this kind")
    else:
        for line in _table(found):
            typer.echo(line)
    for problem in engines.library.problems():
        say(f"warning: {problem}")
    return DONE


def show_one(engines: EngineSet, name: str, as_json: bool) -> int:
    """All that is known of a model; raises `ModelError` where there is none."""
    found = show_model(engines, name)
    if as_json:
        typer.echo(json_text(found, indent=2))
        return DONE
    for number, model in enumerate(found):
        if number:
            typer.echo()
        for label, text in _lines(model):
            typer.echo(f"{label:<16} {text}")
    return DONE


def gib(count: int) -> str:
    """Bytes for people: `6.5 GB` as disks are sold, three digits at most."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count} B"


def _table(found: Sequence[Json]) -> Iterator[str]:
    rows = [_COLUMNS, *(_row(model) for model in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if index and (problem := found[index - 1]["problem"]):
            yield f"    cannot be used as it is: {problem}"


def _row(model: Json) -> tuple[str, ...]:
    size = gib(model["size_bytes"]) if model["size_bytes"] else ""
    family = model["family"]
    if family and model["kind"] != "diffusion":
        family = f"for {family}"
    texts = (model["name"], model["kind"], family, model["precision"], size)
    return (*texts, model["license"], model["source"])


def _lines(model: Json) -> Iterator[tuple[str, str]]:
    """What is known, with a label each; what is not known is left out."""
    texts = ("name", "kind", "title", "author", "license", "description", "source", "path")
    for label in texts:
        if model.get(label):
            yield label, model[label]
    yield from _family_lines(model)
    yield from _file_lines(model)
    if "steps" in model:
        yield from _diffusion_lines(model)
    for label in ("triggers", "tags"):
        if model.get(label):
            yield label, ", ".join(model[label])
    for label, text in (model.get("details") or {}).items():
        yield label, text
    if model["problem"]:
        yield "problem", model["problem"]


def _family_lines(model: Json) -> Iterator[tuple[str, str]]:
    if model["kind"] == "diffusion":
        told = f" ({model['told_by']})" if model.get("told_by") else ""
        yield "family", f"{model['family'] or model.get('class') or 'unknown'}{told}"
    elif model["family"]:
        yield "made for", model["family"]
    if model.get("base") not in (None, "", model["family"]):
        yield "base", model["base"]
    if model.get("prediction_type"):
        yield "prediction", model["prediction_type"]


def _file_lines(model: Json) -> Iterator[tuple[str, str]]:
    kind = " ".join(filter(None, (model["format"], model["precision"])))
    if kind:
        yield "file", f"{kind}, {gib(model['size_bytes'])}"
    if model["parameters"]:
        yield "parameters", f"{model['parameters']:,}"
    if memory := model.get("memory_bytes"):
        each = "; ".join(f"{name} {gib(size)}" for name, size in memory.items())
        yield "weights take", f"{each}; working memory comes on top"
    if model.get("parts"):
        yield "holds", ", ".join(model["parts"])
    if "hash" in model:
        yield "hash", model["hash"] or "not read yet: `ninefold models verify` does"


def _diffusion_lines(model: Json) -> Iterator[tuple[str, str]]:
    for task, by in model["starts_from"].items():
        yield "starts from", f"{TASK_NAMES[task]}{'' if by == 'diffusers' else f', by {by}'}"
    for task in TASK_NAMES:
        if task not in model["starts_from"]:
            yield "cannot", f"start from {TASK_NAMES[task]}"
    if model["instead"]:
        yield "instead", model["instead"]
    width, height = model["native_size"]
    limits = f"multiples of {model['size_multiple']} from {model['min_size']}"
    yield "size", f"{width} x {height}; {limits} to {model['max_size']}"
    yield "steps", str(model["steps"])
    yield "guidance", _guidance(model)
    negative = {
        "always": "acts",
        "guided": "acts where a guidance scale above 1 is asked for",
        "never": "does not act",
    }
    yield "negative prompt", negative[model["negative_prompt"]]
    tokens = model["prompt_tokens"]
    yield "prompt", "of any length" if tokens is None else f"the first {tokens} tokens act"
    yield "schedulers", _SCHEDULERS[model["schedulers"]]


_SCHEDULERS = {
    "noise": "all that sample noise schedules; see `ninefold models`",
    "flow": "those of flow matching; see `ninefold models`",
    "own": "its own alone",
}


def _guidance(model: Json) -> str:
    if model["guidance"] == "none":
        return "none: the scale does not act"
    how = {"classifier_free": "classifier-free", "embedded": "told to the network"}
    return f"{model['guidance_scale']:g}, {how[model['guidance']]}"
