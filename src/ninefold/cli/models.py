"""`ninefold models list` and `show`: what is known of models, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer

from ninefold.cli.guard import DONE, say
from ninefold.core.json_text import json_text
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.sampler_table import SAMPLERS
from ninefold.model_catalog import list_models, show_model

#: Characters of the widest column; what is longer moves the rest of its own line alone.
_WIDEST = 40
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
    for problem in engines.local_models.problems():
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


def size_text(count: int) -> str:
    """Bytes for people: `6.5 GB` as disks are sold, three digits at most."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count} B"


def _table(found: Sequence[Json]) -> Iterator[str]:
    rows = [_COLUMNS, *(_row(model) for model in found)]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if index and (problem := found[index - 1]["problem"]):
            yield f"    cannot be used as it is: {problem}"


def _row(model: Json) -> tuple[str, ...]:
    size = size_text(model["size_bytes"]) if model["size_bytes"] else ""
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
    yield from (model.get("capabilities") or {}).items()
    if samplers := model.get("schedulers"):
        yield "samplers", ", ".join(name for name in samplers if name in ("default", *SAMPLERS))
        yield "", "most also with a schedule, such as _karras; docs/models.md lists them"
    for label in ("triggers", "tags"):
        if model.get(label):
            yield label, ", ".join(model[label])
    for label, text in (model.get("details") or {}).items():
        yield label, text
    if model["problem"]:
        yield "problem", model["problem"]


def _family_lines(model: Json) -> Iterator[tuple[str, str]]:
    if model["kind"] == "diffusion":
        if "capabilities" not in model:
            yield "family", model["family"] or model.get("class") or "unknown"
    elif model["family"]:
        yield "made for", model["family"]
    if model.get("base") not in (None, "", model["family"]):
        yield "base", model["base"]
    if model.get("prediction_type"):
        yield "prediction", model["prediction_type"]


def _file_lines(model: Json) -> Iterator[tuple[str, str]]:
    kind = " ".join(filter(None, (model["format"], model["precision"])))
    size = size_text(model["size_bytes"]) if model["size_bytes"] else ""
    if kind or size:
        yield "file", ", ".join(filter(None, (kind, size)))
    if model["parameters"]:
        yield "parameters", f"{model['parameters']:,}"
    if memory := model.get("memory_bytes"):
        each = "; ".join(f"{name} {size_text(size)}" for name, size in memory.items())
        yield "weights take", f"{each}; working memory comes on top"
    if model.get("parts"):
        yield "holds", ", ".join(model["parts"])
    if "hash" in model:
        yield "hash", model["hash"][:SHORT_HASH] or "not read yet: `ninefold models verify` does"
