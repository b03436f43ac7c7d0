"""The door to jobs: submit, look, wait, cancel, rerun; and, if wanted, a worker in this process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from ninefold.cache import DEFAULT_MAX_BYTES, StageCache, named_files
from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError, StorageError
from ninefold.core.pipeline import Pipeline
from ninefold.core.record import StageRecord
from ninefold.core.values import Json
from ninefold.engines.base import EngineSet
from ninefold.files.atomic import link_atomic
from ninefold.jobs.database import connect, data_folder, database_url
from ninefold.jobs.events import Done, JobEnded, JobEvent, events_of
from ninefold.jobs.model import ENDED, Group, Job, JobStatus
from ninefold.jobs.replay import replay
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.store import JobStore, job_folder
from ninefold.slots import next_seed

T = TypeVar("T")

#: A new job's priority; smaller numbers run first.
DEFAULT_PRIORITY = 100
MAX_PRIORITY = 2**31 - 1
#: Most jobs that one call submits.
MAX_GROUP = 10_000
#: Longest idempotency key, in characters.
MAX_KEY = 200
#: Seconds between two looks at a job that is watched.
WATCH = 0.1
#: Seconds after which every worker knows that the queue is paused.
SETTLE = 0.2
#: Seconds that a worker may take to finish its steps when it stops.
GRACE = 30.0

#: A config, or the name of a preset.
Config = PipelineConfig | str
#: Slots by name; a prompt alone may be given as text.
Input = Mapping[str, Any] | str


class JobExecutor:
    """Jobs in a data folder, or in a PostgreSQL database with their files in the folder.

        async with JobExecutor("ninefold-data") as jobs:
            job = await jobs.submit("draft", "a red house")
            job = await jobs.wait(job.id)

    With `worker` (the default) this process also runs jobs, those of others included; a process
    can do that once at a time. Raises `StorageError` where the database cannot be used.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | None = None,
        database: str | None = None,
        *,
        worker: bool = True,
        create: bool = True,
        engines: EngineSet | None = None,
        name: str | None = None,
        concurrency: int | None = None,
        cache_bytes: int = DEFAULT_MAX_BYTES,
        grace: float = GRACE,
    ) -> None:
        """Nothing is touched before `async with`.

        `create` makes the database where it is missing. `name` is the worker's own, never used
        by two at once; `concurrency` is how many jobs each worker on this database runs at a time;
        `cache_bytes` limits the stage cache, 0 keeps none; `grace` is how many seconds running
        steps have to finish when it closes.
        """
        self.data = data_folder(data)
        self._url = database_url(self.data, database)
        self._create = create
        self._with_worker = worker
        self._engines = engines
        self._name = name
        self._concurrency = concurrency
        self._grace = grace
        self._store: JobStore | None = None
        self._worker: Any = None
        self.cache = StageCache(self.data / "cache", cache_bytes) if cache_bytes else None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    # -- submitting -----------------------------------------------------------------------------

    async def submit(
        self,
        config: Config,
        input: Input,
        *,
        idempotency_key: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        cache: bool = True,
    ) -> Job:
        """Queue a job; when this returns, it outlives a crash.

        With an `idempotency_key` the same call can be made again and gives the same job. Raises
        `ConfigError` or `InputError` with every problem; then nothing is stored.
        """
        config = _config(config)
        job_id = PipelineContext().job_id
        key = _id_of_key(idempotency_key)
        _check_priority(priority)
        spec = await asyncio.to_thread(self._prepared, job_id, config, _slots(input), cache)
        if key is not None:
            await asyncio.to_thread(self._rename, job_id, key)
        return await asyncio.to_thread(self._submit, {key or job_id: spec}, priority)

    async def submit_group(
        self,
        config: Config,
        inputs: Input | Sequence[Input],
        *,
        count: int = 1,
        priority: int = DEFAULT_PRIORITY,
        cache: bool = True,
    ) -> Group:
        """Queue one job for each input, `count` times each with seeds that follow one another."""
        config = _config(config)
        each = [inputs] if isinstance(inputs, str | Mapping) else list(inputs)
        total = len(each) * count
        if not 1 <= total <= MAX_GROUP:
            raise InputError(f"group: expected 1 to {MAX_GROUP} jobs, got {total}.")
        _check_priority(priority)
        name = f"g{PipelineContext().job_id}"

        def prepare() -> dict[str, JobSpec]:
            specs: dict[str, JobSpec] = {}
            try:
                for slots in map(_slots, each):
                    first = slots.get("seed", config.seed)
                    first = secrets.randbelow(2**32) if first is None else first
                    for index in range(count):
                        job_id = f"{name}.{len(specs) + 1:05}"
                        given = slots if count == 1 else {**slots, "seed": next_seed(first, index)}
                        spec = self._prepared(job_id, config, given, cache)
                        specs[job_id] = replace(spec, group=name)
            except BaseException:
                for job_id in specs:
                    shutil.rmtree(self._folder(job_id), ignore_errors=True)
                raise
            return specs

        specs = await asyncio.to_thread(prepare)
        await asyncio.to_thread(self._submit, specs, priority)
        return await self.group(name)

    async def rerun(
        self,
        job_id: str,
        *,
        from_stage: str | None = None,
        changes: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
    ) -> Job:
        """Queue a new job that takes over what `job_id` made before `from_stage`.

        `changes` are parameters by `stage.parameter`, or by name alone for those of `from_stage`,
        which by default is the first stage that changes. Raises `InputError` or `ConfigError`.
        """
        _check_priority(priority)
        spec = await asyncio.to_thread(self.store.spec, job_id)
        done = await asyncio.to_thread(self.store.done, job_id, spec)
        config, start = _changed(spec, from_stage, dict(changes or {}))
        kept = _before(done, start, [step.name for step in config.build().steps])
        child = PipelineContext().job_id
        again = replace(
            spec,
            config=config.document(),
            created_at=PipelineContext().created_at,
            digest=secrets.token_hex(16),
            parent=job_id,
            group=None,
            records=tuple(item.record.to_json() for item in kept),
        )
        await asyncio.to_thread(self._take_over, job_id, child, spec, kept)
        return await asyncio.to_thread(self._submit, {child: again}, priority)

    # -- looking --------------------------------------------------------------------------------

    async def get(self, job_id: str) -> Job:
        """A job with all that it made so far; raises `InputError` where there is none."""
        spec, job, done, reports = await asyncio.to_thread(self._read, job_id)
        context = spec.open(job_id, job.folder)
        try:
            stopped = await replay(self._pipeline(spec), context, [item.record for item in done])
        except ConfigError:  # a plugin that it needs is gone
            stopped = None
        attempts: dict[str, int] = {}
        for item in done:
            if item.function is not None:
                step = item.record.step
                attempts[step] = attempts.get(step, 0) + 1
        for report in reports:
            if report["kind"] != "stepped":
                attempts[report["step"]] = attempts.get(report["step"], 0) + 1
        stage = None if job.status in ("queued", "succeeded") else stopped
        if job.error is not None:
            stage = job.error.stage
        if job.status == "running" and stage is not None:
            attempts[stage] = attempts.get(stage, 0) + 1
        return replace(job, stage=stage, attempts=attempts, context=context)

    async def list(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] = (),
        group: str | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> Sequence[Job]:
        """Jobs, the newest first, without what they made."""
        wanted = (status,) if isinstance(status, str) else tuple(status)
        return await asyncio.to_thread(
            lambda: self.store.jobs(status=wanted, group=group, limit=limit, offset=offset)
        )

    async def group(self, name: str) -> Group:
        """A group with its jobs, in the order of their inputs; raises `InputError`."""
        jobs = await asyncio.to_thread(lambda: self.store.jobs(group=name, newest_first=False))
        if not jobs:
            raise InputError(f"no group is called {name!r}.")
        return Group(name, tuple(sorted(jobs, key=lambda job: job.id)))

    async def best(self, group: str, count: int = 1) -> Sequence[Job]:
        """The `count` jobs of a group that the inspector liked most; equals by their order."""
        members = (await self.group(group)).jobs
        whole = [await self.get(job.id) for job in members if job.status == "succeeded"]
        judged = [job for job in whole if job.verdict is not None]
        return sorted(judged, key=lambda job: -(job.verdict.score if job.verdict else 0))[:count]

    async def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended; raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            pause = WATCH / 4
            while not (await asyncio.to_thread(self.store.job, job_id)).ended:
                await asyncio.sleep(pause)
                pause = min(WATCH, pause * 1.5)
        return await self.get(job_id)

    async def wait_group(self, name: str, timeout: float | None = None) -> Group:
        """The group once all its jobs have ended; raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while (group := await self.group(name)).status not in ENDED:
                await asyncio.sleep(WATCH)
        return group

    async def events(self, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """What happened to the job since event `after`, and what happens until it ends."""
        while True:
            spec, job, done, reports = await asyncio.to_thread(self._read, job_id)
            steps = [step.name for step in self._pipeline(spec).steps]
            for event in events_of(steps, done, reports, job.status, job.error):
                if event.sequence > after:
                    after = event.sequence
                    yield event
                    if isinstance(event, JobEnded):
                        return
            if job.ended:
                return
            await asyncio.sleep(WATCH)

    # -- changing -------------------------------------------------------------------------------

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is. What it made is kept."""
        await asyncio.to_thread(self.store.job, job_id)
        await asyncio.to_thread(self.store.cancel, [job_id])
        return await self.get(job_id)

    async def cancel_group(self, name: str) -> Group:
        """Cancel every job of a group that has not ended."""
        group = await self.group(name)
        await asyncio.to_thread(self.store.cancel, [job.id for job in group.jobs if not job.ended])
        return await self.group(name)

    async def pause(self) -> None:
        """Let no worker take another job; those that run go on."""
        await asyncio.to_thread(self.store.pause, True)
        # A worker that looked just before takes what it then sees: let that look be over.
        await asyncio.sleep(SETTLE)

    async def resume(self) -> None:
        """Let workers take jobs again."""
        await asyncio.to_thread(self.store.pause, False)

    async def paused(self) -> bool:
        """Whether the queue is paused."""
        return await asyncio.to_thread(self.store.paused)

    async def prune(self, older_than: float, *, keep: int = 0) -> int:
        """Delete jobs that ended over `older_than` seconds ago, with their files; returns how many.

        The `keep` newest stay in any case. Files that a younger job or the cache still holds stay
        with them.
        """
        return await asyncio.to_thread(self._prune, older_than, keep)

    # -- inside ---------------------------------------------------------------------------------

    @property
    def store(self) -> JobStore:
        """The database's side; raises RuntimeError outside of `async with`."""
        if self._store is None:
            raise RuntimeError("JobExecutor: use it inside `async with JobExecutor(...) as jobs:`")
        return self._store

    @property
    def worker_name(self) -> str | None:
        """The name of this process's worker; None where it runs none."""
        return self._worker.name if self._worker is not None else None

    def on_worker_lost(self, call: Callable[[], None]) -> None:
        """Have `call` called, from a thread, where this worker's name became another's."""
        if self._worker is not None:
            self._worker.on_lost = call

    def _open(self) -> None:
        if self._create:
            try:
                self.data.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    f"{self.data}: {error.strerror}. Name another folder with --data."
                ) from None
        engine = connect(self._url, create=self._create)
        self._store = JobStore(engine, self.data)
        if not self._with_worker:
            return
        from ninefold.jobs.runtime import Runtime
        from ninefold.jobs.worker import Worker

        worker = Worker(
            engine,
            self._store,
            Runtime(self.data, self._engines, self.cache),
            name=self._name,
            concurrency=self._concurrency,
        )
        try:
            worker.start()
        except BaseException:
            self.close()
            raise
        self._worker = worker

    def close(self) -> None:
        """Stop the worker, which hands back its jobs, and let go of the database."""
        if self._worker is not None:
            self._worker.stop(self._grace)
            self._worker = None
        if self._store is not None:
            self._store.close()
            self._store.engine.dispose()
            self._store = None

    def _folder(self, job_id: str) -> Path:
        return job_folder(self.data, job_id)

    def _pipeline(self, spec: JobSpec) -> Pipeline:
        return spec.pipeline_config().build(self._engines)

    def _prepared(
        self, job_id: str, config: PipelineConfig, slots: Mapping[str, Any], cache: bool
    ) -> JobSpec:
        """The job's spec, its files in the job's folder; leaves nothing behind where it raises."""
        folder = self._folder(job_id)
        made = not folder.exists()
        try:
            context = PipelineContext(folder, job_id=job_id)
            problems = []
            for name, value in slots.items():
                try:
                    context.set(name, value)
                except InputError as error:
                    problems.append(str(error))
            given = context.record_of_input()
            problems += [] if problems else config.build(self._engines).problems(context)
            if problems:
                raise ConfigError(problems)
        except BaseException:
            if made:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        document = config.document()
        asked = json.dumps([document, given, cache], sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        return JobSpec(document, given, context.created_at, digest, cache=cache)

    def _rename(self, job_id: str, final: str) -> None:
        """Give a prepared job's folder its final name, unless that job has one already."""
        try:
            if self.store.jobs(ids=[final]):
                raise FileExistsError
            os.rename(self._folder(job_id), self._folder(final))
        except OSError:  # it has no files, or is there already
            shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _submit(self, specs: dict[str, JobSpec], priority: int) -> Job:
        self.store.submit_all(specs, priority)
        return self.store.job(next(iter(specs)))

    def _take_over(self, parent: str, child: str, spec: JobSpec, done: Sequence[Done]) -> None:
        """Put the parent's input and the files of `done` into the child's folder."""
        source, target = self._folder(parent), PipelineContext(self._folder(child), job_id=child)
        given = StageRecord("input", spec.input)
        try:
            for record in (given, *(item.record for item in done)):
                for name, _ in named_files(record):
                    link_atomic(source / name, target.file(name))
        except FileNotFoundError as error:
            shutil.rmtree(target.workdir, ignore_errors=True)
            raise InputError(
                f"{parent}: its file {Path(str(error.filename)).name} is gone. Submit the job anew."
            ) from None

    def _read(self, job_id: str) -> tuple[JobSpec, Job, Sequence[Done], Sequence[Json]]:
        # The state first: what is read after it is at least as new.
        job = self.store.job(job_id)
        spec = self.store.spec(job_id)
        return spec, job, self.store.done(job_id, spec), self.store.reports(job_id)

    def _prune(self, older_than: float, keep: int) -> int:
        ended = self.store.jobs(status=ENDED)
        limit = time.time() - older_than
        old = [
            job
            for job in ended[keep:]
            if job.finished_at is not None and _epoch(job.finished_at) <= limit
        ]
        self.store.delete([job.id for job in old])
        for job in old:
            shutil.rmtree(job.folder, ignore_errors=True)
        self._remove_orphans(limit)
        if self.cache is not None:
            self.cache.evict()
        return len(old)

    def _remove_orphans(self, limit: float) -> None:
        """Remove old folders without a job: what a submit or a prune that was cut left."""
        folders = [
            folder
            for folder in (self.data / "jobs").glob("*")
            if folder.stat().st_mtime <= min(limit, time.time() - 3600)
        ]
        known = {job.id for job in self.store.jobs(ids=[folder.name for folder in folders])}
        for folder in folders:
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def _config(config: Config) -> PipelineConfig:
    return PipelineConfig.preset(config) if isinstance(config, str) else config


def _slots(input: Input) -> dict[str, Any]:
    return {"prompt": input} if isinstance(input, str) else dict(input)


def _check_priority(priority: int) -> None:
    if not 1 <= priority <= MAX_PRIORITY:
        raise InputError(f"priority: expected 1 (first) to {MAX_PRIORITY}, got {priority}.")


def _id_of_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise InputError(f"idempotency_key: expected 1 to {MAX_KEY} characters, got {len(key)}.")
    return f"k{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _changed(
    spec: JobSpec, from_stage: str | None, changes: dict[str, Any]
) -> tuple[PipelineConfig, str]:
    """The config with `changes`, and the step to start from; raises `ConfigError`."""
    config = spec.pipeline_config()
    names = [step.name for step in config.build().steps]
    if from_stage is not None and from_stage not in names:
        raise ConfigError(
            f"from_stage: no stage {from_stage!r} in this job. It has {', '.join(names)}."
        )
    named: dict[str, Any] = {}
    for key, value in changes.items():
        if "." not in key and from_stage is None:
            raise ConfigError(f"changes: expected stage.parameter, got {key!r}.")
        named[key if "." in key else f"{from_stage}.{key}"] = value
    settings = [f"{key}={json.dumps(value)}" for key, value in named.items()]
    config = config.with_settings(settings) if settings else config
    touched = [names.index(key.partition(".")[0]) for key in named]
    start = names.index(from_stage) if from_stage is not None else min(touched, default=0)
    if early := [key for key, index in zip(named, touched, strict=True) if index < start]:
        raise ConfigError(
            f"changes: {', '.join(early)} belong to stages before {names[start]}, which are "
            "taken over as they are. Start from an earlier stage."
        )
    return config, names[start]


def _before(done: Sequence[Done], start: str, names: Sequence[str]) -> list[Done]:
    """What was done before `start` began for the last time; raises `InputError`."""
    last = max((i for i, item in enumerate(done) if item.record.step == start), default=len(done))
    kept = list(done[:last])
    reached = {item.record.step for item in kept if item.record.succeeded}
    missing = [name for name in names[: names.index(start)] if name not in reached]
    if missing:
        raise InputError(
            f"from_stage: the job stopped before {start}: it has no {missing[0]}. "
            f"Rerun it from {missing[0]}."
        )
    return kept


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
