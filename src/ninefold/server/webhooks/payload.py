"""What a message says: what ended, how, and where to read more. Small, and without secrets."""

from __future__ import annotations

import json
from typing import Any

from ninefold.core.values import Output
from ninefold.jobs import Group, Job
from ninefold.server.links import artifact_path

#: Longest error message that is passed on, in characters.
_MAX_ERROR = 500


def job_payload(job: Job, base: str) -> bytes:
    """The body of a job's message; `base` is where clients reach the server."""
    where = f"{base}/v1/jobs/{job.id}"
    error = None
    if job.error is not None:
        error = {
            # A traceback marks a bug, whose message may hold anything.
            "message": "A bug in ninefold or in a plugin."
            if job.error.trace
            else job.error.message[:_MAX_ERROR],
            "stage": job.error.stage,
            "kind": job.error.kind,
        }
    data = {
        "id": job.id,
        "status": job.status,
        "group": job.group,
        "parent": job.parent,
        "seed": job.seed,
        "outputs": [_output(item, base + artifact_path(job.id, item.name)) for item in job.outputs],
        "error": error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "url": where,
    }
    return _body(f"job.{job.status}", job.finished_at or job.created_at, data)


def group_payload(group: Group, base: str) -> bytes:
    """The body of a group's message."""
    finished = max((job.finished_at or job.created_at for job in group.jobs), default="")
    data = {
        "id": group.id,
        "status": group.status,
        "counts": group.counts,
        "url": f"{base}/v1/groups/{group.id}",
    }
    return _body(f"group.{group.status}", finished, data)


def _output(item: Output, url: str) -> dict[str, Any]:
    return {
        "name": item.name,
        "format": item.format,
        "media_type": item.media_type,
        "width": item.width,
        "height": item.height,
        "sha256": item.sha256,
        "url": url,
    }


def _body(kind: str, timestamp: str, data: dict[str, Any]) -> bytes:
    document = {"type": kind, "timestamp": timestamp, "data": data}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
