"""How far a session is, by what its jobs reported: the same on every server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ninefold.jobs import JobEvent
from ninefold.jobs.events import JobStageFinished, JobStepped
from ninefold.server.callers import Caller
from ninefold.server.job_progress import Estimate, JobProgress
from ninefold.server.sdapi.sessions import Session
from ninefold.server.service import Service


@dataclass(frozen=True)
class SessionProgress:
    """A session's progress."""

    #: The part of all the work that is done, 0 to 1.
    progress: float
    #: Of the image that is made now.
    job_progress: JobProgress
    #: A small JPEG in base64, or the name of the file that the job made last.
    preview: str | None
    file: str | None
    #: When its work began and when it was last heard of, in seconds since the epoch.
    began: float
    seen: float

    def left(self, estimate: Estimate) -> float:
        """Seconds that it will still take; 0 where nothing is known yet."""
        return estimate.left(self.progress, self.began, self.seen, time.time())


async def session_progress(service: Service, caller: Caller, session: Session) -> SessionProgress:
    """How far a session is now."""
    jobs, done, current = session.group.jobs, 0.0, JobProgress()
    preview = file = None
    times = [_seconds(job.finished_at) for job in jobs if job.finished_at]
    for job in jobs:
        if job.status == "running":
            events = await service.events_so_far(caller, job.id)
            job_progress = JobProgress.of(job.config, events)
            done += job_progress.fraction
            times += [job_progress.at / 1000] if job_progress.at is not None else []
            if job.id == session.job.id:
                current, (preview, file) = job_progress, _last_picture(events)
        else:
            done += job.ended
    began = min((_seconds(job.started_at) for job in jobs if job.started_at), default=0.0)
    return SessionProgress(
        done / len(jobs), current, preview, file, began, max(times, default=began)
    )


def _last_picture(events: Sequence[JobEvent]) -> tuple[str | None, str | None]:
    """The newest preview, or the newest picture's file name."""
    for event in reversed(events):
        match event:
            case JobStepped(preview=str(preview)):
                return preview, None
            case JobStageFinished(artifacts=[name, *_]) if name.endswith(".png"):
                return None, name
    return None, None


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
