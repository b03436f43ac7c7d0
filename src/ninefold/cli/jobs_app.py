"""Commands for jobs and their options; `submit`, `worker` and `prune` are placed by `app`."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ninefold.cli import arguments as a
from ninefold.cli.guard import guarded
from ninefold.cli.image_options import ImageOptions, with_image_options
from ninefold.core.priority import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from ninefold.jobs import JobStatus

jobs_app = typer.Typer(help="Look at jobs, and change what becomes of them.", **a.SETTINGS)


@guarded
@with_image_options
def submit(
    images: ImageOptions,
    context: typer.Context,
    priority: a.Priority = DEFAULT_PRIORITY,
    key: Annotated[
        str | None, typer.Option(help="The same key again gives the same job, not a second one.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Make every stage anew, and keep none for others.")
    ] = False,
    settings_file: a.SettingsFile = None,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Queue images of PROMPT for a worker.

    The job's id is printed on stdout; with --count above 1, the id of the group. Once it is
    printed, the job outlives a crash.
    """
    from ninefold.cli.jobs import Place
    from ninefold.cli.options import RunOptions
    from ninefold.cli.settings import engines_for
    from ninefold.cli.submit import submit as submit_jobs

    return _done(
        submit_jobs(
            RunOptions.of(images, command="submit"),
            Place(data, database, settings_file),
            priority=priority,
            key=key,
            cache=not no_cache,
            engines=engines_for(settings_file, context.obj, data=data),
        )
    )


@guarded
def worker(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Option(help="Its name, of no other worker; by default the host's.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Jobs at a time, for every worker on the database.")
    ] = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="Stop once no job is queued or running.")
    ] = False,
    grace: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time to finish steps when it stops; by default 30."),
    ] = None,
    cache_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Limit of the stage cache in GiB, or as 500MiB; by default 10, and 0 is none.",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Serve metrics for Prometheus on this port; 0 takes a free one."),
    ] = None,
    memory: a.Memory = None,
    settings: a.SettingsFile = None,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Run jobs until stopped.

    SIGTERM and Ctrl-C stop it once its steps are done; a second one at once. Jobs that it did
    not finish go on in another worker, or in this one when it starts again. Exit codes: 0
    stopped or drained, 1 its name was taken by another worker, 2 bad input.
    """
    from ninefold.cli.units import size
    from ninefold.core.settings import read_settings
    from ninefold.settings import Settings

    cache_bytes = None if cache_size is None else size("--cache-size", cache_size)
    flags = {
        "data": data,
        "database": database or None,
        "concurrency": concurrency,
        "grace": grace,
        "cache_gb": None if cache_bytes is None else cache_bytes / 2**30,
        "metrics_port": metrics_port,
        "memory": memory,
    }
    chosen = read_settings(Settings, file=settings, flags=flags, strict=True)

    from ninefold.cli.process import collector_held

    with collector_held():
        from ninefold.cli.jobs import Place
        from ninefold.cli.worker import work
        from ninefold.engines.defaults import build_engines

    where = data or (chosen.data if "data" in chosen.model_fields_set else None)
    place = Place(where, chosen.database)
    engines = context.obj or build_engines(chosen)
    return _done(work(place, chosen, name=name, drain=drain, engines=engines))


@guarded
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="How long ago they ended, such as 12h or 30d.")
    ] = "30d",
    keep: Annotated[int, typer.Option(min=0, help="Keep the newest N in any case.")] = 0,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Delete jobs that ended long ago, with their files."""
    from ninefold.cli.units import seconds

    age = seconds("--older-than", older_than)

    from ninefold.cli import jobs

    return _done(jobs.prune(jobs.Place(data, database), age, keep))


@jobs_app.command("list")
@guarded
def list_jobs(
    status: Annotated[
        list[a.Status] | None, typer.Option(help="Only those in this state; repeatable.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only those of this group.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """List jobs, the newest first."""
    from ninefold.cli import jobs

    wanted = cast("list[JobStatus]", [state.value for state in status or ()])
    place = jobs.Place(data, database)
    return _done(jobs.list_jobs(place, wanted, group, limit, as_json))


@jobs_app.command()
@guarded
def show(
    name: a.JobOrGroup,
    as_json: a.AsJson = False,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Show a job and what it made, or a group and its jobs."""
    from ninefold.cli import jobs

    return _done(jobs.show(jobs.Place(data, database), name, as_json))


@jobs_app.command()
@guarded
def watch(name: a.JobOrGroup, data: a.Data = None, database: a.Database = None) -> int:
    """Follow a job until it ends.

    Its final files are listed on stdout. Ctrl-C stops watching, not the job. Exit codes: 0
    succeeded, 1 failed, 130 cancelled or interrupted.
    """
    from ninefold.cli.guard import INTERRUPTED, say
    from ninefold.cli.jobs import Place
    from ninefold.cli.watch import watch as watch_jobs

    place = Place(data, database)
    try:
        return _done(watch_jobs(place, name))
    except KeyboardInterrupt:
        say(f"\nThe job goes on. To watch again: {place.command('jobs', 'watch', name)}")
        return INTERRUPTED


@jobs_app.command()
@guarded
def cancel(name: a.JobOrGroup, data: a.Data = None, database: a.Database = None) -> int:
    """Cancel a job, or what is left of a group; what was made is kept."""
    from ninefold.cli import jobs

    return _done(jobs.cancel(jobs.Place(data, database), name))


@jobs_app.command()
@guarded
def rerun(
    name: a.JobOrGroup,
    from_stage: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Take over all before this stage."),
    ] = None,
    settings: a.Settings = None,
    prompt: Annotated[str | None, typer.Option(help="Another prompt.")] = None,
    negative: Annotated[str | None, typer.Option(help="Another negative prompt.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed; in a group, of the first job.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another diffusion model.")] = None,
    priority: a.Priority = DEFAULT_PRIORITY,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Queue a job or a group again, with changes.

    It is a new one, whose id is printed; what the old one made before --from is taken over.
    Without --from it starts at the first stage that has changed, or else at the beginning.
    """
    from ninefold.cli import jobs

    place = jobs.Place(data, database)
    slots = {"prompt": prompt, "negative_prompt": negative, "seed": seed, "model": model}
    given = {name: value for name, value in slots.items() if value is not None}
    return _done(jobs.rerun(place, name, from_stage, settings or (), given, priority))


@jobs_app.command()
@guarded
def pause(data: a.Data = None, database: a.Database = None) -> int:
    """Let no further job begin; those that run go on."""
    from ninefold.cli import jobs

    return _done(jobs.pause(jobs.Place(data, database)))


@jobs_app.command()
@guarded
def resume(data: a.Data = None, database: a.Database = None) -> int:
    """Let jobs begin again."""
    from ninefold.cli import jobs

    return _done(jobs.resume(jobs.Place(data, database)))


def _done(command: Coroutine[Any, Any, int]) -> int:
    import asyncio

    return asyncio.run(command)
