"""What one step did to a context, as JSON values: enough to do it to another without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ninefold.core.errors import InputError
from ninefold.core.problems import problems_of
from ninefold.core.timing import FINISHED, LOADED, WAITED
from ninefold.core.values import Failure, Json

#: Metadata that differs between two runs that made the same image, or is made of the rest. Names
#: of final files may hold the job's id and the day.
_CIRCUMSTANCES = frozenset({"duration_ms", WAITED, LOADED, FINISHED, "cached", "batch_size"})
_CIRCUMSTANCES |= {"oom_steps", "outputs", "signed", "identifier", "watermark_psnr"}


def facts(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Metadata without what differs between two runs that made the same image."""
    return {
        stage: {name: value for name, value in fields.items() if name not in _CIRCUMSTANCES}
        for stage, fields in metadata.items()
    }


def circumstances(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Metadata that differs between two runs that made the same image: what `facts` leaves out."""
    return {
        stage: {name: value for name, value in fields.items() if name in _CIRCUMSTANCES}
        for stage, fields in metadata.items()
    }


@dataclass(frozen=True)
class StageRecord:
    """The outcome of one step; file paths are relative to the context's working folder."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(defer_build=True)

    step: str
    #: The slots that it set.
    data: Json = field(default_factory=dict)
    #: The files that it made, each as an `Artifact`.
    artifacts: tuple[Json, ...] = ()
    metadata: Json = field(default_factory=dict)
    #: Why it failed; None where it did not.
    failure: Failure | None = None
    #: The slot to remake, where it asked to go back; `data` holds what is to change then.
    remake: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the stage is done: it neither failed nor asked to go back."""
        return self.failure is None and self.remake is None

    def to_json(self) -> Json:
        """The record as JSON values."""
        document: Json = _RECORD.dump_python(self, mode="json", exclude_defaults=True)
        return document

    @classmethod
    def from_json(cls, document: Any) -> StageRecord:
        """Read what `to_json` wrote; raises `InputError` where it is something else."""
        try:
            return _RECORD.validate_python(document)
        except ValidationError as error:
            raise InputError("\n".join(problems_of(error, "record"))) from None


_RECORD: TypeAdapter[StageRecord] = TypeAdapter(StageRecord)
