"""The context: one object that travels from stage to stage."""

from __future__ import annotations

import copy
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar, overload

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ninefold.core.errors import (
    ConfigError,
    ContractError,
    InputError,
    StageError,
    StageInputError,
    failure_of,
)
from ninefold.core.json_text import json_text
from ninefold.core.problems import problems_of
from ninefold.core.progress import StageProgress
from ninefold.core.record import StageRecord
from ninefold.core.slots import Slot, find_slot
from ninefold.core.values import Artifact, Failure, Json

T = TypeVar("T")
_NOTHING: Any = object()
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LAZY = ConfigDict(defer_build=True)  # keeps `import ninefold` quick
_ARTIFACTS: TypeAdapter[list[Artifact]] = TypeAdapter(list[Artifact], config=_LAZY)
_METADATA: TypeAdapter[dict[str, Json]] = TypeAdapter(dict[str, Json], config=_LAZY)
_NAMES: TypeAdapter[list[str]] = TypeAdapter(list[str], config=_LAZY)
_FAILURE: TypeAdapter[Failure | None] = TypeAdapter(Failure | None, config=_LAZY)


@dataclass(frozen=True)
class Scope:
    """What the running stage may touch."""

    stage: str
    reads: frozenset[str]
    writes: frozenset[str]


class PipelineContext:
    """What stages hand on: data in declared slots, the files made, metadata, and the failure.

    `PipelineContext(workdir, prompt="a red house", seed=7)` sets slots by keyword. Files go to
    `workdir`, by default `ninefold-out/<job_id>` below the current folder; it is created when the
    first file is written. At a stage boundary the whole context is JSON (`to_json`); pixels stay
    in files, and the last few images also in `pixels`, so that the next stage need not decode them.
    """

    __slots__ = (
        "_data", "_exception", "_scope", "artifacts", "completed", "created_at", "error",
        "inputs_by_step", "job_id", "metadata", "pixels", "progress", "workdir",
    )  # fmt: skip

    def __init__(self, workdir: str | Path | None = None, **data: Any) -> None:
        self.job_id: str = _checked_job_id(data.pop("job_id", None))
        root = Path("ninefold-out") / self.job_id if workdir is None else Path(workdir)
        self.workdir: Path = root.absolute()
        #: When the job was made: ISO 8601, UTC.
        self.created_at: str = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._data: dict[str, Any] = {"job_id": self.job_id}
        #: Files made, in order.
        self.artifacts: list[Artifact] = []
        #: One dict per stage name.
        self.metadata: dict[str, Json] = {}
        self.error: Failure | None = None
        #: Names of the finished steps, in order: where a resumed run goes on.
        self.completed: list[str] = []
        #: The data before each step that ran, by the step's name: where it can run again.
        self.inputs_by_step: dict[str, dict[str, Any]] = {}
        self.progress: StageProgress = StageProgress()
        #: Decoded images by the SHA-256 of their file; a cache, never part of the JSON.
        self.pixels: dict[str, Any] = {}
        self._exception: BaseException | None = None
        self._scope: Scope | None = None
        for key, value in data.items():
            self.set(key, value)

    # -- data ---------------------------------------------------------------------------------

    @property
    def data(self) -> Mapping[str, Any]:
        """All slots that are set, read-only."""
        return MappingProxyType(self._data)

    def set(self, key: str | Slot[Any], value: Any) -> None:
        """Set a slot; raises `InputError` for a value that it cannot hold."""
        slot = find_slot(key) if isinstance(key, str) else key
        self._allow(slot.name, "write")
        if slot.name == "job_id" and value != self.job_id:
            raise InputError(f"job_id: expected {self.job_id!r}, fixed for good, got {value!r}.")
        self._data[slot.name] = slot.check(value, self)

    def get(self, key: str | Slot[Any], default: Any = _NOTHING) -> Any:
        """Return a slot's value, or `default` (None) where it is not set.

        A name that no slot declares is an error unless a default is given.
        """
        name = key if isinstance(key, str) else key.name
        if default is _NOTHING:
            name, default = find_slot(name).name, None
        self._allow(name, "read")
        return self._data.get(name, default)

    @overload
    def __getitem__(self, slot: Slot[T]) -> T: ...
    @overload
    def __getitem__(self, slot: str) -> Any: ...
    def __getitem__(self, slot: Slot[Any] | str) -> Any:
        found = find_slot(slot) if isinstance(slot, str) else slot
        self._allow(found.name, "read")
        if found.name not in self._data:
            stage = self._scope.stage if self._scope else "context"
            raise StageInputError(stage, found.name, found.remedy)
        return self._data[found.name]

    def __setitem__(self, slot: Slot[T] | str, value: T) -> None:
        self.set(slot, value)

    def is_missing(self, slot: Slot[Any]) -> bool:
        """Whether a slot is unset or holds a blank text, which no stage can work with."""
        value = self.get(slot)
        return value is None or (isinstance(value, str) and not value.strip())

    def __contains__(self, slot: object) -> bool:
        return (slot.name if isinstance(slot, Slot) else slot) in self._data

    # -- files, metadata, failure ---------------------------------------------------------------

    def file(self, name: str) -> Path:
        """The path of a file below `workdir`; its folder exists afterwards.

        Raises `ContractError` for a name that leads out of the folder.
        """
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise ContractError(f"expected a file name inside the working folder, got {name!r}")
        path = self.workdir.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add_artifact(self, artifact: Artifact) -> None:
        """Record a file that was made; one of the same name is replaced."""
        self.artifacts[:] = [known for known in self.artifacts if known.name != artifact.name]
        self.artifacts.append(artifact)

    def add_metadata(self, stage: str, **fields: Any) -> None:
        """Add fields (JSON values) to what is known of `stage`."""
        self.metadata.setdefault(stage, {}).update(fields)

    def warn(self, stage: str, message: str) -> None:
        """Add a warning to the metadata of `stage`."""
        self.metadata.setdefault(stage, {}).setdefault("warnings", []).append(message)

    def set_error(self, error: BaseException | Failure | str, stage: str | None = None) -> None:
        """Record why the run stopped."""
        if isinstance(error, BaseException):
            self._exception = error
            self.error = failure_of(error, stage)
        else:
            self._exception = None
            self.error = error if isinstance(error, Failure) else Failure(error, stage)

    def clear_error(self) -> None:
        """Forget the failure, to go on."""
        self.error = self._exception = None

    def raise_for_error(self) -> None:
        """Raise what stopped the run; does nothing where it succeeded."""
        if self._exception is not None:
            raise self._exception
        if self.error is not None:
            stage = self.error.stage or "pipeline"
            raise StageError(stage, self.error.message.removeprefix(f"{stage}: "))

    # -- the running stage ----------------------------------------------------------------------

    @property
    def scope(self) -> Scope | None:
        """What the running stage may touch; None between stages."""
        return self._scope

    @contextmanager
    def limited_to(self, scope: Scope) -> Iterator[None]:
        """Let only the slots of `scope` be touched inside the block."""
        before, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = before

    def _allow(self, name: str, action: str) -> None:
        if self._scope is None:
            return
        allowed = self._scope.writes if action == "write" else self._scope.reads
        if name not in allowed:
            where = "provides" if action == "write" else "requires or accepts"
            raise ContractError(
                f"{self._scope.stage}: tried to {action} {name!r}, which it does not declare. "
                f"Add the slot to `{where}`."
            )

    def slots_as_json(self, scope: Scope | None = None) -> Json:
        """The slots that are set, or those that a stage of `scope` may read; but the job's id."""
        data = {
            name: value
            for name, value in self._data.items()
            if name != "job_id" and (scope is None or name in scope.reads)
        }
        return _dumped(data, {"workdir": self.workdir})

    def first_inputs(self) -> Json:
        """The slots before the first step, but the job's id; empty where none has begun."""
        given = dict(next(iter(self.inputs_by_step.values()), {}))
        given.pop("job_id", None)
        return _dumped(given, {"workdir": self.workdir})

    def scratch(self) -> PipelineContext:
        """A copy in which stages can set, note and record without a trace; files, decoded images
        and progress are shared."""
        twin = copy.copy(self)
        twin._data = dict(self._data)
        twin.artifacts = list(self.artifacts)
        twin.metadata = copy.deepcopy(self.metadata)
        twin.completed = list(self.completed)
        twin.inputs_by_step = dict(self.inputs_by_step)
        return twin

    def begin(self, step: str) -> None:
        """Remember the data as it is before `step`; values are immutable, so this is cheap."""
        self.inputs_by_step[step] = dict(self._data)
        self.metadata.pop(step, None)

    def undo(self, steps: Sequence[str]) -> None:
        """Go back to before the first of `steps`: data, artifacts and completion."""
        self._data = dict(self.inputs_by_step[steps[0]])
        self.artifacts = [item for item in self.artifacts if item.stage not in steps]
        self.completed = [name for name in self.completed if name not in steps]
        for name in steps[1:]:
            self.inputs_by_step.pop(name, None)

    def record(
        self,
        step: str,
        *,
        remake: str | None = None,
        changes: Mapping[Slot[Any], Any] | None = None,
    ) -> StageRecord:
        """What `step`, which began last, did; or, where it asks to go back, what is to change."""
        where = {"workdir": self.workdir}
        if changes is not None:
            data = {slot.name: value for slot, value in changes.items()}
        else:
            before = self.inputs_by_step[step]
            data = {
                name: value
                for name, value in self._data.items()
                if name not in before or before[name] is not value
            }
        made = [item for item in self.artifacts if item.stage == step]
        return StageRecord(
            step,
            _dumped(data, where),
            tuple(_ARTIFACTS.dump_python(made, mode="json", context=where)),
            dict(self.metadata.get(step, {})),
            self.error,
            remake,
        )

    def apply(self, record: StageRecord) -> None:
        """Do what `record` tells, to a context in which its step has just begun."""
        where = {"workdir": self.workdir}
        try:
            self._data.update(_loaded(record.data, where))
            for artifact in _ARTIFACTS.validate_python(list(record.artifacts), context=where):
                self.add_artifact(artifact)
        except ValidationError as error:
            raise InputError("\n".join(problems_of(error, "record"))) from None
        if record.metadata:
            self.metadata[record.step] = dict(record.metadata)
        if record.failure is not None:
            self.set_error(record.failure)

    # -- JSON -----------------------------------------------------------------------------------

    def to_json(self) -> str:
        """The whole context as JSON; file paths are relative to the working folder."""
        where = {"workdir": self.workdir}
        document = {
            "workdir": str(self.workdir),
            "created_at": self.created_at,
            "data": _dumped(self._data, where),
            "before": {step: _dumped(data, where) for step, data in self.inputs_by_step.items()},
            "artifacts": _ARTIFACTS.dump_python(self.artifacts, mode="json", context=where),
            "metadata": self.metadata,
            "completed": self.completed,
            "error": _FAILURE.dump_python(self.error, mode="json"),
        }
        return json_text(document, indent=2)

    @classmethod
    def from_json(cls, text: str, workdir: str | Path | None = None) -> PipelineContext:
        """Read what `to_json` wrote; `workdir` says where the files are now, if they moved.

        Raises `InputError` where the text is not such a context.
        """
        try:
            document = json.loads(text)
            root = Path(workdir if workdir is not None else document["workdir"]).absolute()
            where = {"workdir": root}
            context = cls(root, job_id=document["data"]["job_id"])
            context._data = _loaded(document["data"], where)
            context.inputs_by_step = {
                step: _loaded(data, where) for step, data in document["before"].items()
            }
            context.artifacts = _ARTIFACTS.validate_python(document["artifacts"], context=where)
            context.created_at = str(document["created_at"])
            context.metadata = _METADATA.validate_python(document["metadata"])
            context.completed = _NAMES.validate_python(document["completed"])
            context.error = _FAILURE.validate_python(document["error"])
        except ValidationError as error:
            raise InputError("\n".join(problems_of(error, "context"))) from None
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f"expected a saved context, got something else: {error}") from None
        return context


def _dumped(data: Mapping[str, Any], where: dict[str, Any]) -> Json:
    return {
        name: find_slot(name).adapter.dump_python(value, mode="json", context=where)
        for name, value in data.items()
    }


def _loaded(data: Json, where: dict[str, Any]) -> dict[str, Any]:
    return {
        name: find_slot(name).adapter.validate_python(value, context=where)
        for name, value in data.items()
    }


def _checked_job_id(value: object) -> str:
    if value is None:
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    if not isinstance(value, str) or not _JOB_ID.fullmatch(value):
        raise ConfigError(
            f"job_id: expected 1 to 64 letters, digits, '.', '_' or '-', got {value!r}."
        )
    return value
