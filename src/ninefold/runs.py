"""A run in a folder: its config, and its context as of the last finished stage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ninefold.config import PipelineConfig
from ninefold.core.atomic import write_atomic
from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, StorageError
from ninefold.core.events import Observer
from ninefold.core.pipeline import Around
from ninefold.core.progress import Previews

CONFIG_FILE = "config.yaml"
CONTEXT_FILE = "context.json"


@dataclass(frozen=True)
class Run:
    """A config and the context it runs on, kept in the context's working folder.

    Whatever ends the process, the folder holds the last stage boundary: `Run.load(folder)` and
    `execute` go on from there.
    """

    config: PipelineConfig
    context: PipelineContext

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a run as `execute` left it, from wherever its folder lies now.

        Raises `InputError` or `ConfigError` where the folder holds no run.
        """
        folder = Path(folder)
        try:
            text = (folder / CONTEXT_FILE).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{folder}: expected the folder of a run, but its {CONTEXT_FILE} cannot be read: "
                f"{reason}. Folders of runs lie in ninefold-out, or where --out said."
            ) from None
        # The config first: it loads the plugins whose slots the context may hold.
        config = PipelineConfig.load(folder / CONFIG_FILE)
        return cls(config, PipelineContext.from_json(text, workdir=folder))

    @property
    def finished(self) -> bool:
        """Whether every stage is done."""
        return len(self.context.completed) == len(self.config.stages)

    def start(self) -> None:
        """Write the config and the untouched context; raises `StorageError`."""
        self._write(CONFIG_FILE, self.config.to_yaml())
        self.save()

    def save(self) -> None:
        """Write the context, whole or not at all; raises `StorageError`."""
        self._write(CONTEXT_FILE, self.context.to_json())

    async def execute(
        self,
        engines: Any = None,
        observer: Observer | None = None,
        previews: Previews | None = None,
        around: Around | None = None,
    ) -> PipelineContext:
        """Run the stages that are not done yet, saving after each; see `Pipeline.execute`.

        A checkpoint that cannot be written is a failure like a stage's: it stops the run and is
        recorded in `context.error`.
        """

        async def checkpoint(context: PipelineContext) -> None:
            await run_blocking(context, self.save)

        await self.config.build(engines).execute(
            self.context,
            observer=observer,
            checkpoint=checkpoint,
            previews=previews,
            around=around,
            resume=True,
        )
        if self.context.error is not None:
            with suppress(StorageError):  # the last checkpoint is still there
                self.save()
        return self.context

    def _write(self, name: str, text: str) -> None:
        try:
            write_atomic(self.context.file(name), text.encode())
        except OSError as error:
            raise StorageError(
                f"cannot write {name} to {self.context.workdir}: {error.strerror or error}. "
                "Free some space or choose another folder."
            ) from error
