"""Forgetting jobs, and the files that only they held."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from datetime import datetime

from ninefold.core.atomic import remove_abandoned
from ninefold.job_schema import ENDED
from ninefold.jobs.model import Job
from ninefold.jobs.store import JobStore

#: A folder without a job is left alone for so many seconds: a submit may be under way.
_UNDER_WAY = 3600
#: Ids that one query asks for.
_CHUNK = 500


def prune(store: JobStore, older_than: float, keep: int) -> int:
    """Delete jobs that ended over `older_than` seconds ago but for the `keep` newest; how many."""
    limit = time.time() - older_than
    old = [job for job in store.jobs(status=ENDED)[keep:] if _ended(job) <= limit]
    store.delete([job.id for job in old])
    _remove_orphans(store, min(limit, time.time() - _UNDER_WAY))
    remove_abandoned(store.data)
    return len(old)


def _ended(job: Job) -> float:
    """When a job ended, in seconds since the epoch."""
    return datetime.fromisoformat(job.finished_at or job.created_at).timestamp()


def _remove_orphans(store: JobStore, limit: float) -> None:
    """Remove folders older than `limit` without a job: what was cut while it came or went."""
    folders = []
    for folder in (store.data / "jobs").glob("*"):
        with suppress(FileNotFoundError):  # its job was just deleted
            if folder.stat().st_mtime <= limit:
                folders.append(folder)
    for start in range(0, len(folders), _CHUNK):
        chunk = folders[start : start + _CHUNK]
        known = {job.id for job in store.jobs(ids=[folder.name for folder in chunk])}
        for folder in chunk:
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
