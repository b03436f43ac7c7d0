"""The options that `run`, `grid` and `submit` take alike, defined once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from ninefold.cli import arguments as a

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What images are made of; each field is an argument or option, None where it is not given."""

    prompt: a.Prompt = None
    preset: a.Preset = None
    config: a.ConfigFile = None
    settings: a.Settings = None
    model: a.Model = None
    components: a.Components = None
    seed: a.Seed = None
    count: a.Count = 1
    image: a.Image = None
    strength: a.Strength = None
    mask: a.Mask = None
    references: a.References = None
    negative: a.Negative = None
    size: a.Size = None
    steps: a.Steps = None
    guidance: a.Guidance = None
    scheduler: a.Scheduler = None
    quality: a.Quality = None
    loras: a.Loras = None
    control: a.Control = None


def with_image_options(command: Callable[Concatenate[ImageOptions, P], R]) -> Callable[P, R]:
    """The command with every field of `ImageOptions` as a parameter, in place of its first one.

    They come before the command's own parameters in its help.
    """
    names = [field.name for field in fields(ImageOptions)]

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, Any] = dict(kwargs)
        options = ImageOptions(**{name: given.pop(name) for name in names if name in given})
        return command(options, *args, **given)

    # What typer reads: the signature for names and defaults, the annotations for types.
    _, *own = inspect.signature(command).parameters.values()
    shared = inspect.signature(ImageOptions).parameters.values()
    hints = get_type_hints(ImageOptions, include_extras=True)
    hints |= get_type_hints(command, include_extras=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in (*shared, *own)
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run
