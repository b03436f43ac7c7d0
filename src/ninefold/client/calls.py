"""Jobs, groups and uploads: what a service can be asked for, as requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ninefold.client.call import (
    Call,
    Config,
    Input,
    given,
    group_path,
    id_of,
    input_of,
    inputs_of,
    job_path,
    read_as,
    recipe,
    written,
)
from ninefold.client.values import Group, Job, Page, Status, Upload


def submit(
    input: Input,
    *,
    preset: str | None = None,
    config: Config | Mapping[str, Any] | None = None,
    seed: int | None = None,
    image: Upload | str | None = None,
    mask: Upload | str | None = None,
    references: Sequence[Upload | str] = (),
    overrides: Mapping[str, Any] | None = None,
    priority: int | None = None,
    cache: bool = True,
    webhook: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Job]:
    """Queue a job; once this returns, the service has it for good."""
    body = recipe(preset, config, overrides, priority, cache, webhook)
    body["input"] = input_of(
        input, seed=seed, image=image, mask=mask, references=list(references) or None
    )
    return written("/v1/jobs", Job, body, idempotency_key)


def submit_group(
    inputs: Input | Sequence[Input],
    *,
    count: int = 1,
    variants: bool = False,
    preset: str | None = None,
    config: Config | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    priority: int | None = None,
    cache: bool = True,
    webhook: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Group]:
    """Queue a job for each input, `count` times each with seeds that follow one another.

    With `variants`, one for every way to read a prompt such as `a {red|blue} house`.
    """
    body = recipe(preset, config, overrides, priority, cache, webhook)
    body |= inputs_of(inputs, count, variants)
    return written("/v1/groups", Group, body, idempotency_key)


def rerun(
    job: Job | str,
    *,
    from_stage: str | None = None,
    changes: Mapping[str, Any] | None = None,
    input: Input | None = None,
    priority: int | None = None,
    webhook: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Job]:
    """Queue a new job that takes over what `job` made before `from_stage`.

    `changes` are parameters by `stage.parameter`, or by name alone for those of `from_stage`,
    which by default is the first stage that changes. `input` may hold another prompt, negative
    prompt, seed, model, image, mask or references.
    """
    body = given(from_stage=from_stage, changes=dict(changes or {}), priority=priority)
    if input is not None:
        body["input"] = input_of(input)
    if webhook is not None:
        body["webhook"] = {"url": webhook}
    return written(f"{job_path(job)}/rerun", Job, body, idempotency_key)


def get(job: Job | str, wait: float = 0) -> Call[Job]:
    """A job with all that it made so far.

    The answer comes as soon as the job has ended, after `wait` seconds (0 to 50) at most.
    """
    return Call("GET", job_path(job), read_as(Job), given(wait=wait or None), patience=wait)


def list_jobs(
    *,
    status: Status | Iterable[Status] = (),
    group: str | None = None,
    q: str | None = None,
    model: str | None = None,
    seed: int | None = None,
    lora: str | None = None,
    parent: Job | str | None = None,
    favourite: bool | None = None,
    created_after: datetime | str | None = None,
    created_before: datetime | str | None = None,
    limit: int = 50,
    cursor: str | None = None,
    offset: int | None = None,
    count: bool = False,
) -> Call[Page]:
    """Jobs, the newest first, without what they made; `cursor` is the page before's.

    `q` are beginnings of words in the prompt or the negative prompt. `offset` takes a cursor's
    place: so many jobs are left out. With `count`, the page says how many there are in all.
    """
    wanted = [status] if isinstance(status, str) else list(status)
    moments = {"created_after": created_after, "created_before": created_before}
    params = given(
        status=wanted or None,
        group=group,
        q=q,
        model=model,
        seed=seed,
        lora=lora,
        parent=None if parent is None else id_of(parent),
        favourite=favourite,
        limit=limit,
        cursor=cursor,
        offset=offset,
        count=count or None,
        **{
            name: moment.isoformat() if isinstance(moment, datetime) else moment
            for name, moment in moments.items()
        },
    )
    return Call("GET", "/v1/jobs", read_as(Page), params)


def cancel(job: Job | str) -> Call[Job]:
    """Cancel a job; one that has ended stays as it is. What it made is kept."""
    return Call("POST", f"{job_path(job)}/cancel", read_as(Job))


def delete(job: Job | str) -> Call[None]:
    """Forget a job that has ended, with its files."""
    return Call("DELETE", job_path(job), lambda _: None)


def group(group: Group | str) -> Call[Group]:
    """A group with its jobs."""
    return Call("GET", group_path(group), read_as(Group))


def cancel_group(group: Group | str) -> Call[Group]:
    """Cancel every job of a group that has not ended."""
    return Call("POST", f"{group_path(group)}/cancel", read_as(Group))


def upload(image: bytes | str | Path, *, mask: bool = False) -> Call[Upload]:
    """Send an image, or with `mask` a mask (white where to paint), as bytes or a file.

    The same bytes twice are one upload.
    """
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    kind = "mask" if mask else "image"
    return Call(
        "POST", "/v1/uploads", read_as(Upload), data={"kind": kind}, files={"file": ("image", data)}
    )


def read(job: Job | str, name: str) -> Call[bytes]:
    """The bytes of a file that a job made."""
    return Call(
        "GET", f"{job_path(job)}/artifacts/{quote(name, safe='')}", lambda found: found.content
    )


def delete_upload(upload: Upload | str) -> Call[None]:
    """Forget an upload; jobs keep their copies."""
    return Call("DELETE", f"/v1/uploads/{quote(id_of(upload), safe='')}", lambda _: None)
