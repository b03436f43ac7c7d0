"""What a job is made of, as it lies in the database."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
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
    #: Of a rerun: where it starts, and what it was asked to change: parameters by
    #: `stage.parameter`, slots by name.
    from_stage: str | None = None
    changes: Json = field(default_factory=dict)
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
        return _CONFIGS.parsed(self.config)

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


class _Configs:
    """The configs of the last jobs, checked and built: many jobs have the same one, and one process
    may both submit a job and run it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, PipelineConfig] = {}
        self._lock = threading.Lock()

    def parsed(self, document: Json) -> PipelineConfig:
        """The config of a document; raises `ConfigError`."""
        key = json.dumps(document, sort_keys=True)
        config = self._known.get(key) or PipelineConfig.parse(document)
        self._keep(key, config)
        return config

    def add(self, config: PipelineConfig) -> Json:
        """Keep a config; its document."""
        document = config.document()
        self._keep(json.dumps(document, sort_keys=True), config)
        return document

    def _keep(self, key: str, config: PipelineConfig) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = config  # the last is the one used last
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]


_CONFIGS = _Configs(64)


def document_of(config: PipelineConfig) -> Json:
    """The document that a spec holds for `config`, which need not be checked again here."""
    return _CONFIGS.add(config)


def parsed_config(document: Json) -> PipelineConfig:
    """The config of a job's document; raises `ConfigError`, for one where a plugin has gone."""
    return _CONFIGS.parsed(document)


def digest_of(*asked: Any) -> str:
    """A digest of what was asked for, as JSON values."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


_SPEC: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)
