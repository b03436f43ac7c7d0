"""Whether the server lives, and whether it can take work. No key is needed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ninefold._version import __version__
from ninefold.server.dependencies import ServiceDep
from ninefold.server.problems import BusyError, responses
from ninefold.server.router import Router

router = Router(tags=["health"])

_OK: dict[str, Any] = {
    "description": "It does.",
    "content": {"application/json": {"example": {"status": "ok", "version": __version__}}},
}


class Health(BaseModel):
    """How the server is."""

    status: str
    version: str = __version__


@router.get("/healthz", responses={200: _OK})
async def healthz() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={200: _OK, **responses(key=False)})
async def readyz(service: ServiceDep) -> Health:
    """Whether the database answers and the server is not about to stop."""
    if service.closing.is_set():
        raise BusyError("The server is about to stop.")
    await service.jobs.paused()
    return Health(status="ok")
