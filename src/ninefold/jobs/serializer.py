"""How values lie in the database: JSON, readable by any tool and never unpickled."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from dbos import Serializer

from ninefold.core.errors import NinefoldError
from ninefold.core.json_text import json_text
from ninefold.core.values import Failure

_ERROR = "$error"


class JobFailedError(NinefoldError):
    """A job ended in failure; carries the record of why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class JsonSerializer(Serializer):
    """Plain JSON, and exceptions as the failures that they stand for."""

    def serialize(self, data: Any) -> str:
        """Values to text; raises TypeError for what JSON cannot hold."""
        if isinstance(data, BaseException):
            data = {_ERROR: dataclasses.asdict(_failure(data))}
        return json_text(data, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Any:
        """Text to values; failures become `JobFailedError`."""
        value = json.loads(serialized_data)
        if isinstance(value, dict) and _ERROR in value:
            return JobFailedError(Failure(**value[_ERROR]))
        return value

    def name(self) -> str:
        """What rows are marked with."""
        return "ninefold-json"


def _failure(error: BaseException) -> Failure:
    if isinstance(error, JobFailedError):
        return error.failure
    return Failure(str(error) or type(error).__name__, kind=type(error).__name__)
