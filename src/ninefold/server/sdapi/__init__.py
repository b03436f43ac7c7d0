"""AUTOMATIC1111's API over the same jobs and keys: `/sdapi/v1`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from ninefold.server.sdapi import control, extensions, generation, lists
from ninefold.server.sdapi.options import Options
from ninefold.server.sdapi.sessions import Sessions
from ninefold.server.sdapi.shared import problem_response

if TYPE_CHECKING:
    from ninefold.server.service import Service
    from ninefold.settings import Settings

__all__ = ["PREFIXES", "install", "problem_response", "router", "running"]

#: Paths whose errors are told in A1111's form.
PREFIXES = ("/sdapi", "/internal", "/adetailer", "/controlnet")

router = APIRouter(tags=["sdapi"])
for _part in (generation, control, lists, extensions):
    router.include_router(_part.router)


def install(app: FastAPI, settings: Settings) -> None:
    """Nothing to add to the application."""


@asynccontextmanager
async def running(app: FastAPI, service: Service) -> AsyncIterator[None]:
    """Open what the routes keep: the clients' options, and the requests that are open."""
    app.state.sdapi_options = await asyncio.to_thread(Options, service.jobs.store.engine)
    app.state.sdapi_sessions = await asyncio.to_thread(Sessions, service)
    yield
