"""Runs the application: the address, the keys it needs, and a graceful end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from ninefold.core.errors import ConfigError, StorageError
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs.database import connect, data_folder, database_url
from ninefold.jobs.telemetry import JobLeft, WorkerEvent
from ninefold.server.app import create_app
from ninefold.server.keys import Keys
from ninefold.server.loopback import is_loopback
from ninefold.server.service import Service
from ninefold.server.uvicorn_adapter import protocol
from ninefold.settings import Settings

Say = Callable[[str], None]

#: Seconds that requests have to end once the server stops; streams end at once.
_GRACE = 10
#: Seconds beside those two that all else may take, until the process is ended.
_MARGIN = 5
#: Seconds that a connection may lie idle: longer than proxies keep theirs, or they would use one
#: that is just being closed.
_KEEP_ALIVE = 75
#: Bytes of a request's head.
_MAX_HEAD = 2**16


def serve(
    settings: Settings, say: Say, engines: EngineSet | None = None, on_ready: Say | None = None
) -> bool:
    """Serve until SIGTERM or Ctrl-C; returns whether it began at all.

    `on_ready` is called with the address once it serves. A second signal leaves at once. Raises
    `ConfigError` where the address may not be served without keys, and `StorageError` where the
    data or the address cannot be used.
    """
    _refuse_open_doors(settings, say)
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    url = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    failures: list[BaseException] = []
    server = _Server(settings, engines, say, url, failures, on_ready)
    try:
        server.run(sockets=[listener])
    except SystemExit:
        pass  # uvicorn's way to say that the start failed
    finally:
        listener.close()
    if failures:
        raise failures[0]
    return server.started


class _Server(uvicorn.Server):
    """uvicorn, with streams that end when it stops, and errors that are reported once."""

    def __init__(
        self,
        settings: Settings,
        engines: EngineSet | None,
        say: Say,
        url: str,
        failures: list[BaseException],
        on_ready: Say | None,
    ) -> None:
        self._on_ready = on_ready
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settings, self._say, self._url = settings, say, url
        app = create_app(settings, engines=engines, on_open=self._opened)
        super().__init__(
            uvicorn.Config(
                _noting(app, failures),
                http=protocol(settings.body_seconds),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nothing here goes by the client's address
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_GRACE,
                h11_max_incomplete_event_size=_MAX_HEAD,
            )
        )
        # Its warnings are of what clients send: anyone could fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal leaves at once: other workers take over the jobs."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True
        if self._loop is not None and self._service is not None:
            self._loop.call_soon_threadsafe(self._service.closing.set)
            # Not from here: the signal may come while a line is written, and no other begins in it.
            self._loop.call_soon_threadsafe(self._say_stopping)
        else:
            self._say_stopping()
        # A thread cannot be cancelled: what still runs in one then does not hold up the end. Jobs
        # are in the database, and other workers take them over.
        end = threading.Timer(self._settings.grace + _GRACE + _MARGIN, os._exit, [1])
        end.daemon = True
        end.start()

    def _say_stopping(self) -> None:
        self._say(
            f"Stopping: steps that run have {self._settings.grace:g} s to finish; the rest is "
            "handed back. Again leaves at once."
        )

    def _opened(self, service: Service) -> None:
        self._service, self._loop = service, asyncio.get_running_loop()
        _calm_collector(service)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address: whoever reads it can connect."""
        await super().startup(sockets)
        if self._service is not None and not self.should_exit:
            worker = self._service.jobs.worker_name
            what = f"worker {worker}" if worker is not None else "no worker: jobs wait for one"
            self._say(f"ninefold serves {self._url} ({what})")
            if self._on_ready is not None:
                self._on_ready(self._url)


def _calm_collector(service: Service) -> None:
    """Have the garbage collector leave alone what is loaded by now, and with the first job, and
    look seldom through the rest.

    Looking through all of it takes 0.2 s and more, in which nobody is answered.
    """
    gc.freeze()
    gc.set_threshold(700, 10, 200)
    first = True

    def freeze_once(event: WorkerEvent) -> None:
        nonlocal first
        if first and isinstance(event, JobLeft):
            first = False
            gc.freeze()

    service.jobs.listen(freeze_once)


def _noting(app: Any, failures: list[BaseException]) -> Any:
    """The application; why it could not start goes into `failures`, not into a log."""

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        router = app.router
        try:
            await receive()
            async with router.lifespan_context(app):
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except BaseException as error:
            failures.append(error)
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.shutdown.complete"})

    return noted


def _refuse_open_doors(settings: Settings, say: Say) -> None:
    """Raise `ConfigError` for an address that others can reach and no key protects."""
    if is_loopback(settings.host) and not settings.insecure:
        return
    data = data_folder(settings.data)
    data.mkdir(parents=True, exist_ok=True)
    engine = connect(database_url(data, settings.database), create=True)
    try:
        keys = Keys(engine)
        if settings.insecure and keys.ever():
            say("--insecure has no effect: there was a key, and so everyone needs one.")
        elif not settings.insecure and not keys.any():
            raise ConfigError(
                f"host: {settings.host} can be reached by others, and there is no key. Make one "
                "with `ninefold keys create NAME`, or say --insecure to let everyone in for as "
                "long as there never was one."
            )
    finally:
        engine.dispose()


def _listen(settings: Settings) -> socket.socket:
    """A socket on the address; raises `StorageError`."""
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise StorageError(
            f"{where}: cannot be listened on: {error.strerror or error}. Name another --host or "
            "--port."
        ) from None
    return listener
