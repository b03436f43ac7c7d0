"""Requests of this door that are open now: what `progress` tells of, and `interrupt` ends.

A session belongs to one key and lives in the process that holds its request. Where a key has
several, the calls that name none mean the one that is open the longest, as they do in A1111, where
the others would still wait; `task_id` names any by its `force_task_id`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request

from ninefold.jobs import Group, JobEvent
from ninefold.jobs.events import JobStageFinished, JobStepped
from ninefold.server.callers import Caller
from ninefold.server.course import Course


@dataclass
class Session:
    """One request that waits for its images."""

    owner: str | None
    task_id: str | None
    #: What it makes: `txt2img`, `img2img`, `extras`.
    kind: str
    group: Group
    started: float = field(default_factory=time.time)
    #: The image that is made now, counted from 0.
    number: int = 0
    course: Course = field(default_factory=Course)
    #: A small JPEG in base64, or the name of the file that the job made last.
    preview: str | None = None
    file: str | None = None
    skipped: bool = False
    interrupted: bool = False

    @property
    def job_id(self) -> str:
        """The job of the image that is made now."""
        return self.group.jobs[self.number].id

    @property
    def progress(self) -> float:
        """The part of all the work that is done, 0 to 1."""
        return (self.number + self.course.progress) / len(self.group.jobs)

    def begin(self, number: int) -> None:
        """Turn to the next image."""
        self.number, self.course, self.skipped = number, Course(), False
        self.preview = self.file = None

    def see(self, event: JobEvent) -> None:
        """Take what the image's job tells."""
        self.course.see(event)
        match event:
            case JobStepped(preview=str(preview)):
                self.preview = preview
            case JobStageFinished(artifacts=[name, *_]) if name.endswith(".png"):
                self.preview, self.file = None, name

    def state(self) -> dict[str, Any]:
        """A1111's `state`."""
        return {
            "skipped": self.skipped,
            "interrupted": self.interrupted,
            "stopping_generation": self.interrupted,
            "job": self.task_id or self.kind,
            "job_count": len(self.group.jobs),
            "job_timestamp": timestamp(self.started),
            "job_no": self.number,
            "sampling_step": self.course.step,
            "sampling_steps": self.course.step_count,
        }


#: The state where nothing is made.
IDLE: dict[str, Any] = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}


class Sessions:
    """The sessions of one process; used on its event loop alone."""

    def __init__(self) -> None:
        self._open: list[Session] = []

    @contextmanager
    def opened(
        self, caller: Caller, kind: str, task_id: str | None, group: Group
    ) -> Iterator[Session]:
        """A session for as long as the block lasts."""
        session = Session(caller.owner, task_id, kind, group)
        self._open.append(session)
        try:
            yield session
        finally:
            self._open.remove(session)

    def find(self, caller: Caller, task_id: str | None = None) -> Session | None:
        """The caller's session of that name, or the one that it opened first."""
        for session in self._open:
            if session.owner == caller.owner and task_id in (None, session.task_id):
                return session
        return None


def sessions_of(request: Request) -> Sessions:
    """The sessions of the process that serves this request."""
    found: Sessions = request.app.state.sdapi_sessions
    return found


def timestamp(epoch: float) -> str:
    """A1111's form of a time."""
    return datetime.fromtimestamp(epoch).strftime("%Y%m%d%H%M%S")
