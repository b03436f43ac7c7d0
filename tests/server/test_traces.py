"""A span for each job and each stage in it, with OpenTelemetry's own exporters."""

from __future__ import annotations

import sys
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ninefold.core.errors import ConfigError
from ninefold.telemetry.traces import ENDPOINTS, Traces
from ninefold.testing import fake_engines
from tests.server.conftest import Door, Open
from tests.server.webhooks.receiver import receiver


def spans_of(door: Door) -> list[ReadableSpan]:
    """The spans of one job, which has ended when this returns."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    door.service.jobs.listen(Traces(provider))
    job = door.submit()
    door.client.get(job["links"]["events"])
    spans = list(exporter.get_finished_spans())
    for span in spans:
        assert span.attributes is not None
        assert span.attributes["ninefold.job.id"] == job["id"]
    return spans


def test_a_job_is_a_span_and_its_stages_lie_below(door: Door) -> None:
    *stages, job = spans_of(door)
    assert job.name == "job"
    assert job.parent is None
    assert job.attributes is not None
    assert job.attributes["ninefold.job.outcome"] == "succeeded"
    assert [span.name for span in stages] == [
        "stage prompt",
        "stage text_to_image",
        "stage publisher",
    ]
    for span in stages:
        assert span.parent is not None
        assert span.parent.span_id == job.context.span_id
        assert span.context.trace_id == job.context.trace_id
        assert job.start_time is not None
        assert span.start_time is not None
        assert span.end_time is not None
        assert job.start_time <= span.start_time <= span.end_time


def test_a_failure_is_an_errors_span(open_door: Open) -> None:
    *_, stage, job = spans_of(open_door(fake_engines(fail_on="text_to_image")))
    for span in (stage, job):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "ModelError"


def test_where_an_endpoint_is_set_traces_are_sent_to_it(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as collector:
        monkeypatch.setenv(ENDPOINTS[1], f"http://127.0.0.1:{collector.port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        door = open_door()
        door.done()
        deadline = time.monotonic() + 30
        while b"job.outcome" not in (sent := b"".join(body for _, body in collector.requests)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert collector.requests[0][0]["content-type"] == "application/x-protobuf"
    assert b"stage text_to_image" in sent
    assert b"service.name" in sent


def test_without_the_extra_the_start_stops_and_says_why(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"ninefold\[otel\]"):
        open_door()


def test_without_an_endpoint_nothing_is_imported(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    door.done()
