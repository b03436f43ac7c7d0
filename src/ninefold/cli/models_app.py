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
    elif settings_file is not None or as_json:
        raise typer.BadParameter("expected --settings and --json after the command.")


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


class _AddAs(StrEnum):
    LINK = "link"
    COPY = "copy"
    REFERENCE = "reference"


@models_app.command()
@guarded
def add(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A model's file or folder.")],
    name: Annotated[str | None, typer.Option(help="What to call it; by default as it is.")] = None,
    how: Annotated[
        _AddAs,
        typer.Option(
            "--as", help="A hard link (a copy on another disk), a copy, or the file where it is."
        ),
    ] = _AddAs.LINK,
    settings_file: a.SettingsFile = None,
) -> int:
    """Add a model to ninefold's own folder, and print its name. It is checked first: what is no
    model, is damaged or needs unpickling is refused."""
    from ninefold.cli.models_maintenance import add_one
    from ninefold.cli.settings import engines_for

    return add_one(engines_for(settings_file, context.obj), path, name, how.value)


@models_app.command()
@guarded
def pull(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="A repository.")],
    variant: Annotated[
        str | None, typer.Option(help="The precision to fetch, such as fp16; by default the half.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Fetch this file of it alone; repeatable.")
    ] = None,
    quiet: a.Quiet = False,
    settings_file: a.SettingsFile = None,
) -> int:
    """Fetch a model from the Hugging Face hub into its cache, and print its name.

    Only what it is read from is fetched: one precision, no pickled weights. A download that was
    cut goes on where it broke off, and every file is compared with the hub's hash. HF_TOKEN opens
    gated models; HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE hold as ever.
    """
    from ninefold.cli.models_maintenance import pull_one
    from ninefold.cli.settings import engines_for

    engines = engines_for(settings_file, context.obj)
    return pull_one(engines, name, variant, file or (), quiet)


@models_app.command()
@guarded
def remove(
    context: typer.Context,
    name: _Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings_file: a.SettingsFile = None,
) -> int:
    """Remove a model that was added or pulled. What lies in your own folders is never touched."""
    from ninefold.cli.models_maintenance import remove_one
    from ninefold.cli.settings import engines_for

    return remove_one(engines_for(settings_file, context.obj), name, yes)


@models_app.command()
@guarded
def verify(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model; by default all.")
    ] = None,
    settings_file: a.SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> int:
    """Read models' files and compare them with their hashes of before; those read for the first
    time are remembered.

    Exit codes: 0 all are whole, 1 some are damaged or missing.
    """
    from ninefold.cli.models_maintenance import verify_all
    from ninefold.cli.settings import engines_for

    return verify_all(engines_for(settings_file, context.obj), name, as_json)
