"""Commands and their options. Each imports what it needs when it runs, so that help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ninefold.cli import arguments as a
from ninefold.cli import jobs_app as jobs
from ninefold.cli import serve_app as service
from ninefold.cli import sheets_app as sheets
from ninefold.cli.guard import guarded
from ninefold.cli.image_options import ImageOptions, with_image_options
from ninefold.cli.models_app import models_app
from ninefold.cli.webhooks_app import webhooks_app

app = typer.Typer(
    name="ninefold",
    help="From a prompt to a finished image: nine stages, one pipeline.",
    pretty_exceptions_enable=False,
    **a.SETTINGS,
)
config_app = typer.Typer(help="Show, check and describe configs.", **a.SETTINGS)


def _version(value: bool) -> None:
    if value:
        from ninefold._version import __version__

        typer.echo(f"ninefold {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
@guarded
@with_image_options
def run(
    images: ImageOptions,
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder that gets one folder an image; by default ninefold-out."),
    ] = None,
    as_json: a.AsJson = False,
    quiet: a.Quiet = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved pipeline and stop.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Go on with the run in DIR at its first open stage."),
    ] = None,
    settings_file: a.SettingsFile = None,
    memory: a.Memory = None,
) -> int:
    """Make images of PROMPT.

    The final files are listed on stdout, one a line; all else goes to stderr. Exit codes: 0 done,
    1 a stage failed and what was made is kept, 2 bad input, 130 interrupted.
    """
    from ninefold.cli.options import RunOptions
    from ninefold.cli.run import run as run_images

    options = RunOptions.of(
        images,
        out=out,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        resume=resume,
        settings_file=settings_file,
        memory=memory,
    )
    return run_images(options, context.obj)


app.command()(sheets.sheet)
app.command()(sheets.grid)
app.command()(jobs.submit)
app.add_typer(jobs.jobs_app, name="jobs")
app.command()(jobs.worker)
app.command()(jobs.prune)
app.command()(service.serve)
app.add_typer(service.keys_app, name="keys")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(models_app, name="models")
app.add_typer(config_app, name="config")


@app.command()
@guarded
def stages(
    name: Annotated[str | None, typer.Argument(help="Show this stage's parameters.")] = None,
    as_json: a.AsJson = False,
) -> int:
    """List the stages, or the parameters and slots of one."""
    from ninefold.cli.catalogue import show_stage, show_stages

    return show_stages(as_json) if name is None else show_stage(name, as_json)


@app.command()
@guarded
def plugins(as_json: a.AsJson = False) -> int:
    """List what installed packages add, and what of it cannot be used, with the reason."""
    from ninefold.cli.catalogue import show_plugins

    return show_plugins(as_json)


@app.command()
@guarded
def doctor(
    settings_file: a.SettingsFile = None,
    data: a.Data = None,
    database: a.Database = None,
    ask_torch: Annotated[
        bool,
        typer.Option("--torch", help="Ask torch for its devices, too, which takes seconds."),
    ] = False,
    as_json: a.AsJson = False,
) -> int:
    """Show versions, device, memory, models, plugins and folders, and what is missing.

    Exit codes: 0 all that is needed is there, 1 something is missing.
    """
    from ninefold.cli.doctor import examine

    return examine(settings_file, data, database, ask_torch, as_json)


@app.command()
@guarded
def inspect(
    context: typer.Context,
    file: a.ImageFile,
    settings_file: a.SettingsFile = None,
    as_json: a.AsJson = False,
) -> int:
    """Show what an image file says of how it was made, whichever tool wrote it.

    Reads AUTOMATIC1111, Forge, ComfyUI, InvokeAI, Fooocus, NovelAI, SwarmUI and others. Exit codes:
    0 it was read, though it may say nothing, 2 it cannot be read.
    """
    from ninefold.cli.inspect import inspect as inspect_one
    from ninefold.cli.settings import engines_for

    return inspect_one(file, engines_for(settings_file, context.obj), as_json)


@app.command()
@guarded
def tune(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="A model's name, folder, file or hub name.")
    ] = "poster",
    size: a.Size = None,
    steps: Annotated[int, typer.Option(min=1, max=200, help="Denoising steps of a call.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Calls of each kind.")] = 3,
    settings_file: a.SettingsFile = None,
    as_json: a.AsJson = False,
) -> int:
    """Measure what makes a model fast here, and use it from now on.

    Levers (memory formats, attention backends, compiled blocks) and batches are measured against
    the usual way, at one size. A lever that changes no byte is used always, others only with
    --quality high or fast.
    """
    from ninefold.cli.settings import engines_for
    from ninefold.cli.tune import tune

    return tune(engines_for(settings_file, context.obj), model, size, steps, rounds, as_json)


@app.command()
@guarded
def verify(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Image files; - reads one from stdin.")
    ],
    trust: Annotated[
        Path | None,
        typer.Option(metavar="FILE.pem", help="Certificates that are trusted, in PEM form."),
    ] = None,
    data: a.Data = None,
    settings_file: a.SettingsFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a file, each on a line.")
    ] = False,
) -> int:
    """Show what the marks of image files say of where they come from.

    Signature and certificate, what was done by which software and model, what was changed since,
    and the watermark. Nothing is fetched. Exit codes: 0 intact (made by ninefold and whole), 1
    altered, 3 foreign or unproven, 2 unreadable; of several files the first of 2, 1, 3 and 0.
    """
    from ninefold.cli.verify import verify_files

    return verify_files(files, trust, data, settings_file, as_json, context.obj)


@app.command()
@guarded
def reproduce(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="An image of ninefold's, or the manifest.json beside it.")
    ],
    record: Annotated[
        Path | None,
        typer.Option(metavar="MANIFEST", help="The manifest of an image that holds no record."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=FILE",
            help="What it was made from, where it is not found: image, mask, references.1, "
            "finisher.lut; also model=NAME. Repeatable.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Keep the new files in this folder.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on where a model or an input is another.")
    ] = False,
    as_json: a.AsJson = False,
    quiet: a.Quiet = False,
    data: a.Data = None,
    settings_file: a.SettingsFile = None,
    memory: a.Memory = None,
) -> int:
    """Make the image of FILE again, and say whether it is the same.

    What it takes is in the file's record, or in the manifest store. Models are compared with their
    hashes before anything runs. Exit codes: 0 identical, 3 perceptually equal (PSNR from 40 dB and
    SSIM from 0.98), 4 different, 1 a stage failed, 2 it cannot be made again.
    """
    from ninefold.cli.reproduce import ReproduceOptions
    from ninefold.cli.reproduce import reproduce as reproduce_file

    options = ReproduceOptions(
        file, record, tuple(inputs or ()), out, anyway, as_json, quiet, data, settings_file, memory
    )
    return reproduce_file(options, context.obj)


@config_app.command("show")
@guarded
def config_show(
    preset: a.Preset = None,
    config: a.ConfigFile = None,
    settings: a.Settings = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Write out every parameter.")
    ] = False,
    as_json: a.AsJson = False,
) -> int:
    """Print a preset or a config file, with settings applied."""
    from ninefold.cli.configs import show_config

    return show_config(preset, config, settings or (), resolved, as_json)


@config_app.command("validate")
@guarded
def config_validate(
    file: Annotated[Path, typer.Argument(help="A YAML, JSON or TOML config.")],
) -> int:
    """Check a config file; every problem is reported at once."""
    from ninefold.cli.configs import validate_config

    return validate_config(file)


@config_app.command("schema")
@guarded
def config_schema() -> int:
    """Print the JSON schema of configs."""
    from ninefold.cli.configs import show_schema

    return show_schema()


@config_app.command("from")
@guarded
def config_from(
    context: typer.Context,
    file: a.ImageFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="A .yaml or .json file to write."),
    ] = None,
    settings_file: a.SettingsFile = None,
    as_json: a.AsJson = False,
) -> int:
    """Print a config for an image like that of FILE, as `run --config` takes it.

    What the config does not hold is listed on stderr. Exit codes: 0 done, 2 the file cannot be read
    or says nothing of how it was made.
    """
    from ninefold.cli.inspect import config_from as config_from_file
    from ninefold.cli.settings import engines_for

    return config_from_file(file, engines_for(settings_file, context.obj), out, as_json)
