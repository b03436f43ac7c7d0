"""`/v1/system`: how the server and its workers are, for admins."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from ninefold._version import __version__
from ninefold.health.findings import Verdict
from ninefold.jobs.leases import KnownWorker, WorkerProcess, known_workers
from ninefold.jobs.model import timestamp
from ninefold.server.dependencies import Admin, ServiceDep
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.service import Service

router = Router(prefix="/v1/system", tags=["system"])


class DiskDocument(BaseModel):
    """The disk of the data folder, in bytes."""

    total: int
    free: int
    folders: dict[str, int] | None = Field(
        None,
        description="Bytes of `jobs`, `cache` and `uploads`; null until they were measured first. "
        "A file that several share counts for each.",
    )
    measured_at: str | None = None


class WorkerDocument(BaseModel):
    """A worker that runs, or holds jobs."""

    name: str
    alive: bool
    running: int = Field(description="Jobs that it holds.")
    kind: str | None = Field(
        None,
        description="Where it runs: `server` in a server's process, `worker` as `ninefold worker`, "
        "`library` in another program. This and what follows is null for a worker of a version "
        "that does not tell.",
    )
    host: str | None = Field(None, description="The name of its machine.")
    pid: int | None = Field(None, description="Its process there.")
    started_at: str | None = Field(None, description="By its machine's clock.")
    version: str | None = Field(None, description="Of ninefold.")


class QueueTotals(BaseModel):
    """The queue of all workers and keys."""

    paused: bool
    queued: int
    running: int
    oldest_seconds: float = Field(description="Since the oldest job that waits was submitted.")


class ModelInMemory(BaseModel):
    """A model that this server's process holds."""

    kind: str
    name: str
    bytes: int


class CheckDocument(BaseModel):
    """One thing that was looked at."""

    section: str
    name: str = Field(description="Not unique: a folder of models each is one.")
    verdict: Verdict = Field(
        description="`missing` where ninefold cannot do its work without; `note` where something "
        "optional is missing, or could be better."
    )
    found: str
    remedy: str | None = Field(None, description="How to get what is missing.")


class ChecksDocument(BaseModel):
    """What one look at a server found."""

    ok: bool = Field(description="Whether no check says `missing`.")
    checked_at: str
    seconds: float = Field(description="How long it took.")
    checks: list[CheckDocument]


class MemoryDocument(BaseModel):
    """Main memory, in bytes; 0 where the system does not say."""

    total: int
    free: int


class SystemDocument(BaseModel):
    """How the server is."""

    version: str
    uptime_seconds: float
    device: str = Field(description="The setting; `auto` takes the best there is.")
    worker: str | None = Field(description="The worker in the server's own process.")
    disk: DiskDocument
    memory: MemoryDocument
    models: list[ModelInMemory]
    workers: list[WorkerDocument]
    queue: QueueTotals


_EXAMPLE: dict[str, Any] = {
    "description": "How the server is.",
    "content": {
        "application/json": {
            "example": {
                "version": __version__,
                "uptime_seconds": 3600.5,
                "device": "auto",
                "worker": "host-1",
                "disk": {
                    "total": 500_000_000_000,
                    "free": 120_000_000_000,
                    "folders": {"jobs": 2_000_000, "cache": 9_000_000, "uploads": 91_304},
                    "measured_at": "2025-11-24T10:15:00.000+00:00",
                },
                "memory": {"total": 16_000_000_000, "free": 8_000_000_000},
                "models": [{"kind": "diffusion", "name": "poster", "bytes": 40_000_000}],
                "workers": [
                    {
                        "name": "host-1",
                        "alive": True,
                        "running": 2,
                        "kind": "server",
                        "host": "host",
                        "pid": 4242,
                        "started_at": "2025-11-24T09:15:00.000+00:00",
                        "version": __version__,
                    }
                ],
                "queue": {"paused": False, "queued": 3, "running": 2, "oldest_seconds": 4.2},
            }
        }
    },
}

_CHECKS: dict[str, Any] = {
    "description": "What was found, section by section.",
    "content": {
        "application/json": {
            "example": {
                "ok": False,
                "checked_at": "2025-11-24T10:15:00.000+00:00",
                "seconds": 0.12,
                "checks": [
                    {
                        "section": "device",
                        "name": "nvidia",
                        "verdict": "missing",
                        "found": "no card",
                        "remedy": "install NVIDIA's driver, or set NINEFOLD_DEVICE=auto",
                    },
                    {
                        "section": "folders",
                        "name": "data",
                        "verdict": "ok",
                        "found": "the data folder: 67.9 GiB free",
                        "remedy": None,
                    },
                ],
            }
        }
    },
}


@router.get("", responses={200: _EXAMPLE, **responses()})
async def get_system(caller: Admin, service: ServiceDep) -> SystemDocument:
    """How the server is: disk, memory, models, workers and queue. What may be sent to it is in
    `GET /v1/session`, for everyone."""
    return await service.call(_system, service)


@router.get("/checks", responses={200: _CHECKS, **responses()})
async def get_checks(
    caller: Admin,
    service: ServiceDep,
    max_age: Annotated[
        float,
        Query(
            ge=0,
            le=86400,
            description="Seconds: a report that is younger is answered at once; 0 looks again. "
            "Requests that come while a look is under way share it.",
        ),
    ] = 300,
) -> ChecksDocument:
    """What is missing around this server, and how to get it, as `ninefold doctor` looks for it:
    libraries, device, models, plugins, folders, database, signing and the studio."""
    report = await service.checks.report(max_age)
    return ChecksDocument(
        ok=report.ok,
        checked_at=timestamp(int(report.checked_at * 1000)),
        seconds=report.seconds,
        checks=[
            CheckDocument(
                section=finding.section,
                name=finding.name,
                verdict=finding.verdict,
                found=finding.found,
                remedy=finding.remedy,
            )
            for finding in report.findings
        ],
    )


def _system(service: Service) -> SystemDocument:
    store, stats = service.jobs.store, service.engines.stats()
    depth = store.queue.depth()
    queued, oldest = depth["queued"]
    total, free = (_memory(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    return SystemDocument(
        version=__version__,
        uptime_seconds=time.monotonic() - service.started,
        device=service.settings.device,
        worker=service.jobs.worker_name,
        disk=_disk(service),
        memory=MemoryDocument(total=total, free=free),
        models=[
            ModelInMemory(kind=kind, name=PurePath(name).name, bytes=size)
            for (kind, name), size in sorted(stats.resident.items())
        ],
        workers=_workers(service),
        queue=QueueTotals(
            paused=store.queue.paused(),
            queued=queued,
            running=depth["running"][0],
            oldest_seconds=oldest,
        ),
    )


def _disk(service: Service) -> DiskDocument:
    usage, last = shutil.disk_usage(service.jobs.data), service.disk_meter.last()
    return DiskDocument(
        total=usage.total,
        free=usage.free,
        folders=None if last is None else dict(last.folders),
        measured_at=None if last is None else timestamp(int(last.measured_at * 1000)),
    )


def _workers(service: Service) -> list[WorkerDocument]:
    """Workers that live, and those that died with jobs, which others are about to take over."""
    store = service.jobs.store
    held = {name: len(ids) for name, ids in store.queue.held().items()}
    known = {worker.name: worker for worker in known_workers(store.engine, service.jobs.data)}
    # Jobs may be held by one that was killed before it showed a pulse.
    known = {name: KnownWorker(name, False, WorkerProcess()) for name in held} | known
    return [
        WorkerDocument(
            name=name,
            alive=worker.alive,
            running=held.get(name, 0),
            kind=worker.process.kind,
            host=worker.process.host,
            pid=worker.process.pid,
            started_at=timestamp(worker.process.started_at),
            version=worker.process.version,
        )
        for name, worker in sorted(known.items())
        if worker.alive or name in held
    ]


def _memory(name: str) -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf(name)
    except (ValueError, OSError):
        return 0
