"""Events of a worker, for metrics and traces; it knows neither."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ninefold.core.values import Failure

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobBegan:
    """A worker took a job."""

    job_id: str
    group: str | None
    #: Seconds since it was submitted.
    waited: float
    #: Whether a worker had it before, which died or stopped.
    again: bool


@dataclass(frozen=True)
class StageRan:
    """A worker carried out a step once: from the cache, or by running its stage."""

    job_id: str
    stage: str
    #: Seconds since the epoch.
    began: float
    #: From its begin to its end.
    seconds: float
    #: Whether its result was found in the cache.
    cached: bool
    #: Why it failed; None where it did not.
    failure: Failure | None
    #: The parts of `seconds` in which it waited for a model, and in which one was loaded for it.
    waited: float = 0.0
    loaded: float = 0.0


@dataclass(frozen=True)
class JobLeft:
    """A worker is done with a job, for good or because it stops."""

    job_id: str
    outcome: Literal["succeeded", "failed", "cancelled", "handed_back"]
    failure: Failure | None = None


WorkerEvent = JobBegan | StageRan | JobLeft
#: Called on the worker's event loop; must be quick.
Listener = Callable[[WorkerEvent], None]


class Listeners:
    """Those who listen to a worker; one that raises harms no job."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Call `listener` with every event from now on."""
        self._listeners.append(listener)

    def __call__(self, event: WorkerEvent) -> None:
        """Pass an event to everyone."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("jobs: a listener failed")
