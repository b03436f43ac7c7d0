"""`ninefold models`: its options."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ninefold.cli import arguments as a
from ninefold.cli.guard import guarded

models_app = typer.Typer(
    help="List, show, add, fetch and check models.", **a.SETTINGS | {"no_args_is_help": False}
)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A model: its short name, path or hub name.")
]


class _Kind(StrEnum):
    DIFFUSION = "diffusion"
    LORA = "lora"
    CONTROL = "control"
    VAE = "vae"
    TEXT_ENCODER = "text_encoder"
    EMBEDDING = "embedding"
    UPSCALER = "upscaler"
    DETECTOR = "detector"
    OTHER = "other"


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context, settings_file: a.SettingsFile = None, as_json: a.AsJson = False
) -> None:
    """List diffusion models, schedulers, LoRAs, detectors and upscalers at hand; or do one of the
    commands below.
    """
    if context.invoked_subcommand is None:
        _everything(context, settings_file, as_json)


@guarded
def _everything(context: typer.Context, settings_file: Path | None, as_json: bool) -> int:
    from ninefold.cli.catalogue import show_models
    from ninefold.cli.settings import engines_for

    return show_models(engines_for(settings_file, context.obj), as_json)


@models_app.command("list")
@guarded
def list_models(
    context: typer.Context,
    kind: Annotated[_Kind | None, typer.Option(help="Only those of this kind.")] = None,
    settings_file: a.SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """List every model that can be named: built in, added, or found in NINEFOLD_MODEL_FOLDERS.

    Only headers are read, never weights.
    """
    from ninefold.cli.models import show_list
    from ninefold.cli.settings import engines_for

    wanted = None if kind is None else kind.value
    return show_list(engines_for(settings_file, context.obj), wanted, as_json)


@models_app.command()
@guarded
def show(
    context: typer.Context,
    name: _Name,
    settings_file: a.SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """Show what a model is, what it can and cannot do, its defaults, and the memory it takes."""
    from ninefold.cli.models import show_one
    from ninefold.cli.settings import engines_for

    return show_one(engines_for(settings_file, context.obj), name, as_json)
