"""Arguments and options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ninefold.core.priority import MAX_PRIORITY

#: How every group of commands is set up.
SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "rich_markup_mode": None,  # plain help needs no rich, which takes as long as all the rest
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

Prompt = Annotated[
    str | None, typer.Argument(help="What the image should show; - reads it from stdin.")
]
Preset = Annotated[
    str | None, typer.Option(help="draft, standard or full; full where nothing else is said.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A YAML, JSON or TOML config.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="STAGE.PARAM=VALUE", help="Set a parameter; repeatable."),
]
Model = Annotated[
    str | None, typer.Option(help="A diffusion model: a name, folder, file or hub name.")
]
Components = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|NAME",
        help="Where the model takes the components from that it lacks: a diffusers folder or a "
        "hub name.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Same seed, same image; random by default.")]
Count = Annotated[
    int, typer.Option(min=1, max=10_000, help="How many images, with seeds that follow.")
]
Image = Annotated[Path | None, typer.Option(help="A source image to start from.")]
Strength = Annotated[
    float | None, typer.Option(help="How far the source image may change, 0 to 1.")
]
Mask = Annotated[Path | None, typer.Option(help="White where to paint, black to keep.")]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="An image that an edit model changes as the prompt says; repeatable.",
    ),
]
Negative = Annotated[str | None, typer.Option(help="What the image should not show.")]
Size = Annotated[
    str | None,
    typer.Option(metavar="WxH", help="Width and height in pixels, such as 768x512."),
]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
Guidance = Annotated[float | None, typer.Option(help="How closely the prompt is followed.")]
Scheduler = Annotated[str | None, typer.Option(help="The scheduler, as `ninefold models` lists.")]
Quality = Annotated[
    str | None,
    typer.Option(help="What may be traded for speed: lossless (nothing), high or fast."),
]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="NAME[:WEIGHT]", help="A LoRA to apply; repeatable."),
]
Control = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="model=NAME,image=FILE[,...]",
        help="A ControlNet, T2I-Adapter or IP-Adapter and its picture; repeatable.",
    ),
]
ImageFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="An image: PNG, JPEG, WebP or AVIF.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors on stderr.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="A TOML file of settings.")
]
Memory = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="What may be taken of a GPU, such as 24GB; auto is all."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        envvar="NINEFOLD_DATA",
        metavar="DIR",
        help="The folder of the jobs and their files; by default ninefold-data.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="NINEFOLD_DATABASE",
        metavar="URL",
        help="postgresql://user@host/name; without it, a SQLite file in the data folder.",
    ),
]
JobOrGroup = Annotated[str, typer.Argument(metavar="ID", help="A job, or a group of jobs.")]
Priority = Annotated[
    int, typer.Option(min=1, max=MAX_PRIORITY, help="Smaller numbers run first.", show_default=True)
]


class Status(StrEnum):
    """What `jobs list` can be asked for: the values of `JobStatus`."""

    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
