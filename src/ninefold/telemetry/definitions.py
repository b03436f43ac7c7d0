"""Every metric that ninefold exposes, described once: for the registry and for the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

#: Upper bounds in seconds: of answers, and of work on images.
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WORK = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
#: Upper bounds of images in one call.
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Metric:
    """A metric: its name as Prometheus has it, and what it says."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# -- of a worker: of `ninefold serve` with its own, or of `ninefold worker` ------------------------

STAGE_SECONDS = Metric(
    "ninefold_stage_seconds",
    "histogram",
    "Time of the stages' own work; what came from the cache is not in it.",
    ("stage",),
    WORK,
)
STAGE_WAIT = Metric(
    "ninefold_stage_wait_seconds",
    "histogram",
    "Time that stages waited for a model that others used, or for a batch; 0 where they did not.",
    ("stage",),
    WORK,
)
STAGE_LOAD = Metric(
    "ninefold_stage_load_seconds",
    "histogram",
    "Time in which stages had a model loaded; stages that found theirs loaded are not in it.",
    ("stage",),
    WORK,
)
STAGE_FAILURES = Metric(
    "ninefold_stage_failures_total",
    "counter",
    "Stages that failed, those that were tried again included. class: user, transient or bug; "
    "kind: the exception.",
    ("stage", "class", "kind"),
)
JOBS = Metric(
    "ninefold_jobs_total",
    "counter",
    "Jobs that the worker is done with: succeeded, failed, cancelled or handed_back.",
    ("outcome",),
)
JOB_SECONDS = Metric(
    "ninefold_job_seconds",
    "histogram",
    "Time from a job's start in the worker to its end.",
    ("outcome",),
    WORK,
)
JOB_WAIT = Metric(
    "ninefold_job_wait_seconds",
    "histogram",
    "Time from a job's submission to its first start.",
    (),
    WORK,
)
JOBS_ACTIVE = Metric("ninefold_jobs_active", "gauge", "Jobs that the worker runs now.")
CACHE = Metric(
    "ninefold_cache_lookups_total",
    "counter",
    "Stages looked for in the cache. result: hit or miss.",
    ("result",),
)
BATCH = Metric(
    "ninefold_batch_images",
    "histogram",
    "Images that diffusion calls made at once.",
    (),
    SIZES,
)
RESIDENT = Metric(
    "ninefold_model_bytes",
    "gauge",
    "Bytes of each model that is loaded. kind: diffusion, detector or upscaler.",
    ("kind", "model"),
)

# -- of the database: the same from every server ---------------------------------------------------

QUEUE_JOBS = Metric(
    "ninefold_queue_jobs",
    "gauge",
    "Jobs in the database that have not ended. status: queued or running.",
    ("status",),
)
QUEUE_AGE = Metric(
    "ninefold_queue_oldest_seconds",
    "gauge",
    "Time since the oldest of them was submitted; 0 where there is none.",
    ("status",),
)
WEBHOOKS = Metric(
    "ninefold_webhooks",
    "gauge",
    "Messages of webhooks. state: waiting (for its job), due, or failed (given up).",
    ("state",),
)
DATABASE = Metric("ninefold_database_up", "gauge", "1 where the database answered, else 0.")

# -- of requests: of `ninefold serve` --------------------------------------------------------------

REQUESTS = Metric(
    "ninefold_http_requests_total",
    "counter",
    "Requests that were answered. route: the path as documented, or other.",
    ("method", "route", "status"),
)
REQUEST_SECONDS = Metric(
    "ninefold_http_request_seconds",
    "histogram",
    "Time until the answer began.",
    ("method", "route"),
    QUICK,
)
REQUESTS_OPEN = Metric(
    "ninefold_http_requests_open",
    "gauge",
    "Requests under way, streams of events included.",
)

OF_WORK = (
    *(STAGE_SECONDS, STAGE_WAIT, STAGE_LOAD, STAGE_FAILURES),
    *(JOBS, JOB_SECONDS, JOB_WAIT, JOBS_ACTIVE),
    *(CACHE, BATCH, RESIDENT),
)
OF_DATABASE = (QUEUE_JOBS, QUEUE_AGE, WEBHOOKS, DATABASE)
OF_REQUESTS = (REQUESTS, REQUEST_SECONDS, REQUESTS_OPEN)
METRICS = (*OF_WORK, *OF_DATABASE, *OF_REQUESTS)
