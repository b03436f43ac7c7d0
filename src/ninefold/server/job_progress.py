"""How far a job is, by its events, and how long it will still take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ninefold.core.values import Json
from ninefold.core.wiring import step_names
from ninefold.jobs import JobEvent
from ninefold.jobs.events import JobStageFinished, JobStageStarted, JobStarted, JobStepped
from ninefold.stages.registry import stage_types

#: The time left must grow by this part of it, and by this part of the time that passed, before it
#: shows: less is how much steps vary, and that a step is reported once the next is under way.
_SLOWER, _UNSURE = 0.3, 0.1


@dataclass
class JobProgress:
    """How far a job is; `expected` is what its stages will take, in steps, by their names."""

    expected: Mapping[str, float] = field(default_factory=dict)
    steps: Sequence[str] = ()
    #: Of the running stage's own steps, as it reported last.
    step: int = 0
    step_count: int = 0
    #: When that was, in milliseconds since the epoch.
    at: int | None = None
    #: The part of the work that is done, 0 to 1; it never falls.
    fraction: float = 0.0
    _done: int = 0
    _weights: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, config: Json, events: Iterable[JobEvent] = ()) -> JobProgress:
        """The progress of a job of this config after these events."""
        job_progress = cls(expected_steps(config))
        for event in events:
            job_progress.see(event)
        return job_progress

    def see(self, event: JobEvent) -> None:
        """Take the next event."""
        match event:
            case JobStarted():
                self.steps = event.steps
                self._weights = [self._expected(name) for name in event.steps]
            case JobStageStarted() if event.stage in self.steps:  # it may have gone back to it
                self._begin(list(self.steps).index(event.stage))
            case JobStepped():
                self.step, self.step_count, self.at = event.done, event.total, event.at
                if self._done < len(self._weights):
                    self._weights[self._done] = float(event.total)
            case JobStageFinished():
                self._begin(self._done + 1)
        self.fraction = max(self.fraction, self._fraction())

    def _begin(self, number: int) -> None:
        self._done, self.step, self.step_count = number, 0, 0

    def _fraction(self) -> float:
        whole = sum(self._weights)
        if not whole:
            return 0.0
        part = self.step / self.step_count if self.step_count else 0.0
        running = self._weights[self._done] if self._done < len(self._weights) else 0.0
        return min(1.0, (sum(self._weights[: self._done]) + running * part) / whole)

    def _expected(self, name: str) -> float:
        stage, _, number = name.rpartition("_")
        return self.expected.get(name, _expected(stage if number.isdigit() else name, {}))


def expected_steps(config: Json) -> dict[str, float]:
    """What a config's stages will take, by the names that its steps have when they run."""
    items = config.get("stages", ())
    names = step_names(item["stage"] for item in items)
    return {
        name: _expected(item["stage"], item.get("params") or {})
        for name, item in zip(names, items, strict=True)
    }


def _expected(stage: str, params: Json) -> float:
    """What a stage will take, as it says itself; that of a plugin that is gone takes one step."""
    known = stage_types().get(stage)
    return 1.0 if known is None else known.expected_steps(params)


@dataclass
class Estimate:
    """When something will be done, from how far it is: steady while it goes on steadily.

    Times are seconds of any one clock. Between two looks the end stays where it was; it is put off
    only where the speed has fallen by more than steps vary anyway.
    """

    _end: float = math.inf

    def left(self, progress: float, began: float, seen: float, now: float) -> float:
        """Seconds from `now` to the end; 0 where nothing is known.

        `progress` (0 to 1) is what was done at `seen`, of work that began at `began`.
        """
        if progress <= 0 or seen <= began:
            return 0.0
        end = seen + (seen - began) * (1 - progress) / progress
        slack = max(_SLOWER * (self._end - now), _UNSURE * (seen - began))
        if end < self._end or end > self._end + slack:
            self._end = end
        return max(0.0, self._end - now)
