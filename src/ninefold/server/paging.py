"""Pages of jobs, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.core.errors import InputError
from ninefold.jobs import Job
from ninefold.server.schemas.base import ID_PATTERN


@dataclass(frozen=True)
class Page:
    """Some jobs, the newest first, and where the next ones begin."""

    jobs: Sequence[Job]
    next_cursor: str | None
    #: How many there are in all; None where nobody asked.
    total: int | None = None


def cursor_of(position: tuple[int, str]) -> str:
    """The cursor of what comes after a job's position."""
    text = json.dumps(position, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str) -> tuple[int, str]:
    """What `cursor_of` was made from; raises `InputError`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        created, job_id = json.loads(text)
        if 0 <= int(created) < 2**62 and re.fullmatch(ID_PATTERN, job_id):
            return int(created), job_id
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise InputError("cursor: expected a next_cursor of an earlier answer. Leave it out to begin.")
