"""`ninefold stages`, `models` and `plugins`: what can be chosen, and what packages add."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import typer

from ninefold.catalogue import describe_model, describe_stage, other_models, plugins, summary_of
from ninefold.cli.guard import DONE, say
from ninefold.cli.parameters import Parameter, parameters_of
from ninefold.core.json_text import json_text
from ninefold.core.slots import Slot
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.sampler_table import SAMPLERS, SCHEDULES
from ninefold.stages.registry import find_stage, installed, stage_types


def show_stages(as_json: bool) -> int:
    """One line for each stage, in the default order, plugins after them, broken ones last."""
    found = {name: summary_of(stage) for name, stage in stage_types().items()}
    if as_json:
        _print_json(found)
    else:
        _print_table(found.items())
    for problem in installed().broken.values():
        say(f"warning: {problem}")
    return DONE


def show_stage(name: str, as_json: bool) -> int:
    """A stage's slots and parameters; raises `ConfigError` where there is none of that name."""
    stage = find_stage(name)
    parameters = parameters_of(stage.params_type)
    slots = {"requires": stage.requires, "accepts": stage.accepts, "provides": stage.provides}
    if as_json:
        _print_json(describe_stage(stage))
        return DONE
    typer.echo(f"{name}: {summary_of(stage)}\n")
    for kind, given in slots.items():
        if given:
            typer.echo(f"{kind:<9} {', '.join(_names(given))}")
    for parameter in parameters:
        typer.echo("\n" + _shown(parameter))
    if not parameters:
        typer.echo("\nno parameters")
    return DONE


def show_models(engines: EngineSet, as_json: bool) -> int:
    """Every model that can be named without a path or a download."""
    diffusion = {name: describe_model(engines, name) for name in engines.diffusion.models()}
    others = other_models(engines)
    if as_json:
        _print_json({"diffusion": diffusion, **others})
        return DONE
    typer.echo("diffusion")
    for name, info in diffusion.items():
        typer.echo(f"  {name}: {_sentence(info)}")
        for line in textwrap.wrap(info.get("hint", ""), 90):
            typer.echo(f"      {line}")
    typer.echo("  or a folder, a .safetensors file or a hub name: --model NAME")
    width = max(map(len, others))
    for kind, names in others.items():
        shown = [name for name in names if kind != "schedulers" or name in SAMPLERS]
        typer.echo(f"{kind:<{width}} {', '.join(shown) or 'none'}")
        if len(shown) < len(names):
            schedules = ", ".join(SCHEDULES)
            typer.echo(f"{'':<{width}} most with a schedule too, as dpmpp_2m_karras: {schedules}")
    return DONE


def show_plugins(as_json: bool) -> int:
    """One line for each stage and engine of an installed package, with what is wrong with it."""
    found = plugins()
    if as_json:
        _print_json({"plugins": [asdict(plugin) for plugin in found]})
        return DONE
    if not found:
        typer.echo("no plugins")
        return DONE
    rows = [(p.what, p.name, f"{p.package} {p.version}", p.value) for p in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for plugin, row in zip(found, rows, strict=True):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())
        if plugin.problem is not None:
            typer.echo(f"    cannot be used: {plugin.problem}")
    return DONE


def _sentence(info: dict[str, Any]) -> str:
    if "error" in info:
        return str(info["error"])
    width, height = info["native_size"]
    return f"{width} x {height} pixels, {info['steps']} steps, hash {info['hash'][:SHORT_HASH]}"


def _shown(parameter: Parameter) -> str:
    limits = f", {parameter.limits}" if parameter.limits else ""
    head = f"  {parameter.name}  {parameter.type}{limits}; default {parameter.default}"
    return f"{head}\n      {parameter.description}"


def _names(slots: Sequence[Slot[Any]]) -> Iterator[str]:
    return (slot.name for slot in slots)


def _print_table(rows: Any) -> None:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}")


def _print_json(document: Any) -> None:
    typer.echo(json_text(document, indent=2))
