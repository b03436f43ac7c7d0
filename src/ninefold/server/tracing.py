"""Traces as a part of the server: a span is a job's or a stage's, none a request's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ninefold.server.parts import ServerPart
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.telemetry.traces import traced


class TracingPart(ServerPart):
    """Sends traces, where the environment says where to."""

    router = Router()

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
        """Send the traces of this process's worker."""
        with traced(service.jobs):
            yield
