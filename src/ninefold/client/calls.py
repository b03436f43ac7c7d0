"""Each thing that a service can be asked for, as a request and how its answer is read."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from ninefold.client.values import Group, Job, Page, Status, Upload

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Config(Protocol):
    """A `PipelineConfig`, or whatever else gives a config as a document."""

    def document(self) -> dict[str, Any]:
        """The config as JSON values."""


#: A prompt, or the fields of an input: prompt, negative_prompt, seed, model, image, mask.
Input = str | Mapping[str, Any]


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request that may be repeated without harm, and how to read its answer."""

    method: str
    path: str
    read: Callable[[httpx2.Response], T]
    params: dict[str, Any] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    data: dict[str, str] | None = None
    files: dict[str, Any] | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds that the answer may take beyond the usual.
    patience: float = 0


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
    body = _recipe(preset, config, overrides, priority, cache, webhook)
    body["input"] = _input(
        input, seed=seed, image=image, mask=mask, references=list(references) or None
    )
    return _written("/v1/jobs", Job, body, idempotency_key)


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
    body = _recipe(preset, config, overrides, priority, cache, webhook)
    several = [inputs] if isinstance(inputs, str | Mapping) else inputs
    body |= {"inputs": [_input(item) for item in several], "count": count, "variants": variants}
    return _written("/v1/groups", Group, body, idempotency_key)


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
    prompt, seed or model.
    """
    body = _given(from_stage=from_stage, changes=dict(changes or {}), priority=priority)
    if input is not None:
        body["input"] = _input(input)
    if webhook is not None:
        body["webhook"] = {"url": webhook}
    return _written(f"{_job(job)}/rerun", Job, body, idempotency_key)


def get(job: Job | str, wait: float = 0) -> Call[Job]:
    """A job with all that it made so far.

    The answer comes as soon as the job has ended, after `wait` seconds (0 to 50) at most.
    """
    return Call("GET", _job(job), _as(Job), _given(wait=wait or None), patience=wait)


def list_jobs(
    *,
    status: Status | Iterable[Status] = (),
    group: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Call[Page]:
    """Jobs, the newest first, without what they made; `cursor` is the page before's."""
    wanted = [status] if isinstance(status, str) else list(status)
    params = _given(status=wanted or None, group=group, limit=limit, cursor=cursor)
    return Call("GET", "/v1/jobs", _as(Page), params)


def cancel(job: Job | str) -> Call[Job]:
    """Cancel a job; one that has ended stays as it is. What it made is kept."""
    return Call("POST", f"{_job(job)}/cancel", _as(Job))


def delete(job: Job | str) -> Call[None]:
    """Forget a job that has ended, with its files."""
    return Call("DELETE", _job(job), lambda _: None)


def group(group: Group | str) -> Call[Group]:
    """A group with its jobs."""
    return Call("GET", _group(group), _as(Group))


def cancel_group(group: Group | str) -> Call[Group]:
    """Cancel every job of a group that has not ended."""
    return Call("POST", f"{_group(group)}/cancel", _as(Group))


def upload(image: bytes | str | Path, *, mask: bool = False) -> Call[Upload]:
    """Send an image, or with `mask` a mask (white where to paint), as bytes or a file.

    The same bytes twice are one upload.
    """
    data = image if isinstance(image, bytes) else Path(image).read_bytes()
    kind = "mask" if mask else "image"
    return Call(
        "POST", "/v1/uploads", _as(Upload), data={"kind": kind}, files={"file": ("image", data)}
    )


def read(job: Job | str, name: str) -> Call[bytes]:
    """The bytes of a file that a job made."""
    return Call("GET", f"{_job(job)}/artifacts/{quote(name, safe='')}", lambda found: found.content)


def _recipe(
    preset: str | None,
    config: Config | Mapping[str, Any] | None,
    overrides: Mapping[str, Any] | None,
    priority: int | None,
    cache: bool,
    webhook: str | None,
) -> dict[str, Any]:
    whole = config if config is None or isinstance(config, Mapping) else config.document()
    body = _given(preset=preset, config=whole, priority=priority)
    body |= {"overrides": dict(overrides or {}), "cache": cache}
    if webhook is not None:
        body["webhook"] = {"url": webhook}
    return body


def _input(given: Input, **more: Any) -> dict[str, Any]:
    fields = {"prompt": given} if isinstance(given, str) else dict(given)
    fields |= _given(**more)
    return {name: _named(value) for name, value in fields.items()}


def _named(value: Any) -> Any:
    """A value of an input, with uploads by their ids."""
    if isinstance(value, list | tuple):
        return [_named(item) for item in value]
    return value.id if isinstance(value, Upload) else value


def _written(path: str, kind: type[M], body: dict[str, Any], key: str | None) -> Call[M]:
    """A request that makes something: with a key, so that a repeated one makes no second."""
    headers = {"idempotency-key": key or secrets.token_hex(16)}
    return Call("POST", path, _as(kind), json=body, headers=headers)


def _as(kind: type[M]) -> Callable[[httpx2.Response], M]:
    return lambda response: kind.model_validate_json(response.content)


def _job(job: Job | str) -> str:
    return f"/v1/jobs/{quote(job if isinstance(job, str) else job.id, safe='')}"


def _group(group: Group | str) -> str:
    return f"/v1/groups/{quote(group if isinstance(group, str) else group.id, safe='')}"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
