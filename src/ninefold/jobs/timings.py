"""How long stages took: of the jobs that ended last, and what that says of a stage yet to run."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from ninefold.core.errors import ConfigError
from ninefold.core.model_refs import named_models
from ninefold.core.pipeline import Pipeline
from ninefold.core.stage import PipelineStage
from ninefold.core.values import Json
from ninefold.jobs.model import Job
from ninefold.jobs.spec import parsed_config
from ninefold.jobs.store import JobStore

#: Jobs that are looked at, the newest first, and measurements that one estimate is made of.
MOST_JOBS, SAMPLES = 100, 5

Basis = Literal["measured", "scaled", "unknown"]


@dataclass(frozen=True)
class StageWork:
    """What a stage does, as far as its time hangs on it."""

    stage: str
    #: Models that its parameters name, and the diffusion model that it runs, if any.
    models: tuple[str, ...]
    params: Json
    #: Width and height of the image that it leaves; None where there is none yet.
    size: tuple[int, int] | None
    #: Of a diffusion stage, as they were asked for.
    steps: int | None
    #: Whether the job starts from pictures.
    from_image: bool

    def ratio(self, other: StageWork) -> float:
        """How much more there is to do than in `other`: by steps times pixels."""
        ratio = 1.0
        if self.size is not None and other.size is not None:
            ratio *= math.prod(self.size) / math.prod(other.size)
        if self.steps and other.steps:
            ratio *= self.steps / other.steps
        return ratio


@dataclass(frozen=True)
class Timing:
    """How long a stage worked, without waiting for models and loading them."""

    work: StageWork
    seconds: float


def work_of(
    name: str,
    stage: PipelineStage[Any],
    model: str | None,
    size: tuple[int, int] | None,
    steps: int | None,
    from_image: bool,
) -> StageWork:
    """The work of a stage of the type `name`, which runs the diffusion model `model`."""
    named = [item.name for item in named_models(stage.params_type, stage.params)]
    models = (*named, *(() if model is None else (model,)))
    params = stage.params.model_dump(mode="json")
    return StageWork(name, models, params, size, steps, from_image)


def estimated(work: StageWork, timings: Sequence[Timing]) -> tuple[float | None, Basis]:
    """Seconds that a stage will take, and what that is made of; `timings` are the newest first.

    Measured: the median of the last times that the same stage, with the same parameters and models,
    left an image of the same size. Scaled: the median of those times of that stage with the same
    models that are nearest in steps times pixels, in proportion to these. Else unknown.
    """
    alike = [
        item for item in timings if (item.work.stage, item.work.models) == (work.stage, work.models)
    ]
    same = [item.seconds for item in alike if item.work == work][:SAMPLES]
    if same:
        return median(same), "measured"
    alike = [item for item in alike if item.work.from_image == work.from_image] or alike
    if not alike:
        return None, "unknown"
    nearest = sorted(alike, key=lambda item: abs(math.log(work.ratio(item.work))))[:SAMPLES]
    return median(item.seconds * work.ratio(item.work) for item in nearest), "scaled"


class Timings:
    """The times of the last jobs that succeeded; each job is read once."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._known: dict[str, tuple[Timing, ...]] = {}
        self._lock = threading.Lock()

    def recent(self) -> list[Timing]:
        """Of all stages that were carried out, the newest first; blocks while it reads."""
        jobs = self._store.jobs(status=["succeeded"], limit=MOST_JOBS)
        with self._lock:
            known = self._known
            self._known = {
                job.id: known[job.id] if job.id in known else tuple(self._of_job(job))
                for job in jobs
            }
            return [timing for timings in self._known.values() for timing in timings]

    def _of_job(self, job: Job) -> Iterator[Timing]:
        try:
            pipeline = parsed_config(job.config).build()
        except ConfigError:  # a plugin that it needs is gone
            return iter(())
        types = [item["stage"] for item in job.config["stages"]]
        return _of_records(
            pipeline,
            types,
            [step.record for step in self._store.own_steps(job.id)],
            starts_from_pictures(job.input),
        )


def starts_from_pictures(given: Mapping[str, Any]) -> bool:
    """Whether an input holds pictures."""
    return any(given.get(name) for name in ("image", "references"))


def _of_records(
    pipeline: Pipeline, types: Sequence[str], records: Iterable[Any], from_image: bool
) -> Iterator[Timing]:
    steps = {
        step.name: (name, step.stage) for name, step in zip(types, pipeline.steps, strict=True)
    }
    size: tuple[int, int] | None = None
    for record in records:
        told = record.metadata
        if isinstance(image := record.data.get("image"), dict):
            size = (image["width"], image["height"])
        known = steps.get(record.step)
        if known is None or not record.succeeded or told.get("cached"):
            continue
        name, stage = known
        work = work_of(name, stage, told.get("model"), size, told.get("steps"), from_image)
        seconds = told["duration_ms"] / 1000 / told.get("batch_size", 1)
        yield Timing(work, seconds)
