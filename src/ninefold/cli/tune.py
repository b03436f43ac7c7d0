"""`ninefold tune`: measure what makes a model fast on this machine."""

from __future__ import annotations

import typer

from ninefold.cli.guard import DONE
from ninefold.cli.sampling import parse_size
from ninefold.core.errors import ConfigError
from ninefold.core.json_text import json_text
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.tuning import Measured


def tune(
    engines: EngineSet, model: str, size: str | None, steps: int, rounds: int, as_json: bool
) -> int:
    """Measure, print and remember; raises `UserError`."""
    engine = _engine(engines, model)
    info = engine.describe(model)
    found: list[Measured] = []

    def report(measured: Measured) -> None:
        found.append(measured)
        if not as_json:
            part = measured.seconds / measured.usual
            bytes_ = "same bytes" if measured.same_bytes else "other bytes"
            typer.echo(f"  {measured.name:<20} {part:5.2f} of the usual time, {bytes_}")

    across, down = parse_size(size) if size else info.native_size
    if not as_json:
        typer.echo(f"{info.name}, {across} x {down}, {steps} steps")
    tuning = engine.tune(model, (across, down), steps, rounds, report)
    if as_json:
        typer.echo(
            json_text(
                {
                    "model": info.name,
                    "size": [across, down],
                    "measured": [vars(item) for item in found],
                    "lossless": tuning.lossless,
                    "lossy": tuning.lossy,
                    "batch": tuning.batch,
                },
                indent=2,
            )
        )
        return DONE
    typer.echo(f"always: {', '.join(tuning.lossless) or 'nothing'}")
    typer.echo(f"with quality high and fast: {', '.join(tuning.lossy) or 'nothing'}")
    typer.echo(f"images of one call: {tuning.batch}")
    return DONE


def _engine(engines: EngineSet, model: str) -> DiffusersEngine:
    for engine in engines.engines.get(DIFFUSION, ()):
        if isinstance(engine, DiffusersEngine) and engine.accepts(model):
            return engine
    raise ConfigError(f"{model!r} is no model that diffusers runs: there is nothing to tune.")
