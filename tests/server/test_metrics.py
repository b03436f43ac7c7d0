"""What Prometheus reads: true, complete, documented, and in a registry of the service's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx2
import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from ninefold.engines.engine_set import EngineStats
from ninefold.telemetry.definitions import METRICS
from ninefold.telemetry.metrics import DatabaseMetrics, WorkMetrics, new_registry
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli, cli  # noqa: F401
from tests.cli.test_interrupt import started
from tests.server.conftest import Door, Open
from tools import metrics

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(door: Door, **options: Any) -> Samples:
    answer = door.client.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(answer.text)


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[(name, tuple(sorted(labels.items())))]


def test_a_job_is_counted_in_every_way(door: Door) -> None:
    job = door.done()
    door.done()  # the same again: from the cache
    found = scraped(door)
    steps = len(job["attempts"])
    stages = [key for key in found if key[0] == "ninefold_stage_seconds_count"]
    assert sorted(dict(labels)["stage"] for _, labels in stages) == sorted(job["attempts"])
    assert value(found, "ninefold_jobs_total", outcome="succeeded") == 2
    assert value(found, "ninefold_job_seconds_count", outcome="succeeded") == 2
    assert value(found, "ninefold_job_wait_seconds_count") == 2
    assert value(found, "ninefold_jobs_active") == 0
    hits = value(found, "ninefold_cache_lookups_total", result="hit")
    assert hits > 0
    assert value(found, "ninefold_cache_lookups_total", result="miss") == hits
    ran = sum(amount for (name, _), amount in found.items() if name == stages[0][0])
    assert ran == 2 * steps - hits
    route = {"method": "POST", "route": "/v1/jobs"}
    assert value(found, "ninefold_http_requests_total", status="202", **route) == 2
    assert value(found, "ninefold_http_request_seconds_count", **route) == 2
    assert value(found, "ninefold_http_requests_open") == 1  # this one
    assert value(found, "ninefold_database_up") == 1
    assert value(found, "process_resident_memory_bytes") > 1e6


def test_the_queue_is_read_from_the_database(idle: Door) -> None:
    for _ in range(3):
        idle.submit()
    time.sleep(0.2)
    found = scraped(idle)
    assert value(found, "ninefold_queue_jobs", status="queued") == 3
    assert value(found, "ninefold_queue_jobs", status="running") == 0
    assert 0.2 <= value(found, "ninefold_queue_oldest_seconds", status="queued") < 60
    assert value(found, "ninefold_queue_oldest_seconds", status="running") == 0


def test_failures_are_reported_by_class(open_door: Open) -> None:
    engines = fake_engines(fail_on="text_to_image", error=OSError)
    door = open_door(engines)
    door.client.get(door.submit()["links"]["events"])
    found = scraped(door)
    labels = {"stage": "text_to_image", "class": "transient", "kind": "OSError"}
    assert value(found, "ninefold_stage_failures_total", **labels) == 4  # every try
    assert value(found, "ninefold_jobs_total", outcome="failed") == 1


def test_paths_that_clients_invent_make_no_series(door: Door) -> None:
    for number in range(20):
        door.client.get(f"/nothing/{number}")
        door.client.get(f"/v1/jobs/{number}")
        door.client.request(f"X{number}", "/v1/jobs")
    routes = {
        dict(labels)["route"]
        for (name, labels) in scraped(door)
        if name == "ninefold_http_requests_total"
    }
    assert routes == {"other", "/v1/jobs/{job_id}", "/v1/jobs"}


def test_only_an_admins_key_reads_them(door: Door) -> None:
    door.done()
    reader, admin = door.headers("read", "submit"), door.headers("admin")
    assert door.client.get("/metrics", headers=reader).status_code == 403
    assert door.client.get("/metrics").status_code == 401
    assert scraped(door, headers=admin)


def test_a_port_of_its_own_needs_no_key(open_door: Open) -> None:
    door = open_door(metrics_port=0)
    door.headers("read")  # from now on requests need keys
    port = door.app.state.metrics_port
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    assert value(read(text), "ninefold_queue_jobs", status="queued") == 0


def test_every_metric_is_exposed_and_documented(door: Door) -> None:
    door.done()
    text = door.client.get("/metrics").text
    families = {
        name.removesuffix("_total")
        for line in text.splitlines()
        if line.startswith("# TYPE ")
        and not (name := line.split()[2]).startswith(("process_", "python_"))
        and not name.endswith("_created")
    }
    assert families == {metric.name.removesuffix("_total") for metric in METRICS}
    page = metrics.PAGE.read_text(encoding="utf-8")
    assert page == metrics.page(), "run `make docs`"
    for metric in METRICS:
        assert f"`{metric.name}`" in page
        assert metric.help.endswith(".")


def test_nothing_is_in_the_librarys_global_registry(door: Door) -> None:
    door.done()
    assert "ninefold" not in prometheus_client.generate_latest().decode()


def test_engines_and_cache_are_asked_when_metrics_are_read() -> None:
    registry = new_registry()
    stats = EngineStats({("diffusion", "poster"): 123}, {1: 5, 3: 2, 16: 1})
    WorkMetrics(registry, None, lambda: stats)
    found = read(prometheus_client.generate_latest(registry).decode())
    assert value(found, "ninefold_model_bytes", kind="diffusion", model="poster") == 123
    assert value(found, "ninefold_batch_images_count") == 8
    assert value(found, "ninefold_batch_images_sum") == 27
    by_bound = {dict(labels)["le"]: amount for (name, labels), amount in found.items()
                if name == "ninefold_batch_images_bucket"}  # fmt: skip
    assert by_bound == {"1.0": 5, "2.0": 5, "4.0": 7, "8.0": 7, "16.0": 8, "+Inf": 8}


def test_a_database_that_is_away_is_reported() -> None:
    def away() -> Any:
        raise OperationalError("", {}, Exception("away"))

    registry = new_registry()
    registry.register(DatabaseMetrics(away, dict))
    found = read(prometheus_client.generate_latest(registry).decode())
    assert value(found, "ninefold_database_up") == 0
    assert not any(name == "ninefold_queue_jobs" for name, _ in found)


@pytest.mark.usefixtures("cli")
def test_a_worker_serves_its_own(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    assert cli("submit", "a red house", "--preset", "draft").code == 0
    process = started(tmp_path, "worker", "--metrics-port", 0)
    try:
        assert process.stderr is not None
        address = ""
        while not address:
            line = process.stderr.readline()
            assert line, "the worker ended"
            address = line.partition("metrics: ")[2].strip()
        deadline = time.monotonic() + 60
        while True:
            found = read(httpx2.get(address).text)
            if found.get(("ninefold_jobs_total", (("outcome", "succeeded"),))) == 1:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert not any(name.startswith("ninefold_queue") for name, _ in found)
    finally:
        process.kill()
        process.communicate()
