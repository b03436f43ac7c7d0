"""`ninefold jobs`, but for `watch`, and `ninefold prune`: look at jobs and change them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from ninefold.cli.guard import DONE, plain, say
from ninefold.cli.report import short
from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.json_text import json_text
from ninefold.core.settings import read_settings
from ninefold.core.values import Json
from ninefold.jobs import Group, Job, JobExecutor, JobStatus
from ninefold.settings import JobSettings

#: Characters of a prompt in a list.
PROMPT_WIDTH = 60
#: What lists do not read, so that they must not show it as if there were none.
_UNREAD = ("stage", "attempts", "seed", "artifacts", "outputs", "metadata")


@dataclass(frozen=True)
class Place:
    """Where jobs lie, as the command line or the environment said; None where they said nothing."""

    data: Path | None = None
    database: str | None = None
    #: The file of settings that says the rest; None for the one that `NINEFOLD_SETTINGS` names.
    settings: Path | None = None

    def resolved(self) -> tuple[Path, str | None]:
        """The folder and the database; raises `ConfigError`."""
        flags = {"data": self.data, "database": self.database or None}
        chosen = read_settings(JobSettings, file=self.settings, flags=flags, part=True)
        return chosen.data, chosen.database

    def open(self, **options: Any) -> JobExecutor:
        """The jobs there, for looking at them where `options` say nothing else."""
        data, database = self.resolved()
        return JobExecutor(data, database, **{"create": False, "worker": False, **options})

    def command(self, *arguments: str) -> str:
        """A command of ninefold to type, for the same jobs."""
        given: list[str] = []
        if self.data is not None and str(self.data) != os.environ.get("NINEFOLD_DATA"):
            given = ["--data", str(self.data)]
        # A URL may hold a password; who gave it once knows to give it again.
        return shlex.join(["ninefold", *arguments, *given])


async def list_jobs(
    place: Place, status: Sequence[JobStatus], group: str | None, limit: int, as_json: bool
) -> int:
    """Print jobs, the newest first."""
    async with place.open() as jobs:
        if group is not None:
            await jobs.group(group)
        found = await jobs.list(status=status, group=group, limit=limit)
        if await jobs.paused():
            say(f"The queue is paused. To go on: {place.command('jobs', 'resume')}")
    if as_json:
        _print_json([_listed(job) for job in found])
    else:
        for line in _lines(found):
            typer.echo(line)
    return DONE


async def show(place: Place, name: str, as_json: bool) -> int:
    """Print a job or a group."""
    async with place.open() as jobs:
        found = await find(jobs, name)
    if as_json:
        _print_json(found.to_json() if isinstance(found, Job) else _group_document(found))
    else:
        for line in _summary(found) if isinstance(found, Job) else _group_lines(found):
            typer.echo(line)
    return DONE


async def cancel(place: Place, name: str) -> int:
    """Cancel a job, or all jobs of a group."""
    async with place.open() as jobs:
        found = await find(jobs, name)
        if isinstance(found, Group):
            ended = sum(job.ended for job in found.jobs)
            group = await jobs.cancel_group(name)
            say(f"{name}: {_counts(group)}{f'; {ended} had ended before' if ended else ''}")
        elif found.ended:
            say(f"{name}: {found.status} before, and stays so")
        else:
            say(f"{name}: {(await jobs.cancel(name)).status}")
    return DONE


async def rerun(
    place: Place,
    name: str,
    from_stage: str | None,
    settings: Sequence[str],
    given: Mapping[str, Any],
    priority: int,
) -> int:
    """Queue a job or a group again from a stage on, with changes, and print the new id."""
    async with place.open() as jobs:
        found = await find(jobs, name)
        first = found.jobs[0] if isinstance(found, Group) else found
        changes = _changes(PipelineConfig.parse(first.config), from_stage, settings)
        again = jobs.rerun_group if isinstance(found, Group) else jobs.rerun
        child = await again(
            name, from_stage=from_stage, changes=changes, input=given, priority=priority
        )
    typer.echo(child.id)
    return DONE


async def pause(place: Place) -> int:
    """Let no worker take another job."""
    async with place.open() as jobs:
        await jobs.pause()
    say(
        f"Paused: jobs that run go on, no other begins. To go on: {place.command('jobs', 'resume')}"
    )
    return DONE


async def resume(place: Place) -> int:
    """Let workers take jobs again."""
    async with place.open() as jobs:
        await jobs.resume()
    say("Workers take jobs again.")
    return DONE


async def prune(place: Place, older_than: float, keep: int) -> int:
    """Delete old jobs with their files; the cache is left to the workers, who know its limit."""
    async with place.open(cache_bytes=0) as jobs:
        count = await jobs.prune(older_than, keep=keep)
    say(f"{count} job{'' if count == 1 else 's'} deleted.")
    return DONE


async def find(jobs: JobExecutor, name: str) -> Job | Group:
    """The job or the group of that name; raises `InputError`."""
    try:
        return await jobs.get(name)
    except InputError as error:
        try:
            return await jobs.group(name)
        except InputError:
            raise error from None


def _one_line(text: str, width: int = PROMPT_WIDTH) -> str:
    """A text for a line of a terminal: nothing in it moves the cursor, and it is not too long."""
    clean = plain(" ".join(text.split()))
    return clean if len(clean) <= width else f"{clean[: width - 1].rstrip()}…"


def _changes(
    config: PipelineConfig, from_stage: str | None, settings: Sequence[str]
) -> Mapping[str, Any]:
    """Settings as values by stage.parameter; raises `ConfigError` with every problem."""
    whole = [
        setting
        if from_stage is None or "." in setting.partition("=")[0]
        else f"{from_stage}.{setting}"
        for setting in settings
    ]
    config = config.with_settings(whole)
    stages = dict(zip((step.name for step in config.build().steps), config.stages, strict=True))
    changes = {}
    for setting in whole:
        key = setting.partition("=")[0].strip()
        stage, _, parameter = key.partition(".")
        if not parameter:  # model=... or seed=...
            raise ConfigError(f"--set {setting}: expected STAGE.PARAM=VALUE. Use --{stage}.")
        changes[key] = stages[stage].params[parameter]
    return changes


def _lines(found: Sequence[Job]) -> Iterator[str]:
    width = max((len(job.id) for job in found), default=0)
    for job in found:
        prompt = _one_line(_prompt(job))
        yield f"{job.id:<{width}}  {job.status:<9}  {_time(job.created_at)}  {prompt}".rstrip()


def _summary(job: Job) -> Iterator[str]:
    yield f"{job.id}  {job.status}"
    attempts = ", ".join(f"{step} {count}" for step, count in job.attempts.items())
    facts: dict[str, object] = {
        "prompt": _one_line(_prompt(job), 2 * PROMPT_WIDTH),
        "stage": job.stage,
        "seed": job.seed,
        "attempts": attempts,
        "priority": job.priority,
        "group": job.group,
        "rerun of": job.parent,
        "taken over": ", ".join(job.reused),
        "created": _time(job.created_at),
        "started": _time(job.started_at),
        "finished": _time(job.finished_at),
        "folder": short(job.folder),
        "error": _one_line(str(job.error), 1000) if job.error is not None else None,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            yield f"  {name:<10}  {value}"
    made = job.outputs or job.artifacts
    if made:
        yield "  outputs" if job.outputs else "  made so far"
    for item in made:
        yield f"    {short(item.path)}"


def _group_lines(group: Group) -> Iterator[str]:
    yield f"{group.id}  {group.status}: {_counts(group)}"
    for line in _lines(group.jobs):
        yield f"  {line}"


def _counts(group: Group) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(group.counts.items()))


def _group_document(group: Group) -> Json:
    return {
        "id": group.id,
        "status": group.status,
        "counts": group.counts,
        "jobs": [_listed(job) for job in group.jobs],
    }


def _listed(job: Job) -> Json:
    return {key: value for key, value in job.to_json().items() if key not in _UNREAD}


def _print_json(document: object) -> None:
    typer.echo(json_text(document, indent=2))


def _time(stamp: str | None) -> str | None:
    """When, in the time of this machine."""
    if stamp is None:
        return None
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _prompt(job: Job) -> str:
    """What a job was given, itself or in its config."""
    return str(job.input.get("prompt") or job.config.get("prompt") or "")
