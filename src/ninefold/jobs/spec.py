"""What a job is made of, as it lies in the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.record import StageRecord
from ninefold.core.values import Json


@dataclass(frozen=True)
class JobSpec:
    """Everything that decides a job; never changed once it is stored."""

    #: The config, as `PipelineConfig.document` gives it.
    config: Json
    #: Slots that were given, as JSON; files are relative to the job's folder.
    input: Json
    created_at: str
    #: Digest of what the caller asked for: the same idempotency key must bring the same.
    digest: str
    parent: str | None = None
    group: str | None = None
    #: Who submitted it: the id of an API key; None for whoever has the data folder.
    owner: str | None = None
    #: Whether finished stages may be taken from the cache, and are put into it.
    cache: bool = True
    #: Records of the parent's steps that are taken over, in the order they were made.
    records: tuple[Json, ...] = ()

    def to_json(self) -> Json:
        """The spec as JSON values."""
        document: Json = _SPEC.dump_python(self, mode="json", exclude_defaults=True)
        return document

    @classmethod
    def from_json(cls, document: Any) -> JobSpec:
        """Read what `to_json` wrote."""
        return _SPEC.validate_python(document)

    @cached_property
    def pipeline_config(self) -> PipelineConfig:
        """The config, checked; raises `ConfigError`, for one where a plugin has gone."""
        return _parsed(json.dumps(self.config))

    def open(self, job_id: str, folder: Path) -> PipelineContext:
        """The context before the first step."""
        _ = self.pipeline_config  # loads the plugins whose slots the input may hold
        context = PipelineContext(folder, job_id=job_id)
        context.created_at = self.created_at
        context.apply(StageRecord("input", self.input))
        return context

    def reused(self) -> Iterator[StageRecord]:
        """What is taken over from the parent."""
        for record in self.records:
            yield StageRecord.from_json(record)


@lru_cache(maxsize=64)
def _parsed(document: str) -> PipelineConfig:
    """Of many jobs, such as those of a group, the config is one, and checked and built once."""
    return PipelineConfig.parse(json.loads(document))


def digest_of(*asked: Any) -> str:
    """A digest of what was asked for, as JSON values."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


_SPEC: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)
