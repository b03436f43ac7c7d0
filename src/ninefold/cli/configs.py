"""`ninefold config`: show, validate and schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
import yaml

from ninefold.cli.guard import DONE
from ninefold.cli.options import load_config
from ninefold.config import PipelineConfig
from ninefold.core.json_text import json_text


def show_config(
    preset: str | None, config: Path | None, settings: Sequence[str], resolved: bool, as_json: bool
) -> int:
    """Print a config as `PipelineConfig.load` reads it."""
    found = load_config(preset, config, settings)
    document = found.resolved() if resolved else found.document()
    if as_json:
        typer.echo(json_text(document, indent=2))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return DONE


def validate_config(file: Path) -> int:
    """Load the config, which raises `ConfigError` with every problem."""
    names = [step.name for step in PipelineConfig.load(file).build().steps]
    typer.echo(f"{file}: valid. Stages: {', '.join(names)}.")
    return DONE


def show_schema() -> int:
    """Print the JSON schema that editors and services can use."""
    typer.echo(json_text(PipelineConfig.model_json_schema(), indent=2))
    return DONE
