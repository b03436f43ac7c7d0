"""A request to a service, how its answer is read, and what requests have in common."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from ninefold.client.values import Grid, Group, Job, Upload

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


def recipe(
    preset: str | None,
    config: Config | Mapping[str, Any] | None,
    overrides: Mapping[str, Any] | None,
    priority: int | None,
    cache: bool,
    webhook: str | None,
) -> dict[str, Any]:
    """What a submission says beside its inputs."""
    whole = config if config is None or isinstance(config, Mapping) else config.document()
    body = given(preset=preset, config=whole, priority=priority)
    body |= {"overrides": dict(overrides or {}), "cache": cache}
    if webhook is not None:
        body["webhook"] = {"url": webhook}
    return body


def input_of(asked: Input, **more: Any) -> dict[str, Any]:
    """An input as the service takes it, with uploads by their ids."""
    fields = {"prompt": asked} if isinstance(asked, str) else dict(asked)
    fields |= given(**more)
    return {name: _named(value) for name, value in fields.items()}


def inputs_of(asked: Input | Sequence[Input], count: int, variants: bool) -> dict[str, Any]:
    """What a request for several jobs says of them."""
    several = [asked] if isinstance(asked, str | Mapping) else asked
    return {"inputs": [input_of(item) for item in several], "count": count, "variants": variants}


def _named(value: Any) -> Any:
    """A value of an input, with uploads by their ids."""
    if isinstance(value, list | tuple):
        return [_named(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _named(item) for name, item in value.items()}
    return value.id if isinstance(value, Upload) else value


def written(path: str, kind: type[M], body: dict[str, Any], key: str | None) -> Call[M]:
    """A request that makes something: with a key, so that a repeated one makes no second."""
    headers = {"idempotency-key": key or secrets.token_hex(16)}
    return Call("POST", path, read_as(kind), json=body, headers=headers)


def read_as(kind: type[M]) -> Callable[[httpx2.Response], M]:
    """Reads an answer as a value of this kind."""
    return lambda response: kind.model_validate_json(response.content)


def id_of(value: Job | Group | Grid | Upload | str) -> str:
    """The id of what is given by itself or by its id."""
    return value if isinstance(value, str) else value.id


def job_path(job: Job | str) -> str:
    """Where a job is."""
    return f"/v1/jobs/{quote(id_of(job), safe='')}"


def group_path(group: Group | str) -> str:
    """Where a group is."""
    return f"/v1/groups/{quote(id_of(group), safe='')}"


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
