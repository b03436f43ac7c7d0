"""Worker processes for tests: started, killed, frozen."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.forked import Forked
from tests.jobs.conftest import Place


class WorkerProcess:
    """One worker process on a place."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.name = options.get("name")
        command = ["-m", "tests.jobs.worker_process", str(place.data)]
        if place.database is not None:
            command += ["--database", place.database]
        for name, value in options.items():
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        self.process = Forked(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ready(self) -> str:
        """Wait until it works; returns its name, empty where it could not start."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks, alive."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def terminate(self, timeout: float = 30) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)

    def errors(self) -> str:
        """What it said on stderr, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        """Kill it if need be, and close its pipes."""
        if self.process.poll() is None:
            self.wake()
            self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def worker(place: Place, **options: Any) -> Iterator[WorkerProcess]:
    """A worker that is ready, killed in the end if it still runs."""
    found = WorkerProcess(place, **options)
    try:
        assert found.ready(), found.errors()
        yield found
    finally:
        found.close()
