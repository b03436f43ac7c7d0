"""`ninefold submit`: put into the queue what `run` would run here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from ninefold.cli.guard import DONE
from ninefold.cli.jobs import Place
from ninefold.cli.options import RunOptions, given_slots, planned, resolve_config, with_prompt
from ninefold.core.errors import ConfigError
from ninefold.engines.engine_set import EngineSet


async def submit(
    options: RunOptions,
    place: Place,
    *,
    priority: int,
    key: str | None,
    cache: bool,
    engines: EngineSet,
) -> int:
    """Print the id of the job, or of the group where there are several images."""
    if key is not None and options.count > 1:
        raise ConfigError("--key: expected with one image, got --count. Give each its own key.")
    options = with_prompt(options)
    config = resolve_config(options)
    # As for a run, and before there is a database: what is refused leaves nothing behind.
    with TemporaryDirectory() as folder:
        next(planned(replace(options, out=Path(folder), count=1), config, engines))
    slots = given_slots(options, config)
    async with place.open(create=True, engines=engines) as jobs:
        if options.count > 1:
            group = await jobs.submit_group(
                config, slots, count=options.count, priority=priority, cache=cache
            )
            typer.echo(group.id)
        else:
            job = await jobs.submit(
                config, slots, idempotency_key=key, priority=priority, cache=cache
            )
            typer.echo(job.id)
    return DONE
