"""From what a caller asks for to a spec with its files in place, or to every problem at once."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.pipeline import Pipeline
from ninefold.core.priority import MAX_PRIORITY
from ninefold.core.values import Json
from ninefold.engines.defaults import default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs import lineage
from ninefold.jobs.admission import Admission
from ninefold.jobs.model import Job, job_folder
from ninefold.jobs.naming import member_id
from ninefold.jobs.spec import JobSpec, digest_of, document_of
from ninefold.jobs.store import JobStore
from ninefold.prompts.listing import TooManyVariantsError, shown_count
from ninefold.slots import next_seed, resolve_seed
from ninefold.stages.prompt import prompt_variants

#: Most jobs that one call submits.
MAX_GROUP = 10_000
#: Longest idempotency key, in characters.
MAX_KEY = 200

#: A config, or the name of a preset.
Config = PipelineConfig | str
#: Slots by name; a prompt alone may be given as text.
Input = Mapping[str, Any] | str


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
        config = _config(config)
        pipeline, document = self._for_checks(config), document_of(config)
        return {job_id: self._prepared(job_id, document, pipeline, _slots(given), cache, owner)}

    def prepare_group(
        self,
        name: str,
        config: Config,
        inputs: Input | Sequence[Input],
        count: int,
        variants: bool,
        cache: bool,
        owner: str | None = None,
        key: str | None = None,
    ) -> dict[str, JobSpec]:
        """The specs of a group by their ids, in order; raises as `prepare_job` does.

        Where nobody gives a seed, a `key` fixes it: the same call again brings the same jobs.
        """
        given_inputs = [inputs] if isinstance(inputs, str | Mapping) else inputs
        each = [_slots(given) for given in given_inputs]
        config = _config(config)
        pipeline = self._for_checks(config)
        if variants and count > 0:
            each = every_variant(pipeline, each, count, MAX_GROUP)
        if not 1 <= (total := len(each) * count) <= MAX_GROUP:
            raise InputError(f"group: expected 1 to {MAX_GROUP} jobs, got {total}.")
        specs: dict[str, JobSpec] = {}
        document = document_of(config)
        of_key = None if key is None else _seed_of_key(key)
        with self.all_or_none(specs):
            for slots in each:
                first = resolve_seed(slots.get("seed"), config.seed, of_key)
                for index in range(count):
                    job_id = member_id(name, len(specs) + 1)
                    given = slots if count == 1 else {**slots, "seed": next_seed(first, index)}
                    spec = self._prepared(job_id, document, pipeline, given, cache, owner)
                    specs[job_id] = replace(spec, group=name)
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
        _, spec = self.store.job_and_spec(parent)
        done = self.store.done(parent, spec)
        rerun = lineage.rerun_spec(parent, spec, done, from_stage, changes or {}, given or {})
        if check is not None:
            check(rerun.pipeline_config)
        folder = self._folder(child)
        pipeline = self._for_checks(rerun.pipeline_config)
        if problems := pipeline.problems(rerun.open(child, folder)):
            raise ConfigError(problems)
        lineage.take_over(rerun, self._folder(parent), folder)
        return rerun

    def submit(
        self,
        specs: Mapping[str, JobSpec],
        finals: Sequence[str] | None,
        priority: int,
        admission: Admission | None = None,
    ) -> Sequence[Job]:
        """Store prepared jobs, under the ids of `finals` where a key asks for them.

        They were prepared beside those, for the jobs of the key may be there already, with files
        of their own.
        """
        prepared = list(specs)
        if admission is not None and admission.asked is not None:
            specs = {
                job_id: replace(spec, digest=digest_of(spec.digest, admission.asked))
                for job_id, spec in specs.items()
            }
        try:
            if finals is not None:
                specs = dict(zip(finals, specs.values(), strict=True))
                if (found := self.store.submitted(specs)) is not None:
                    self.discard(prepared)
                    return found
                for job_id, final in zip(prepared, finals, strict=True):
                    self.move(job_id, final)
            return self.store.submit(specs, priority, admission)
        except BaseException:
            known = {job.id for job in self.store.jobs(ids=list(specs))}
            self.discard({*prepared, *specs} - known)
            raise

    def move(self, job_id: str, final: str) -> None:
        """Give the files of a prepared job to the id that it is stored under."""
        try:
            os.rename(self._folder(job_id), self._folder(final))
        except OSError:  # another process was quicker, or there is no file at all
            self.discard([job_id])

    @contextmanager
    def all_or_none(self, specs: Mapping[str, JobSpec]) -> Iterator[None]:
        """Remove the files of all `specs` prepared so far where the block raises."""
        try:
            yield
        except BaseException:
            self.discard(specs)
            raise

    def discard(self, job_ids: Iterable[str]) -> None:
        """Remove the files of jobs that were prepared and not stored."""
        for job_id in job_ids:
            shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _for_checks(self, config: PipelineConfig) -> Pipeline:
        """The pipeline, whose stages look each model up once."""
        return config.build((self.engines or default_engines()).keep_lookups())

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
        folder = self._folder(job_id)
        try:
            context = PipelineContext(folder, job_id=job_id)
            problems = []
            for name, value in slots.items():
                try:
                    context.set(name, value)
                except InputError as error:
                    problems.append(str(error))
            given = context.slots_as_json()
            problems += [] if problems else pipeline.problems(context)
            if problems:
                raise ConfigError(problems)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
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


def _config(config: Config) -> PipelineConfig:
    return PipelineConfig.preset(config) if isinstance(config, str) else config


def _slots(input: Input) -> dict[str, Any]:
    return {"prompt": input} if isinstance(input, str) else dict(input)


def every_variant(
    pipeline: Pipeline, inputs: Sequence[Mapping[str, Any]], count: int, max_jobs: int
) -> list[dict[str, Any]]:
    """The slots of each input once for every prompt that its own can become.

    Raises `InputError` where these, `count` times, are more than `max_jobs`: before they are gone
    through, and without a look at the inputs after that.
    """
    found: list[dict[str, Any]] = []
    for number, slots in enumerate(inputs):
        prompt = slots.get("prompt", pipeline.defaults.get("prompt"))
        if not isinstance(prompt, str):  # reported with the job's other problems
            found.append(dict(slots))
            continue
        try:
            prompts = prompt_variants(pipeline, prompt, max_jobs // count - len(found))
        except TooManyVariantsError as error:
            jobs = shown_count((len(found) + error.count) * count)
            rest = " or more" if number + 1 < len(inputs) else ""
            raise InputError(
                f"group: expected at most {max_jobs:,} jobs, got {jobs}{rest}. The prompt of "
                f"inputs.{number} has {shown_count(error.count)} variants."
            ) from None
        except InputError as error:
            raise InputError(f"inputs.{number}: {error}") from None
        found += [{**slots, "prompt": text} for text in prompts]
    return found


def _seed_of_key(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
