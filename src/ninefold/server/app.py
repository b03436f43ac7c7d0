"""The application: routes over one `Service`, opened with the server and closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from starlette.types import Lifespan

from ninefold._version import __version__
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs import JobExecutor
from ninefold.server import problems
from ninefold.server.authentication import Authentication
from ninefold.server.body import BodyLimits
from ninefold.server.concurrency import TurnsForBodies
from ninefold.server.http_forms import ClosedAfterRefusal, RequestForms
from ninefold.server.metrics import MetricsPart
from ninefold.server.openai.extension import OpenAIPart
from ninefold.server.parts import ServerPart
from ninefold.server.problems import Problem
from ninefold.server.routes import (
    archives,
    catalogue,
    events,
    grids,
    groups,
    health,
    inspection,
    job_library,
    jobs,
    keys,
    prompts,
    queue,
    session,
    system,
    uploads,
)
from ninefold.server.sdapi.extension import SdapiPart
from ninefold.server.service import Service
from ninefold.server.studio import StudioPart
from ninefold.server.tracing import TracingPart
from ninefold.server.webhooks.extension import Webhooks, WebhooksPart
from ninefold.settings import Settings

#: Threads for what blocks: the database and files. Python's own count follows the cores.
_THREADS = 32
#: Seconds between two looks for uploads that nobody needs any more, and sessions that expired.
_EXPIRE = 600.0

_ROUTERS = tuple(
    module.router
    for module in (
        health,
        session,
        job_library,
        archives,
        keys,
        system,
        events,
        queue,
        jobs,
        groups,
        grids,
        uploads,
        inspection,
        catalogue,
        prompts,
    )
)
#: What lies beside the API itself.
_PARTS: tuple[ServerPart, ...] = (
    OpenAIPart(),
    SdapiPart(),
    WebhooksPart(),
    MetricsPart(),
    TracingPart(),
    StudioPart(),
)


def create_app(
    settings: Settings,
    *,
    engines: EngineSet | None = None,
    on_open: Callable[[Service], None] | None = None,
) -> FastAPI:
    """The application for any ASGI server; nothing is touched before it starts.

    `engines` replaces those of the settings; `on_open` is called once the service is open. One
    process has one worker at most.
    """
    app = FastAPI(
        title="ninefold",
        version=__version__,
        description="From a prompt to a finished image: nine stages, one durable pipeline.",
        lifespan=_lifespan(settings, engines, on_open),
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # `RequestForms` serves them
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours are in _PARTS
    )
    forms = {prefix: form for part in _PARTS for prefix, form in part.error_forms.items()}
    problems.install(app, forms)
    large = ("/v1/uploads", "/v1/inspect", *forms)
    app.add_middleware(
        TurnsForBodies,
        limit=lambda request: request.app.state.service.preparing,
        answer=app.state.answer_error,
    )
    app.add_middleware(
        BodyLimits,
        limit=lambda path: (
            session.MAX_BODY
            if path == session.PATH
            else _body_limit(settings, path.startswith(large))
        ),
        seconds=settings.body_seconds,
        answer=app.state.answer_error,
    )
    # The outermost comes last.
    app.add_middleware(Authentication, routes=app.routes, answer=app.state.answer_error)
    app.add_middleware(RequestForms)
    app.add_middleware(ClosedAfterRefusal)
    for part in _PARTS:
        part.install(app, settings)
    for router in (*_ROUTERS, *(part.router for part in _PARTS)):
        app.router.routes.extend(router.routes)
    _describe(app)
    return app


def _lifespan(
    settings: Settings,
    engines: EngineSet | None,
    on_open: Callable[[Service], None] | None,
) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="service"))
        own = engines
        if own is None:
            from ninefold.engines.defaults import build_engines

            own = await asyncio.to_thread(build_engines, settings)
        elif own.marks is None:
            own = replace(own, marks=settings.marks_folder)
        async with AsyncExitStack() as stack:
            executor = JobExecutor(
                settings.data,
                settings.database,
                worker=settings.worker,
                engines=own,
                concurrency=settings.concurrency,
                cache_bytes=settings.cache_bytes,
                grace=settings.grace,
                worker_kind="server",
            )
            opened = await stack.enter_async_context(executor)
            service = app.state.service = await asyncio.to_thread(
                Service, settings, own, opened, Webhooks(settings)
            )
            for part in _PARTS:
                await stack.enter_async_context(part.running(app, service))
            stack.push_async_callback(asyncio.to_thread, service.access.close)
            stack.push_async_callback(service.activity.close)
            stack.push_async_callback(service.checks.close)
            watch = service.open_requests.watch(service.access.revoked)
            for background in (_expire(service), watch):
                stack.push_async_callback(_stopped, asyncio.create_task(background))
            if on_open is not None:
                on_open(service)
            yield
            service.closing.set()

    return lifespan


async def _expire(service: Service) -> None:
    while True:
        with suppress(Exception):  # a database that is away may come back
            await service.call(service.uploads.expire, service.settings.uploads_hours)
            await service.access.expire()
        await asyncio.sleep(_EXPIRE)


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _body_limit(settings: Settings, large: bool) -> int:
    """Bytes of a body; one with images may hold two, in base64."""
    return settings.max_body + (3 * settings.max_image_bytes if large else 0)


def _describe(app: FastAPI) -> None:
    """Have the OpenAPI document hold the schema of problems, in place of FastAPI's own errors."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            template = "#/components/schemas/{model}"
            problem = Problem.model_json_schema(ref_template=template)
            schemas |= problem.pop("$defs", {})
            schemas["Problem"] = problem
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
