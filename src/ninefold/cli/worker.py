"""`ninefold worker`: run jobs until asked to stop, or until there are none."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from ninefold.cli.guard import DONE, FAILED, say, say_error
from ninefold.cli.jobs import Place
from ninefold.core.errors import ConfigError
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs import JobExecutor
from ninefold.settings import Settings
from ninefold.telemetry.traces import traced

#: Seconds between two looks whether anything is left to do.
PAUSE = 0.2
MAX_NAME = 128


async def work(
    place: Place,
    settings: Settings,
    *,
    name: str | None,
    drain: bool,
    engines: EngineSet,
) -> int:
    """Run jobs; with `drain`, until none is queued or running any more."""
    if name is not None and not (name.strip() and len(name) <= MAX_NAME):
        raise ConfigError(f"--name: expected 1 to {MAX_NAME} characters, got {name!r}.")
    end = _End(asyncio.get_running_loop(), settings.grace)
    with end.on_signals():
        async with place.open(
            worker=True,
            create=True,
            name=name,
            concurrency=settings.concurrency,
            grace=settings.grace,
            cache_bytes=settings.cache_bytes,
            engines=engines,
            worker_kind="worker",
        ) as jobs:
            jobs.on_worker_lost(end.lose)
            with traced(jobs), _metrics(jobs, engines, settings):
                say(await _introduction(jobs, place))
                await (_drained(jobs, end) if drain else end.reached.wait())
            own = jobs.worker_name
    if end.lost:
        say_error(f"another worker took the name {own!r}. Give each worker a name of its own.")
        return FAILED
    return DONE


@dataclass
class _End:
    """When the worker stops, and why."""

    loop: asyncio.AbstractEventLoop
    grace: float
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    lost: bool = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Inside the block, SIGTERM and Ctrl-C end it; a second one leaves at once.

        Leaving at once is safe: other workers take over what this one held.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            self.loop.add_signal_handler(number, self._stop, number)
        try:
            yield
        finally:
            for number in numbers:
                self.loop.remove_signal_handler(number)

    def lose(self) -> None:
        """Take note, from any thread, that the name is another's."""
        self.lost = True
        self.loop.call_soon_threadsafe(self.reached.set)

    def _stop(self, number: int) -> None:
        if self.reached.is_set():
            os._exit(128 + number)
        self.reached.set()
        say(
            f"Stopping: steps that run have {self.grace:g} s to finish; the rest is handed back. "
            "Again leaves at once."
        )


@contextmanager
def _metrics(jobs: JobExecutor, engines: EngineSet, settings: Settings) -> Iterator[None]:
    """Serve what the worker counts, where it was given a port."""
    if settings.metrics_port is None:
        yield
        return
    from ninefold.telemetry.metrics import WorkMetrics, new_registry, serve_metrics

    registry = new_registry()
    jobs.listen(WorkMetrics(registry, jobs.cache, engines.stats))
    host = settings.metrics_host
    port, close = serve_metrics(registry, host, settings.metrics_port)
    say(f"metrics: http://{host}:{port}/metrics")
    try:
        yield
    finally:
        close()


async def _drained(jobs: JobExecutor, end: _End) -> None:
    while not end.reached.is_set():
        with suppress(SQLAlchemyError):  # a database that is away may come back
            if not await jobs.list(status=("queued", "running"), limit=1):
                return
        with suppress(TimeoutError):
            await asyncio.wait_for(end.reached.wait(), PAUSE)


async def _introduction(jobs: JobExecutor, place: Place) -> str:
    url = jobs.store.engine.url
    where = str(jobs.data)
    if (kind := url.get_backend_name()) != "sqlite":
        where = f"{url.set(drivername=kind).render_as_string()}, files in {where}"
    line = f"worker {jobs.worker_name}: takes jobs from {where}"
    if await jobs.paused():
        line += f"; the queue is paused, {place.command('jobs', 'resume')} goes on"
    return line
