"""Traces for OpenTelemetry: a span for each job that a worker takes, and one for each stage in it.

Where traces go is said by OpenTelemetry's own variables. Its SDK is an extra: `ninefold[otel]`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ninefold._version import __version__
from ninefold.core.errors import ConfigError
from ninefold.core.values import Failure
from ninefold.jobs import JobExecutor
from ninefold.jobs.telemetry import JobBegan, StageRan, WorkerEvent

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

#: Any of these configures traces.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_MOST_JOBS = 4096
_MAX_MESSAGE = 200


class Traces:
    """Makes the spans; fit for `JobExecutor.listen`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("ninefold", __version__)
        self._jobs: dict[str, Span] = {}

    def __call__(self, event: WorkerEvent) -> None:
        """Begin or end the spans of an event."""
        if isinstance(event, JobBegan):
            self._begin(event)
        elif isinstance(event, StageRan):
            self._stage(event)
        elif (span := self._jobs.pop(event.job_id, None)) is not None:
            span.set_attribute("ninefold.job.outcome", event.outcome)
            _failed(span, event.failure)
            span.end()

    def _begin(self, event: JobBegan) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        span = self._tracer.start_span("job", context=Context(), kind=SpanKind.CONSUMER)
        span.set_attribute("ninefold.job.id", event.job_id)
        span.set_attribute("ninefold.job.waited_seconds", event.waited)
        span.set_attribute("ninefold.job.again", event.again)
        if event.group is not None:
            span.set_attribute("ninefold.job.group", event.group)
        self._jobs[event.job_id] = span
        while len(self._jobs) > _MOST_JOBS:
            self._jobs.pop(next(iter(self._jobs))).end()

    def _stage(self, event: StageRan) -> None:
        from opentelemetry.trace import set_span_in_context

        parent = self._jobs.get(event.job_id)
        if parent is None:
            return
        span = self._tracer.start_span(
            f"stage {event.stage}",
            context=set_span_in_context(parent),
            start_time=int(event.began * 1e9),
        )
        span.set_attribute("ninefold.job.id", event.job_id)
        span.set_attribute("ninefold.stage", event.stage)
        span.set_attribute("ninefold.stage.cached", event.cached)
        span.set_attribute("ninefold.stage.waited_seconds", event.waited)
        span.set_attribute("ninefold.stage.loaded_seconds", event.loaded)
        _failed(span, event.failure)
        span.end(int((event.began + event.seconds) * 1e9))


@contextmanager
def traced(jobs: JobExecutor) -> Iterator[None]:
    """Send traces of what this process's worker does, where the environment says where to.

    Raises `ConfigError` where it does and OpenTelemetry is not installed.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError(
            f"{ENDPOINTS[1]}: is set, but OpenTelemetry is not installed. Install "
            "ninefold[otel], or unset it."
        ) from None
    known = {"service.version": __version__} | ({} if _named() else {"service.name": "ninefold"})
    provider = TracerProvider(resource=Resource.create(known))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    jobs.listen(Traces(provider))
    try:
        yield
    finally:
        # Jobs are handed back after this; the rest goes when the process ends.
        provider.force_flush()


def _named() -> bool:
    """Whether the environment names the service."""
    attributes = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in attributes


def _failed(span: Span, failure: Failure | None) -> None:
    if failure is None:
        return
    from opentelemetry.trace import Status, StatusCode

    # A bug's message may hold anything; its kind is enough to look for.
    text = failure.kind if failure.trace else failure.message[:_MAX_MESSAGE]
    span.set_attribute("error.type", failure.kind)
    span.set_status(Status(StatusCode.ERROR, text))
