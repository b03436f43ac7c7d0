"""From what a caller asks for to a spec with its files in place, or to every problem at once."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError, SetupError
from ninefold.core.pipeline import Pipeline
from ninefold.core.priority import MAX_PRIORITY
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs import lineage
from ninefold.jobs.admission import Admission
from ninefold.jobs.group_rows import (
    Config,
    GroupRow,
    Input,
    Pipelines,
    config_of,
    every_variant,
    slots_of,
)
from ninefold.jobs.lineage import Rerun
from ninefold.jobs.model import Job, job_folder
from ninefold.jobs.naming import member_id
from ninefold.jobs.spec import JobSpec, digest_of
from ninefold.jobs.store import JobStore
from ninefold.slots import next_seed, resolve_seed

#: Most jobs that one call submits.
MAX_GROUP = 10_000
#: Longest idempotency key, in characters.
MAX_KEY = 200

#: Most problems of a group's rows that are looked for.
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class JobPreparer:
    """Prepares jobs and stores them; what it raises leaves nothing behind."""

    store: JobStore
    engines: EngineSet | None

    def prepare_job(
        self, config: Config, given: Input, cache: bool, owner: str | None = None
    ) -> dict[str, JobSpec]:
        """The spec of one job; raises `ConfigError` or `InputError` with every problem."""
        job_id = new_job()
        pipelines, config = Pipelines(self.engines), config_of(config)
        pipeline, document = pipelines.of(config), pipelines.document(config)
        return {job_id: self._prepared(job_id, document, pipeline, slots_of(given), cache, owner)}

    def prepare_group(
        self,
        name: str,
        rows: Sequence[GroupRow],
        count: int,
        variants: bool,
        cache: bool,
        owner: str | None = None,
        key: str | None = None,
    ) -> dict[str, JobSpec]:
        """The specs of a group by their ids, in order; raises as `prepare_job` does, with the
        problems of all rows, each under its row, up to `MAX_PROBLEMS` of them.

        Where nobody gives a seed, a `key` fixes it: the same call again brings the same jobs.
        """
        pipelines = Pipelines(self.engines)
        if variants and count > 0:
            rows = every_variant(rows, pipelines, count, MAX_GROUP)
        if not 1 <= (total := len(rows) * count) <= MAX_GROUP:
            raise InputError(f"group: expected 1 to {MAX_GROUP} jobs, got {total}.")
        specs: dict[str, JobSpec] = {}
        problems: dict[str, None] = {}
        of_key = None if key is None else seed_of_key(key)
        with self.all_or_none(specs):
            for row in rows:
                pipeline, document = pipelines.of(row.config), pipelines.document(row.config)
                first = resolve_seed(row.slots.get("seed"), row.config.seed, of_key)
                for index in range(count):
                    job_id = member_id(name, len(specs) + 1)
                    given = (
                        row.slots if count == 1 else {**row.slots, "seed": next_seed(first, index)}
                    )
                    try:
                        spec = self._prepared(job_id, document, pipeline, given, cache, owner)
                    except SetupError:  # of the machine, and no row's
                        raise
                    except ConfigError as error:
                        problems |= dict.fromkeys(map(row.problem, error.problems))
                        break
                    specs[job_id] = replace(spec, group=name)
                if len(problems) >= MAX_PROBLEMS:
                    break
            if problems:
                raise ConfigError(list(problems))
        return specs

    def prepare_rerun(
        self,
        parent: str,
        child: str,
        from_stage: str | None,
        changes: Mapping[str, Any] | None,
        given: Mapping[str, Any] | None,
        check: Callable[[PipelineConfig], None] | None = None,
    ) -> JobSpec:
        """The spec of a rerun; raises `ConfigError` or `InputError`."""
        with self.all_or_none([child]):
            rerun, _ = self._rerun(parent, child, from_stage, changes, given, check)
            lineage.take_over(rerun.spec, self._folder(parent), self._folder(child), given or ())
        return rerun.spec

    def plan_rerun(
        self,
        parent: str,
        from_stage: str | None,
        changes: Mapping[str, Any] | None,
        given: Mapping[str, Any] | None,
        check: Callable[[PipelineConfig], None] | None = None,
    ) -> tuple[Rerun, PipelineContext]:
        """What a rerun would be, and the context it would begin with; raises as `prepare_rerun`,
        and leaves nothing behind."""
        child = new_job()
        try:
            return self._rerun(parent, child, from_stage, changes, given, check)
        finally:
            self.discard([child])

    def _rerun(
        self,
        parent: str,
        child: str,
        from_stage: str | None,
        changes: Mapping[str, Any] | None,
        given: Mapping[str, Any] | None,
        check: Callable[[PipelineConfig], None] | None,
    ) -> tuple[Rerun, PipelineContext]:
        _, spec = self.store.job_and_spec(parent)
        done, folder = self.store.done(parent, spec), self._folder(child)
        rerun = lineage.prepared_rerun(
            parent, spec, done, from_stage, changes or {}, given or {}, folder
        )
        config = rerun.spec.pipeline_config
        if check is not None:
            check(config)
        context = rerun.spec.open(child, folder)
        Pipelines(self.engines).of(config).check(context)
        return rerun, context

    def submit(
        self,
        specs: Mapping[str, JobSpec],
        finals: Sequence[str] | None,
        priority: int,
        admission: Admission | None = None,
    ) -> Sequence[Job]:
        """Store prepared jobs, under the ids of `finals` where a key asks for them.

        They were prepared beside those, for the jobs of the key may be there already, with files
        of their own: theirs go there in the transaction that finds that they are not.
        """
        prepared = list(specs)
        if admission is not None and admission.asked is not None:
            specs = {
                job_id: replace(spec, digest=digest_of(spec.digest, admission.asked))
                for job_id, spec in specs.items()
            }
        if finals is None:
            with self._unless_stored(prepared):
                return self.store.submit(specs, priority, admission)
        specs = dict(zip(finals, specs.values(), strict=True))
        placed: list[str] = []

        def place() -> None:
            for job_id, final in zip(prepared, finals, strict=True):
                placed.append(final)
                self._move(job_id, final)

        try:
            if (found := self.store.submitted(specs)) is not None:
                return found
            with self._unless_stored(placed):
                return self.store.submit(specs, priority, admission, place)
        finally:
            self.discard(prepared)

    @contextmanager
    def _unless_stored(self, job_ids: Sequence[str]) -> Iterator[None]:
        """Where the block raises, remove the files of those of the jobs that are not there."""
        try:
            yield
        except BaseException:
            known = {job.id for job in self.store.jobs(ids=job_ids)}
            self.discard(set(job_ids) - known)
            raise

    def _move(self, job_id: str, final: str) -> None:
        """Give the files of a prepared job, if it has any, to the id that it is stored under; what
        lies there is what a process that was killed left."""
        self.discard([final])
        with suppress(FileNotFoundError):
            os.rename(self._folder(job_id), self._folder(final))

    @contextmanager
    def all_or_none(self, job_ids: Iterable[str]) -> Iterator[None]:
        """Remove the files of the jobs prepared so far where the block raises."""
        try:
            yield
        except BaseException:
            self.discard(job_ids)
            raise

    def discard(self, job_ids: Iterable[str]) -> None:
        """Remove the files of jobs that were prepared and not stored."""
        for job_id in job_ids:
            shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _folder(self, job_id: str) -> Path:
        return job_folder(self.store.data, job_id)

    def _prepared(
        self,
        job_id: str,
        document: Json,
        pipeline: Pipeline,
        slots: Mapping[str, Any],
        cache: bool,
        owner: str | None,
    ) -> JobSpec:
        """The job's spec, its files in the job's folder; leaves nothing behind where it raises."""
        with self.all_or_none([job_id]):
            context = PipelineContext(self._folder(job_id), job_id=job_id)
            problems = []
            for name, value in slots.items():
                try:
                    context.set(name, value)
                except InputError as error:
                    problems.append(str(error))
            if problems:
                raise ConfigError(problems)
            given = context.slots_as_json()
            pipeline.check(context)
        digest = digest_of(document, given, cache)
        return JobSpec(document, given, context.created_at, digest, cache=cache, owner=owner)


def new_job() -> str:
    """An id that no job has."""
    return f"{PipelineContext().job_id}{secrets.token_hex(5)}"


def new_group() -> str:
    """A name that no group has."""
    return f"g{new_job()}"


def id_of_key(key: str, owner: str | None) -> str:
    """The id that an owner's idempotency key always stands for; raises `InputError`."""
    if not 1 <= len(key) <= MAX_KEY:
        raise InputError(f"idempotency_key: expected 1 to {MAX_KEY} characters, got {len(key)}.")
    text = key if owner is None else f"{owner}\0{key}"
    return f"k{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def ids_of_key(key: str | None, owner: str | None) -> list[str] | None:
    """The id that one job is stored under; None without a key. Raises `InputError`."""
    return None if key is None else [id_of_key(key, owner)]


def check_priority(priority: int) -> None:
    """Raise `InputError` for a priority that the queue cannot hold."""
    if not 1 <= priority <= MAX_PRIORITY:
        raise InputError(f"priority: expected 1 (first) to {MAX_PRIORITY}, got {priority}.")


def seed_of_key(key: str) -> int:
    """The seed that an idempotency key stands for where nobody gives one."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
