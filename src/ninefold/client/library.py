"""Many jobs, and how the service is: what a service can be asked for, as requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

import httpx2

from ninefold.client.call import Call, given, group_path, id_of, job_path, read_as
from ninefold.client.values import Deleted, Group, Job, Lineage, Queue


def change(
    job: Job | str, *, favourite: bool | None = None, priority: int | None = None
) -> Call[Job]:
    """Mark a job as a favourite or not, or give one that waits another priority."""
    body = given(favourite=favourite, priority=priority)
    return Call("PATCH", job_path(job), read_as(Job), json=body)


def move(
    job: Job | str,
    to: Literal["first", "last"] | None = None,
    *,
    before: Job | str | None = None,
) -> Call[Job]:
    """Move a job that waits `to` an end, or `before` another, among those of its priority."""
    body = given(to=to, before=None if before is None else id_of(before))
    return Call("POST", f"{job_path(job)}/move", read_as(Job), json=body)


def delete_many(jobs: Iterable[Job | str]) -> Call[Deleted]:
    """Forget up to 1,000 jobs that have ended; the others are kept, each with the reason."""
    body = {"jobs": [id_of(job) for job in jobs]}
    return Call("POST", "/v1/jobs/delete", read_as(Deleted), json=body)


def lineage(job: Job | str) -> Call[Lineage]:
    """The family of a job: its first ancestor, and all that was made from that by reruns."""
    return Call("GET", f"{job_path(job)}/lineage", read_as(Lineage))


def thumbnail(job: Job | str, size: int = 256) -> Call[bytes]:
    """The newest picture of a job, at most `size` pixels long (64 to 1,024): WebP, or JPEG while
    a stage runs. Raises `NotFoundError` where there is none yet."""
    return Call("GET", f"{job_path(job)}/thumbnail", _content, given(size=size))


def sheet(
    group: Group | str,
    format: Literal["png", "jpeg", "webp", "html"] = "png",
    *,
    tile: int = 256,
    columns: int | None = None,
) -> Call[bytes]:
    """A contact sheet of a group's pictures, as an image file or a page.

    `tile` is the side of each in pixels, 64 to 512. Raises `ConflictError` while there is none.
    """
    params = given(format=format, tile=tile, columns=columns)
    return Call("GET", f"{group_path(group)}/sheet", _content, params, patience=120)


def queue() -> Call[Queue]:
    """The queue, as far as the key sees it."""
    return Call("GET", "/v1/queue", read_as(Queue))


def pause_queue() -> Call[Queue]:
    """Begin no job any more; those that run go on. Needs the scope `admin`."""
    return Call("POST", "/v1/queue/pause", read_as(Queue))


def resume_queue() -> Call[Queue]:
    """Begin jobs again. Needs the scope `admin`."""
    return Call("POST", "/v1/queue/resume", read_as(Queue))


def system() -> Call[dict[str, Any]]:
    """Disk, memory, models and workers, as `GET /v1/system` has them. Needs the scope `admin`."""
    return Call("GET", "/v1/system", _document)


def checks(*, max_age: float | None = None) -> Call[dict[str, Any]]:
    """What is missing around the server, as `GET /v1/system/checks` has it.

    A report that is at most `max_age` seconds old will do, five minutes where none is said; 0 has
    the server look again. Needs the scope `admin`.
    """
    params = given(max_age=max_age)
    return Call("GET", "/v1/system/checks", _document, params, patience=60)


def models() -> Call[dict[str, Any]]:
    """What models there are, as `GET /v1/models` has them: `data` are the diffusion models."""
    return Call("GET", "/v1/models", _document)


def presets() -> Call[list[dict[str, Any]]]:
    """The presets: name, description and config of each."""
    return Call("GET", "/v1/presets", _listed("presets"))


def stages() -> Call[list[dict[str, Any]]]:
    """The stages: name, description and the JSON schema of the parameters of each."""
    return Call("GET", "/v1/stages", _listed("stages"))


def _content(response: httpx2.Response) -> bytes:
    return response.content


def _document(response: httpx2.Response) -> dict[str, Any]:
    return cast(dict[str, Any], response.json())


def _listed(name: str) -> Callable[[httpx2.Response], list[dict[str, Any]]]:
    return lambda response: cast(list[dict[str, Any]], response.json()[name])
