"""The door to jobs: submit, look, wait, cancel, rerun; and, if wanted, a worker in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from ninefold.cache import DEFAULT_MAX_BYTES, StageCache
from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConflictError, StorageError
from ninefold.core.priority import DEFAULT_PRIORITY
from ninefold.core.settings import read_settings
from ninefold.engines.defaults import default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.jobs import retention
from ninefold.jobs.admission import Admission
from ninefold.jobs.database import connect
from ninefold.jobs.group_rows import Config, GroupRow, Input, rows_of
from ninefold.jobs.leases import WorkerKind
from ninefold.jobs.lineage import Rerun
from ninefold.jobs.model import Group, Job
from ninefold.jobs.naming import member_id
from ninefold.jobs.reading import JobReader
from ninefold.jobs.spec import JobSpec, digest_of
from ninefold.jobs.store import JobStore
from ninefold.jobs.submission import (
    JobPreparer,
    check_priority,
    id_of_key,
    ids_of_key,
    new_group,
    new_job,
)
from ninefold.jobs.telemetry import Listener, Listeners
from ninefold.slots import next_seed

#: Seconds after which every worker knows that the queue is paused.
SETTLE = 0.2
#: Seconds that a worker may take to finish its steps when it stops.
GRACE = 30.0


class JobExecutor(JobReader):
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
        worker_kind: WorkerKind = "library",
    ) -> None:
        """Nothing is touched before `async with`.

        Where neither `data` nor `database` is given, both are as the settings say.
        `create` makes the database where it is missing. `name` is the worker's own, never used
        by two at once; `concurrency` is how many jobs each worker on this database runs at a time;
        `cache_bytes` limits the stage cache, 0 keeps none; `grace` is how many seconds running
        steps have to finish when it closes; `worker_kind` is what admins see of where it runs.
        """
        super().__init__(data, database, engines)
        self._given_data = data
        self._create = create
        self._with_worker = worker
        self._name = name
        self._concurrency = concurrency
        self._worker_kind = worker_kind
        self._grace = grace
        self._worker: Any = None
        self._listeners = Listeners()
        self.cache = StageCache(self.data / "cache", cache_bytes) if cache_bytes else None

    async def __aenter__(self) -> Self:
        await self._call(self._open)
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
        owner: str | None = None,
        admission: Admission | None = None,
    ) -> Job:
        """Queue a job; when this returns, it outlives a crash.

        With an `idempotency_key` the same call can be made again and gives the same job; each
        `owner` has keys of its own. Raises `ConfigError` or `InputError` with every problem, or
        `QueueFullError` where `admission` says so; then nothing is stored.
        """
        check_priority(priority)

        def submit() -> Job:
            finals = ids_of_key(idempotency_key, owner)
            specs = self._preparer.prepare_job(config, input, cache, owner)
            return self._preparer.submit(specs, finals, priority, admission)[0]

        return await self._call(submit)

    async def submit_group(
        self,
        config: Config,
        inputs: Input | Sequence[Input],
        *,
        count: int = 1,
        variants: bool = False,
        idempotency_key: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        cache: bool = True,
        owner: str | None = None,
        admission: Admission | None = None,
    ) -> Group:
        """Queue one job for each input, `count` times each with seeds that follow one another.

        With `variants`, one for every way to read a prompt such as `a {red|blue} house`. All else
        is as in `submit`.
        """
        return await self.submit_rows(
            await self._call(rows_of, config, inputs),
            count=count,
            variants=variants,
            idempotency_key=idempotency_key,
            priority=priority,
            cache=cache,
            owner=owner,
            admission=admission,
        )

    async def submit_rows(
        self,
        rows: Sequence[GroupRow],
        *,
        count: int = 1,
        variants: bool = False,
        idempotency_key: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        cache: bool = True,
        owner: str | None = None,
        admission: Admission | None = None,
    ) -> Group:
        """As `submit_group`, of inputs that have each a config; problems are told by row."""
        check_priority(priority)
        key = idempotency_key

        def submit() -> Group:
            final = None if key is None else f"g{id_of_key(key, owner)}"
            name = new_group()
            specs = self._preparer.prepare_group(name, rows, count, variants, cache, owner, key=key)
            if final is None:
                return Group(name, tuple(self._preparer.submit(specs, None, priority, admission)))
            # With how many they are in each digest, or a part of a group would pass for it.
            specs = {
                job_id: replace(spec, group=final, digest=digest_of(spec.digest, len(specs)))
                for job_id, spec in specs.items()
            }
            ids = [member_id(final, number) for number in range(1, len(specs) + 1)]
            return Group(final, tuple(self._preparer.submit(specs, ids, priority, admission)))

        return await self._call(submit)

    async def rerun(
        self,
        job_id: str,
        *,
        from_stage: str | None = None,
        changes: Mapping[str, Any] | None = None,
        input: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        owner: str | None = None,
        admission: Admission | None = None,
        check: Callable[[PipelineConfig], None] | None = None,
    ) -> Job:
        """Queue a new job that takes over what `job_id` made before `from_stage`.

        `changes` are parameters by `stage.parameter`, or by name alone for those of `from_stage`,
        which by default is the first stage that changes. `input` may hold another prompt, negative
        prompt, seed, model, image, mask or references. `check` may refuse the changed config.
        Raises as `submit` does.
        """
        check_priority(priority)

        def submit() -> Job:
            finals = ids_of_key(idempotency_key, owner)
            child = new_job()
            spec = self._preparer.prepare_rerun(job_id, child, from_stage, changes, input, check)
            specs = {child: replace(spec, owner=owner)}
            return self._preparer.submit(specs, finals, priority, admission)[0]

        return await self._call(submit)

    async def plan_rerun(
        self,
        job_id: str,
        *,
        from_stage: str | None = None,
        changes: Mapping[str, Any] | None = None,
        input: Mapping[str, Any] | None = None,
        check: Callable[[PipelineConfig], None] | None = None,
    ) -> tuple[Rerun, PipelineContext]:
        """What `rerun` would queue, and the context it would begin with; raises as it does."""
        return await self._call(
            self._preparer.plan_rerun, job_id, from_stage, changes, input, check
        )

    async def rerun_group(
        self,
        name: str,
        *,
        from_stage: str | None = None,
        changes: Mapping[str, Any] | None = None,
        input: Mapping[str, Any] | None = None,
        priority: int = DEFAULT_PRIORITY,
    ) -> Group:
        """Queue a new group that takes over from each job of another, as `rerun` does.

        Another seed is the first job's; those of the others follow it.
        """
        check_priority(priority)
        members = (await self.group(name)).jobs
        child = new_group()

        def submit() -> Sequence[Job]:
            specs: dict[str, JobSpec] = {}
            with self._preparer.all_or_none(specs):
                for number, job in enumerate(members, 1):
                    job_id = member_id(child, number)
                    given = dict(input or {})
                    if isinstance(seed := given.get("seed"), int):
                        given["seed"] = next_seed(seed, number - 1)
                    spec = self._preparer.prepare_rerun(job.id, job_id, from_stage, changes, given)
                    specs[job_id] = replace(spec, group=child)
            return self._preparer.submit(specs, None, priority)

        return Group(child, tuple(await self._call(submit)))

    # -- changing -------------------------------------------------------------------------------

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is. What it made is kept."""
        await self._call(self.store.job, job_id)
        await self._call(self.store.cancel, [job_id])
        return await self.get(job_id)

    async def cancel_group(self, name: str) -> Group:
        """Cancel every job of a group that has not ended."""
        group = await self.group(name)
        await self._call(self.store.cancel, [job.id for job in group.jobs if not job.ended])
        return await self.group(name)

    async def delete(self, job_id: str) -> None:
        """Forget a job that has ended, with its files; raises `ConflictError` for an open one."""

        def delete() -> None:
            if not self.store.job(job_id).ended:
                raise ConflictError(f"job {job_id!r}: has not ended. Cancel it first.")
            self.store.delete([job_id])

        await self._call(delete)

    async def pause(self) -> None:
        """Let no worker take another job; those that run go on."""
        await self._call(self.store.queue.pause, True)
        # A worker that looked just before takes what it then sees: let that look be over.
        await asyncio.sleep(SETTLE)

    async def resume(self) -> None:
        """Let workers take jobs again."""
        await self._call(self.store.queue.pause, False)

    async def paused(self) -> bool:
        """Whether the queue is paused."""
        return await self._call(self.store.queue.paused)

    async def prune(self, older_than: float, *, keep: int = 0) -> int:
        """Delete jobs that ended over `older_than` seconds ago, with their files; returns how many.

        The `keep` newest stay in any case. Files that a younger job or the cache still holds stay
        with them.
        """
        count = await self._call(retention.prune, self.store, older_than, keep)
        if self.cache is not None:
            await self._call(self.cache.evict)
        return count

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _preparer(self) -> JobPreparer:
        return JobPreparer(self.store, self._engines)

    @property
    def worker_name(self) -> str | None:
        """The name of this process's worker; None where it runs none."""
        return self._worker.name if self._worker is not None else None

    @property
    def worker_problem(self) -> str | None:
        """Why this process's worker cannot go on, as clients may know; None where it can."""
        problem = None if self._worker is None else self._worker.problem
        return None if problem is None else problem.public

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every event of this process's worker from now on."""
        self._listeners.add(listener)

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
            Runtime(
                self.data,
                self.marking_engines(),
                self.cache,
                self._listeners,
                on_stored=self._follower.hint,
            ),
            name=self._name,
            concurrency=self._concurrency,
            kind=self._worker_kind,
        )
        try:
            worker.start()
        except BaseException:
            self.close()
            raise
        self._worker = worker

    def marking_engines(self) -> EngineSet:
        """The engines, with a folder for key and manifests: their own, or the settings' one."""
        if self._engines is not None and self._engines.marks is not None:
            return self._engines
        settings = read_settings(EngineSettings, flags={"data": self._given_data}, part=True)
        return replace(self._engines or default_engines(), marks=settings.marks_folder)

    def close(self) -> None:
        """Stop the worker, which hands back its jobs, and let go of the database."""
        if self._worker is not None:
            self._worker.stop(self._grace)
            self._worker = None
        if self._store is not None:
            self._store.close()
            self._store.engine.dispose()
            self._store = None
