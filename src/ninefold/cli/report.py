"""What a run came to: for people on stderr, file by file on stdout, or as one JSON object."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from ninefold.cli.guard import explain, say, say_error
from ninefold.cli.picture import show_picture
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ContractError, NinefoldError, UserError
from ninefold.core.json_text import json_text
from ninefold.core.values import Failure, Output
from ninefold.slots import IMAGE, OUTPUTS, SEED

Status = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Result:
    """A context whose run has ended, and how."""

    context: PipelineContext
    status: Status

    @property
    def files(self) -> tuple[Path, ...]:
        """The final files: what the publisher wrote, or else the image as it is."""
        if outputs := self.context.get(OUTPUTS):
            return tuple(output.path for output in outputs)
        image = self.context.get(IMAGE)
        return () if image is None else (image.path,)


def tell(result: Result, shown: set[str], *, quiet: bool, as_json: bool) -> None:
    """Warnings, the failure and what was made on stderr; the final files on stdout.

    `shown` are the warnings that earlier runs gave; those of this one are added.
    """
    context = result.context
    for warning in _warnings(context):
        if not quiet and warning not in shown:
            say(f"warning: {warning}")
        shown.add(warning)
    if result.status == "succeeded":
        if not as_json:
            if not quiet and result.files:
                show_picture(result.files[0], sys.stderr)
            for path in result.files:
                typer.echo(short(path))
        return
    if result.status == "failed":
        say_error(failure_message(context))
    if not quiet or result.status == "cancelled":
        made = [short(artifact.path) for artifact in context.artifacts]
        say("\n  ".join(["Made so far:", *made]) if made else "Nothing was made yet.")
        if made or result.status == "cancelled":  # a prompt that cannot be read stays so
            say(f"To go on: ninefold run --resume {shlex.quote(short(context.workdir))}")


def print_json(results: Sequence[Result], refused: UserError | None, *, several: bool) -> None:
    """One object; with `several`, `{"jobs": [...]}` with one object for each run."""
    jobs = [as_document(result) for result in results]
    if refused is not None:
        error = Failure(str(refused), kind=type(refused).__name__, user_error=True)
        jobs.append(_REFUSED | {"error": asdict(error)})
    document = {"jobs": jobs} if several else jobs[0]
    typer.echo(json_text(document, indent=2))


def as_document(result: Result) -> dict[str, Any]:
    """A run as JSON values; paths are absolute."""
    context = result.context
    outputs: Sequence[Output] = context.get(OUTPUTS) or ()
    return {
        "job_id": context.job_id,
        "status": result.status,
        "seed": context.get(SEED),
        "artifacts": [asdict(item) | {"path": str(item.path)} for item in context.artifacts],
        "outputs": [asdict(item) | {"path": str(item.path)} for item in outputs],
        "metadata": context.metadata,
        "error": None if context.error is None else asdict(context.error),
    }


#: The object of a run that was refused before it began.
_REFUSED: dict[str, Any] = {
    "job_id": None,
    "status": "failed",
    "seed": None,
    "artifacts": [],
    "outputs": [],
    "metadata": {},
}


def failure_message(context: PipelineContext) -> str:
    """What stopped the run, in one message; a bug's traceback goes to a file."""
    stage = context.error.stage if context.error else None
    try:
        context.raise_for_error()
    except Exception as error:
        if isinstance(error, NinefoldError) and not isinstance(error, ContractError):
            return str(context.error)
        return explain(error, stage, context.workdir)
    return "unknown"


def _warnings(context: PipelineContext) -> list[str]:
    """Every warning once, with the stage that gave it first."""
    found: dict[str, str] = {}
    for stage, fields in context.metadata.items():
        for warning in fields.get("warnings", ()):
            found.setdefault(warning, stage)
    return [f"{stage}: {warning}" for warning, stage in found.items()]


def short(path: Path) -> str:
    """The path as seen from the current folder, where it lies below it."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown
