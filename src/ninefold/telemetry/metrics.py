"""Fills the metrics: by events of the worker, or asked for when they are read.

Nothing below the server knows Prometheus: workers tell (`jobs.telemetry`), engines and the cache
count by themselves, and the database is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from ninefold.cache import StageCache
from ninefold.core.errors import StorageError
from ninefold.core.values import Failure
from ninefold.engines.engine_set import EngineStats
from ninefold.jobs import JobStatus
from ninefold.jobs.telemetry import JobBegan, StageRan, WorkerEvent
from ninefold.telemetry import definitions
from ninefold.telemetry.definitions import Metric

#: Jobs whose start is remembered; more than a worker ever runs at once.
_MOST_ACTIVE = 4096


def new_registry() -> CollectorRegistry:
    """A registry of its own, with what the system tells of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter in the registry."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge in the registry."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """A histogram in the registry."""
    return Histogram(
        metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry
    )


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> tuple[int, Any]:
    """Serve a registry on a port of its own; returns the port, and what ends it when called.

    Raises `StorageError` where the address cannot be listened on.
    """
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise StorageError(
            f"metrics: {host}:{port} cannot be listened on: {error.strerror or error}. Name "
            "another port."
        ) from None

    def close() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return int(server.server_port), close


class WorkMetrics:
    """What a worker's process does; fit for `JobExecutor.listen`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        cache: StageCache | None,
        stats: Callable[[], EngineStats],
    ) -> None:
        self._stages = histogram(definitions.STAGE_SECONDS, registry)
        self._stage_waits = histogram(definitions.STAGE_WAIT, registry)
        self._stage_loads = histogram(definitions.STAGE_LOAD, registry)
        self._failures = counter(definitions.STAGE_FAILURES, registry)
        self._jobs = counter(definitions.JOBS, registry)
        self._seconds = histogram(definitions.JOB_SECONDS, registry)
        self._wait = histogram(definitions.JOB_WAIT, registry)
        self._active = gauge(definitions.JOBS_ACTIVE, registry)
        self._began: dict[str, float] = {}
        registry.register(_Counted(cache, stats))

    def __call__(self, event: WorkerEvent) -> None:
        """Take note."""
        if isinstance(event, JobBegan):
            self._began[event.job_id] = time.monotonic()
            while len(self._began) > _MOST_ACTIVE:
                del self._began[next(iter(self._began))]
            if not event.again:
                self._wait.observe(event.waited)
        elif isinstance(event, StageRan):
            if event.failure is not None:
                kind = event.failure.kind
                self._failures.labels(event.stage, _class(event.failure), kind).inc()
            if not event.cached:
                work = max(0.0, event.seconds - event.waited - event.loaded)
                self._stages.labels(event.stage).observe(work)
                self._stage_waits.labels(event.stage).observe(event.waited)
                if event.loaded:
                    self._stage_loads.labels(event.stage).observe(event.loaded)
        else:
            self._jobs.labels(event.outcome).inc()
            began = self._began.pop(event.job_id, None)
            if began is not None:
                self._seconds.labels(event.outcome).observe(time.monotonic() - began)
        self._active.set(len(self._began))


class _Counted(Collector):
    """What the cache and the engines count by themselves."""

    def __init__(self, cache: StageCache | None, stats: Callable[[], EngineStats]) -> None:
        self._cache, self._stats = cache, stats

    def describe(self) -> Iterable[Family]:
        """Nothing: so registering reads nothing."""
        return ()

    def collect(self) -> Iterable[Family]:
        """The counts as they are."""
        stats = self._stats()
        lookups = CounterMetricFamily(
            definitions.CACHE.name, definitions.CACHE.help, labels=("result",)
        )
        if self._cache is not None:
            lookups.add_metric(["hit"], self._cache.hits)
            lookups.add_metric(["miss"], self._cache.misses)
        yield lookups
        batches = HistogramMetricFamily(definitions.BATCH.name, definitions.BATCH.help)
        total = sum(size * count for size, count in stats.batches.items())
        batches.add_metric([], _buckets(definitions.BATCH.buckets, stats.batches), total)
        yield batches
        yield _gauges(definitions.RESIDENT, stats.resident)


class DatabaseMetrics(Collector):
    """What the database tells of the queue and of webhooks, whenever the metrics are read."""

    def __init__(
        self,
        depth: Callable[[], Mapping[JobStatus, tuple[int, float]]],
        webhooks: Callable[[], Mapping[Any, int]],
    ) -> None:
        self._depth, self._webhooks = depth, webhooks

    def describe(self) -> Iterable[Family]:
        """Nothing: so registering reads nothing."""
        return ()

    def collect(self) -> Iterable[Family]:
        """What the database holds now; nothing but that it is away where it is."""
        try:
            depth, webhooks = self._depth(), self._webhooks()
        except SQLAlchemyError:
            yield _gauges(definitions.DATABASE, {(): 0})
            return
        yield _gauges(definitions.DATABASE, {(): 1})
        yield _gauges(
            definitions.QUEUE_JOBS, {(name,): count for name, (count, _) in depth.items()}
        )
        yield _gauges(definitions.QUEUE_AGE, {(name,): age for name, (_, age) in depth.items()})
        yield _gauges(definitions.WEBHOOKS, {(name,): count for name, count in webhooks.items()})


def _gauges(metric: Metric, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _buckets(bounds: Sequence[float], counts: Mapping[int, int]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as the text format has them."""
    found = [
        (str(bound), float(sum(count for size, count in counts.items() if size <= bound)))
        for bound in bounds
    ]
    return [*found, ("+Inf", float(sum(counts.values())))]


def _class(failure: Failure) -> str:
    if failure.transient:
        return "transient"
    return "user" if failure.user_error else "bug"
