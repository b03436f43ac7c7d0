"""What a message says: what ended, how, and where to read more. Small, and without secrets.

Each is a selection of what the API answers with for the job or the group.
"""

from __future__ import annotations

import json
from typing import Any

from ninefold.jobs import Group, Job
from ninefold.server.links import artifact_path
from ninefold.server.schemas.jobs import document

#: Longest error message that is passed on, in characters.
_MAX_ERROR = 500

#: What a message says of a job, of its error and of each of its outputs, in this order.
_JOB = ("id", "status", "group", "parent", "seed", "outputs", "error")
_TIMES = ("created_at", "started_at", "finished_at")
_ERROR = ("message", "stage", "kind")
_OUTPUT = ("name", "format", "media_type", "width", "height", "sha256", "url")


def job_payload(job: Job, base: str) -> bytes:
    """The body of a job's message; `base` is where clients reach the server."""
    found = document(job, lambda job_id, name: base + artifact_path(job_id, name)).model_dump()
    if found["error"] is not None:
        found["error"]["message"] = found["error"]["message"][:_MAX_ERROR]
        found["error"] = _selected(found["error"], _ERROR)
    found["outputs"] = [_selected(output, _OUTPUT) for output in found["outputs"]]
    data = _selected(found, (*_JOB, *_TIMES)) | {"url": base + found["links"]["self"]}
    return _body(f"job.{job.status}", job.finished_at or job.created_at, data)


def group_payload(group: Group, base: str) -> bytes:
    """The body of a group's message."""
    finished = max((job.finished_at or job.created_at for job in group.jobs), default="")
    data = {"id": group.id, "status": group.status, "counts": group.counts}
    return _body(f"group.{group.status}", finished, data | {"url": f"{base}/v1/groups/{group.id}"})


def _selected(found: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: found[name] for name in names}


def _body(kind: str, timestamp: str, data: dict[str, Any]) -> bytes:
    message = {"type": kind, "timestamp": timestamp, "data": data}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
