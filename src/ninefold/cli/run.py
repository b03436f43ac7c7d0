"""`ninefold run`: one job an image, with progress, checkpoints and a report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
import yaml

from ninefold.cli import report
from ninefold.cli.guard import BAD_INPUT, DONE, FAILED, INTERRUPTED, say, say_error
from ninefold.cli.interrupt import cancelled_by_interrupt
from ninefold.cli.options import RunOptions, planned, resolve_config, resumed
from ninefold.cli.process import between_images, collector_held
from ninefold.cli.progress import progress_for
from ninefold.cli.report import Result, Status
from ninefold.cli.settings import engines_for
from ninefold.core.errors import UserError
from ninefold.core.events import Observer
from ninefold.core.json_text import json_text
from ninefold.engines.base import EngineSet
from ninefold.runs import Run

_CODES = {"succeeded": DONE, "failed": FAILED, "cancelled": INTERRUPTED}


@collector_held()
def run(options: RunOptions, given: EngineSet | None) -> int:
    """Make the images and return the exit code; `given` are engines instead of the settings'."""
    results: list[Result] = []
    warnings: set[str] = set()
    refused: UserError | None = None
    try:
        engines = engines_for(options.settings_file, given)
        if options.dry_run:
            return _dry_run(options, engines)
        for number, job in enumerate(_runs(options, engines), 1):
            if number > 1:
                between_images()
            result = _execute(job, options, engines, number)
            report.tell(result, warnings, quiet=options.quiet, as_json=options.as_json)
            results.append(result)
            if result.status == "cancelled":
                break
    except UserError as error:
        say_error(str(error))
        refused = error
    if results and (left := options.count - len(results)):
        say(f"{left} of {options.count} images were not begun.")
    if options.as_json:
        report.print_json(results, refused, several=options.count > 1)
    codes = [_CODES[result.status] for result in results]
    if refused is not None:
        codes.append(FAILED if results else BAD_INPUT)
    return max(codes)


def _runs(options: RunOptions, engines: EngineSet) -> Iterator[Run]:
    if options.resume is not None:
        yield resumed(options, options.resume, engines)
    else:
        yield from planned(options, resolve_config(options), engines)


def _execute(job: Run, options: RunOptions, engines: EngineSet, number: int) -> Result:
    label = f"image {number} of {options.count}" if options.count > 1 else ""
    with progress_for(options.quiet, label) as observer:
        status = asyncio.run(_run(job, engines, observer))
    return Result(job.context, status)


async def _run(job: Run, engines: EngineSet, observer: Observer | None) -> Status:
    try:
        with cancelled_by_interrupt():
            await job.execute(engines, observer)
    except asyncio.CancelledError:
        return "cancelled"
    return "failed" if job.context.error else "succeeded"


def _dry_run(options: RunOptions, engines: EngineSet) -> int:
    """Check everything as for a run, in a folder that goes away, and print the pipeline."""
    config = resolve_config(options)
    with TemporaryDirectory() as folder:
        next(planned(replace(options, out=Path(folder), count=1), config, engines))
    document = config.resolved()
    if options.as_json:
        typer.echo(json_text(document, indent=2))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return DONE
