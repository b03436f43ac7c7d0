"""Metrics as a part of the server: `/metrics`, counting requests, and a port of their own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ninefold.server.dependencies import Admin, ServiceDep
from ninefold.server.parts import ServerPart
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.server.webhooks.outbox import Outbox
from ninefold.settings import Settings
from ninefold.telemetry import definitions
from ninefold.telemetry.metrics import (
    DatabaseMetrics,
    WorkMetrics,
    counter,
    gauge,
    histogram,
    new_registry,
    serve_metrics,
)

router = Router(tags=["metrics"])

_EXAMPLE = {
    "description": "The metrics in Prometheus' text format.",
    "content": {
        "text/plain": {
            "schema": {"type": "string"},
            "example": 'ninefold_queue_jobs{status="queued"} 3.0\n',
        }
    },
}


@router.get("/metrics", response_class=Response, responses={200: _EXAMPLE, **responses()})
async def metrics(caller: Admin, request: Request, service: ServiceDep) -> Response:
    """What Prometheus scrapes. `NINEFOLD_METRICS_PORT` serves the same without a key, elsewhere."""
    text = await service.call(generate_latest, request.app.state.metrics)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class MetricsPart(ServerPart):
    """Counts requests and what the worker does."""

    router = router

    def install(self, app: FastAPI, settings: Settings) -> None:
        """Count requests."""
        app.state.metrics = new_registry()
        app.add_middleware(_Counting, registry=app.state.metrics)

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
        """Count what the worker does, and serve the metrics on their own port where one is set."""
        registry, settings = app.state.metrics, service.settings
        work = WorkMetrics(registry, service.jobs.cache, service.engines.stats)
        service.jobs.listen(work)
        messages = Outbox(service.jobs.store).counts
        registry.register(DatabaseMetrics(service.jobs.store.queue.depth, messages))
        if settings.metrics_port is None:
            yield
            return
        app.state.metrics_port, close = serve_metrics(
            registry, settings.metrics_host, settings.metrics_port
        )
        try:
            yield
        finally:
            close()


class _Counting:
    """Counts requests by their routes; streams count until they end."""

    def __init__(self, app: ASGIApp, registry: Any) -> None:
        self._app = app
        self._requests = counter(definitions.REQUESTS, registry)
        self._seconds = histogram(definitions.REQUEST_SECONDS, registry)
        self._open = gauge(definitions.REQUESTS_OPEN, registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                method, route = _method(scope["method"]), _route(scope)
                self._requests.labels(method, route, message["status"]).inc()
                self._seconds.labels(method, route).observe(time.perf_counter() - started)
            await send(message)

        self._open.inc()
        try:
            await self._app(scope, receive, sent)
        finally:
            self._open.dec()


def _method(method: str) -> str:
    """The method, or `other`: clients can invent any."""
    return method if method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"


def _route(scope: Scope) -> str:
    """The route's path with its parameters' names: paths would be a label for every job."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "other")
