"""Puts a job together with all that it made so far, from a snapshot of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ninefold.core.errors import ConfigError
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs.events import BEGUN_AGAIN
from ninefold.jobs.following import JobSnapshot
from ninefold.jobs.model import Job
from ninefold.jobs.replay import replay


async def load_job(found: JobSnapshot, engines: EngineSet | None) -> Job:
    """The job with its context, the stage where it is or stopped, and the attempts at each."""
    job, spec = found.job, found.spec
    context = spec.open(job.id, job.folder)
    try:
        pipeline = spec.pipeline_config.build(engines)
        stopped = await replay(pipeline, context, [item.record for item in found.done])
    except ConfigError:  # a plugin that it needs is gone
        stopped = None
    attempts = Counter(item.record.step for item in found.done if item.function is not None)
    attempts += Counter(report["step"] for report in found.reports if report["kind"] in BEGUN_AGAIN)
    stage = None if job.status in ("queued", "succeeded") else stopped
    if job.error is not None:
        stage = job.error.stage
    if job.status == "running" and stage is not None:
        attempts[stage] += 1
    return replace(job, stage=stage, attempts=dict(attempts), context=context)
