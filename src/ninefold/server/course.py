"""How far a job is, told by its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.jobs import JobEvent
from ninefold.jobs.events import JobStageFinished, JobStageStarted, JobStarted, JobStepped


@dataclass
class Course:
    """A job's course so far; each of its steps counts the same."""

    steps: Sequence[str] = ()
    #: Of the running step's own steps, as it told last.
    step: int = 0
    step_count: int = 0
    _done: int = 0

    def see(self, event: JobEvent) -> None:
        """Take the next event."""
        match event:
            case JobStarted():
                self.steps = event.steps
            case JobStageStarted() if event.stage in self.steps:  # it may have gone back to it
                self._begin(list(self.steps).index(event.stage))
            case JobStepped():
                self.step, self.step_count = event.done, event.total
            case JobStageFinished():
                self._begin(self._done + 1)

    @property
    def progress(self) -> float:
        """The part of the work that is done, 0 to 1."""
        part = self.step / self.step_count if self.step_count else 0.0
        return min(1.0, (self._done + part) / max(1, len(self.steps)))

    def _begin(self, number: int) -> None:
        self._done, self.step, self.step_count = number, 0, 0
