"""Reports of a step while it runs, written to the job's stream in the database.

Only what takes longer than a moment is written: all else is in the record of the finished step.
"""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from ninefold.core.events import StageProgressed, StageWaiting
from ninefold.core.values import Failure, Json
from ninefold.files.encode import encode
from ninefold.files.formats import ImageFormat
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Pixels
from ninefold.jobs import dbos_adapter

STREAM = "reports"
#: Seconds from a step's begin to its first report, and between two: what is over in a moment has
#: none, so that a quick model is not held up.
FIRST, PAUSE = 1.0, 0.5
#: Longer side of a preview in pixels, and its quality: a few kilobytes in the database.
PREVIEW_SIDE, PREVIEW_QUALITY = 128, 50


class Reporter:
    """Reports of one step; used inside its body."""

    def __init__(self, step: str) -> None:
        self.step = step
        self._latest: StageProgressed | StageWaiting | None = None
        #: The last preview that was made and not yet written.
        self._picture: Pixels | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: When the first report is due.
        self._first = 0.0

    async def __aenter__(self) -> Self:
        self._first = time.monotonic() + FIRST
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def observe(self, event: StageProgressed | StageWaiting) -> None:
        """Take a report; the newest is written when the pause is over."""
        self._latest = event
        if isinstance(event, StageProgressed) and event.preview is not None:
            self._picture = event.preview
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._publish())

    async def restarted(self) -> None:
        """The step begins again, after its worker died."""
        await self._write({"kind": "restarted"})

    async def retrying(self, failure: Failure, wait: float) -> None:
        """The step failed and begins again after `wait` seconds."""
        await self._write({"kind": "retried", "message": failure.message, "wait": wait})

    async def _publish(self) -> None:
        await asyncio.sleep(max(0.0, self._first - time.monotonic()))
        while True:
            await self._wake.wait()
            self._wake.clear()
            event = self._latest
            if isinstance(event, StageWaiting):
                await self._write({"kind": "waiting"})
            elif event is not None:
                report = {"kind": "stepped", "done": event.done, "total": event.total}
                if (picture := self._picture) is not None:
                    self._picture = None
                    report["preview"] = await asyncio.to_thread(_small, picture)
                await self._write(report)
            await asyncio.sleep(PAUSE)

    async def _write(self, report: Json) -> None:
        report = {
            "function": dbos_adapter.step_number(),
            "step": self.step,
            "at": round(time.time() * 1000),
            **report,
        }
        # Nobody is helped when a job fails for want of a report; one that was taken over by
        # another worker learns it when the step ends.
        with suppress(Exception):
            await dbos_adapter.write_stream(STREAM, report)


def _small(picture: Pixels) -> str:
    """A JPEG of the picture in base64."""
    height, width = picture.shape[:2]
    side = min(PREVIEW_SIDE, max(width, height))
    small = resize(picture, *fit_size(width, height, side=side, multiple=1))
    data = encode(small, ImageFormat.JPEG, quality=PREVIEW_QUALITY)
    return base64.b64encode(data).decode("ascii")
