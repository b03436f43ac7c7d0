"""AUTOMATIC1111's API as a part of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ninefold.server.parts import ServerPart
from ninefold.server.router import Router
from ninefold.server.sdapi import control, extensions, generation, lists
from ninefold.server.sdapi.options import Options
from ninefold.server.sdapi.sessions import Sessions
from ninefold.server.sdapi.shared import problem_response
from ninefold.server.service import Service

_router = Router()
for _module in (generation, control, lists, extensions):
    _router.take(_module.router)


class SdapiPart(ServerPart):
    """Its routes and form of errors, and what is kept of its clients."""

    router = _router
    error_forms = dict.fromkeys(
        ("/sdapi", "/internal", "/adetailer", "/controlnet"), problem_response
    )

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
        """Open what the routes keep: the clients' options, and the requests that are open."""
        app.state.sdapi_options = Options(service.jobs.store.engine)
        app.state.sdapi_sessions = Sessions(service)
        yield
