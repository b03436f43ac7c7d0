"""`ninefold models add`, `pull`, `remove` and `verify`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import typer

from ninefold.cli.guard import DONE, FAILED, say
from ninefold.cli.models import size_text
from ninefold.core.errors import InputError
from ninefold.core.json_text import json_text
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.local_models.maintenance import (
    AddAs,
    add_model,
    find_entry,
    remove_model,
    verify_models,
)
from ninefold.engines.local_models.pull import pull_model
from ninefold.engines.references import HubName

#: Seconds between two reports of a download on a terminal, and elsewhere.
_OFTEN, _SELDOM = 0.2, 10.0


def add_one(engines: EngineSet, path: str, name: str | None, how: AddAs) -> int:
    """Add a model and print its name."""
    entry = add_model(engines.local_models, path, name=name, how=how)
    held = {"link": "linked", "copy": "copied", "reference": "left where it is"}[entry.holding]
    say(f"{entry.kind}, {held}. `ninefold models show {entry.name}` tells more.")
    typer.echo(entry.name)
    return DONE


def pull_one(
    engines: EngineSet, name: str, variant: str | None, files: Sequence[str], quiet: bool
) -> int:
    """Fetch a model and print its name; how far it is stands on stderr."""
    parsed = HubName.parse(name)
    if parsed is None:
        raise InputError(f"{name!r}: expected OWNER/NAME or OWNER/NAME@REVISION.")
    if variant is not None:
        parsed = replace(parsed, variant=variant)
    progress = _Progress(quiet)
    try:
        entries = pull_model(engines.local_models, parsed, files=files, report=progress)
    finally:
        progress.end()
    for entry in entries:
        if not quiet:
            size = size_text(sum(file.size for file in entry.files.values()))
            say(f"{entry.kind}, {size}. `ninefold models show {entry.name}` tells more.")
        typer.echo(entry.name)
    return DONE


def remove_one(engines: EngineSet, name: str, yes: bool) -> int:
    """Remove a model, once that is agreed to."""
    entry = find_entry(engines.local_models, name)
    what = "its entry" if entry.holding == "reference" else f"{entry.path}"
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"{name}: nobody is there to ask. Say --yes to remove {what}.")
        if not typer.confirm(f"Remove {what}?", err=True):
            say("Nothing was removed.")
            return FAILED
    remove_model(engines.local_models, name)
    say(f"Removed {what}.")
    return DONE


def verify_all(engines: EngineSet, name: str | None, as_json: bool) -> int:
    """A line for each file; `FAILED` where one is damaged or missing."""
    found = []
    for item in verify_models(engines.local_models, name):
        found.append(item)
        if not as_json:
            file = "" if item.file in ("", item.model) else f" {item.file}"
            problem = f": {item.problem}" if item.problem else ""
            typer.echo(f"{item.state:<8} {item.model}{file}{problem}")
    bad = [item for item in found if item.is_bad]
    if as_json:
        typer.echo(json_text([asdict(item) for item in found], indent=2))
    else:
        say(f"{len(found)} files, {len(bad) or 'none'} damaged or missing")
    return FAILED if bad else DONE


class _Progress:
    """How far a download is: one line that is written over on a terminal, now and then a line
    elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._on_terminal = sys.stderr.isatty()
        self._began = self._last = time.monotonic()
        self._first: int | None = None
        self._shown = False

    def __call__(self, file: str, arrived: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = arrived
        pause = _OFTEN if self._on_terminal else _SELDOM
        if self._quiet or not total or now - self._last < pause:
            return
        self._last = now
        speed = (arrived - self._first) / max(now - self._began, 1e-3)
        line = f"{arrived / total:4.0%} of {size_text(total)}, {size_text(int(speed))}/s"
        if self._on_terminal:
            sys.stderr.write(f"\r{line:<40}")
            sys.stderr.flush()
            self._shown = True
        else:
            say(line)

    def end(self) -> None:
        """Leave the line as it is."""
        if self._shown:
            sys.stderr.write("\n")
