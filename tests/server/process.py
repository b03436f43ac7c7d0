"""`ninefold serve` in a process of its own, over the fake engines: started, stopped, killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.forked import ROOT, Forked


class ServerProcess:
    """One server process on a data folder."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        engines: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        builtin: bool = False,
        before: str = "",
        fresh: bool = False,
    ) -> None:
        """`engines` are options of `fake_engines`, such as a pause in every step.

        With `builtin`, it runs the real engines and the models that ship; `before` is code that
        runs first. A `fresh` process imports all that it needs.
        """
        start = "import sys; from tests.server.process import main; sys.exit(main(sys.argv[1:]))"
        command = ["-c", f"{before}\n{start}"]
        command.append(json.dumps(None if builtin else engines or {}))
        command += ["serve", "--port", "0", "--data", str(data), *arguments]
        env = {**os.environ, **(environment or {})}
        self.process = (
            subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=env
            )
            if fresh
            else Forked(command, stderr=subprocess.PIPE, env=env)
        )
        self.lines: list[str] = []
        self.url = ""

    def ready(self) -> bool:
        """Wait until it serves; False where it ended first."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if match := re.match(r"ninefold serves (\S+)", line):
                self.url = match.group(1)
                return True
        return False

    def client(self, **options: Any) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout: float = 60) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)

    def errors(self) -> str:
        """All that it said, once it has ended."""
        assert self.process.stderr is not None
        self.lines += self.process.stderr.read().splitlines()
        return "\n".join(self.lines)

    def close(self) -> None:
        """Kill it if need be, and close its pipe."""
        if self.process.poll() is None:
            self.kill()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def server(data: Path, *arguments: str, **options: Any) -> Iterator[ServerProcess]:
    """A server that is ready, killed in the end if it still runs."""
    found = ServerProcess(data, *arguments, **options)
    try:
        assert found.ready(), found.errors()
        yield found
    finally:
        found.close()


def main(argv: Sequence[str]) -> int:
    """Run the command line, over the fake engines unless their options are null."""
    from ninefold.cli import main as ninefold
    from ninefold.testing import fake_engines

    options = json.loads(argv[0])
    return ninefold(argv[1:], engines=None if options is None else fake_engines(**options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
