"""How far a run is: a bar on a terminal, a line for each finished stage elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ninefold.cli.guard import say
from ninefold.core.events import (
    Event,
    PipelineStarted,
    Rewound,
    StageFailed,
    StageFinished,
    StageProgressed,
    StageReused,
    StageStarted,
    StageWaiting,
)
from ninefold.core.timing import LOADED, WAITED
from ninefold.core.values import Json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass(frozen=True)
class StageRepeated:
    """A job's stage begins again, and why."""

    stage: str
    reason: str


#: What progress knows how to show.
Shown = Event | StageRepeated
Shower = Callable[[Shown], None]


@contextmanager
def progress_for(quiet: bool, label: str = "") -> Iterator[Shower | None]:
    """What observes a run: nothing, a bar if stderr is a terminal that can, or lines."""
    with progress_for_each(quiet, [label]) as (shower,):
        yield shower


@contextmanager
def progress_for_each(quiet: bool, labels: Sequence[str]) -> Iterator[list[Shower | None]]:
    """What observes each of several runs that go on at once, as for one."""
    if quiet:
        yield [None] * len(labels)
    elif not sys.stderr.isatty():
        yield [Lines(say, label, prefixed=len(labels) > 1) for label in labels]
    else:
        yield from _bars(labels)


class Lines:
    """Prints a line for each stage that ends."""

    def __init__(
        self, write: Callable[[str], None], label: str = "", *, prefixed: bool = False
    ) -> None:
        """With `prefixed`, every line begins with the label, as others come between."""
        self._write = write
        self._label = label
        self._prefix = f"{label}  " if prefixed else ""
        self._steps: tuple[str, ...] = ()

    def __call__(self, event: Shown) -> None:
        """Print what there is to say of `event`."""
        if isinstance(event, PipelineStarted):
            self._steps = event.steps
            if self._label:
                self._write(f"{self._label}: {event.job_id}")
        elif (line := self._line(event)) is not None:
            self._write(f"{self._prefix}{line}")

    def _line(self, event: Shown) -> str | None:
        match event:
            case StageFinished(stage, metadata, artifacts):
                spent = "from the cache" if metadata.get("cached") else _spent(metadata)
                return f"{self._place(stage)}  {spent}  {', '.join(artifacts)}".rstrip()
            case StageWaiting(stage):
                return f"{self._place(stage)}  waits for the model, which works for others"
            case StageRepeated(stage, reason):
                return f"{self._place(stage)}  begins again: {reason}"
            case StageReused(stage):
                return f"{self._place(stage)}  done before"
            case StageFailed(stage, skipped=True):
                return f"{self._place(stage)}  skipped"
            case Rewound(stage, by):
                return f"{by} sent the image back: once more from {stage}"
        return None

    def _place(self, stage: str) -> str:
        return f"[{self._steps.index(stage) + 1}/{len(self._steps)}] {stage:<14}"


def _spent(metadata: Json) -> str:
    """How long a stage worked, and what came before that: `5.0 s (waited 32.8 s)`."""
    waits = [
        f"{said} {seconds:.1f} s"
        for said, name in (("waited", WAITED), ("model loaded in", LOADED))
        if (seconds := metadata.get(name, 0) / 1000) >= 0.05  # else it would be shown as 0.0 s
    ]
    before = f" ({', '.join(waits)})" if waits else ""
    return f"{metadata.get('duration_ms', 0) / 1000:.1f} s{before}"


class Bar:
    """Drives a rich progress bar: stage n of m, step k of n, time left in the stage."""

    def __init__(self, progress: Progress, lines: Lines, prefix: str = "") -> None:
        self._progress = progress
        self._lines = lines
        self._prefix = prefix
        self._task: TaskID | None = None

    def __call__(self, event: Shown) -> None:
        """Move the bar; finished stages are printed above it."""
        self._lines(event)
        match event:
            case StageStarted(stage, index, total):
                self._drop()
                self._task = self._progress.add_task(
                    f"{self._prefix}[{index}/{total}] {stage}", total=None
                )
            case StageProgressed(_, done, total) if self._task is not None:
                self._progress.update(
                    self._task, completed=done, total=total, steps=f"step {done} of {total}"
                )
            case StageWaiting() if self._task is not None:
                self._progress.update(self._task, steps="waits for the model")
            case StageRepeated() if self._task is not None:
                self._progress.update(self._task, completed=0, steps="")
            case StageFinished() | StageFailed():
                self._drop()

    def _drop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def _bars(labels: Sequence[str]) -> Iterator[list[Shower | None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    console = Console(stderr=True)
    several = len(labels) > 1
    if not console.is_terminal or console.is_dumb_terminal:
        yield [Lines(say, label, prefixed=several) for label in labels]
        return

    class Steps(TextColumn):
        def render(self, task: Any) -> Text:
            return Text(task.fields.get("steps", ""))

    def write(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Steps(""),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield [
            Bar(progress, Lines(write, label, prefixed=several), f"{label}  " if several else "")
            for label in labels
        ]
