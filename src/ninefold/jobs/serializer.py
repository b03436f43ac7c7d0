"""How values lie in the database: JSON, readable by any tool and never unpickled."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ninefold.core.errors import NinefoldError
from ninefold.core.json_text import json_text
from ninefold.core.values import Failure

_ERROR = "$error"


class JobFailedError(NinefoldError):
    """A job ended in failure; carries the record of why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def to_text(data: Any) -> str:
    """Values to JSON, exceptions to the failures that they stand for; raises TypeError for what
    JSON cannot hold."""
    if isinstance(data, BaseException):
        data = {_ERROR: dataclasses.asdict(_failure(data))}
    return json_text(data, separators=(",", ":"))


def from_text(text: str) -> Any:
    """JSON to values; failures become `JobFailedError`."""
    value = json.loads(text)
    if isinstance(value, dict) and _ERROR in value:
        return JobFailedError(Failure(**value[_ERROR]))
    return value


def _failure(error: BaseException) -> Failure:
    if isinstance(error, JobFailedError):
        return error.failure
    return Failure(str(error) or type(error).__name__, kind=type(error).__name__)
