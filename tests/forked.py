"""Python processes that begin with all imported: forked from one that has done nothing else.

`Forked(["-m", "ninefold", "serve"])` is `Popen([sys.executable, "-m", "ninefold", "serve"])`, three
seconds of imports earlier: a process with a number, memory, files and signals of its own. Tests
about the start of a process, or about what it imports, use `subprocess`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parents[1]
#: With what they import, all that a server and a worker need; none of them starts a thread.
IMPORTED = (
    "alembic.config",
    "dbos._sys_db_sqlite",
    "ninefold.cli.app",
    "ninefold.cli.serve_app",
    "ninefold.cli.streams",
    "ninefold.jobs.worker",
    "ninefold.server.app",
    "ninefold.server.serve",
    "ninefold.testing",
    "numpy.random",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
)
_MESSAGE = 200_000
_LOCK = Lock()


class Forked:
    """What tests use of `subprocess.Popen`, with pipes of text."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """`arguments` are those of `python`: -m and a module or -c and code, and theirs."""
        request = {
            "arguments": list(arguments),
            "cwd": str(cwd),
            "env": dict(os.environ if env is None else env),
        }
        self.args, self.returncode = arguments, None
        self.stdout, out = _output(stdout, 1)
        self.stderr, err = _output(stderr, 2)
        self._ended, end = os.pipe()
        with open(os.devnull) as nothing, _LOCK:
            parent = _parent()
            message = json.dumps(request).encode()
            assert len(message) <= _MESSAGE
            socket.send_fds(parent, [message], [nothing.fileno(), out, err, end])
            self.pid = int(parent.recv(100))
        for pipe, number in ((self.stdout, out), (self.stderr, err), (True, end)):
            if pipe:
                os.close(number)

    returncode: int | None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close its pipes, and wait for its end."""
        for pipe in (self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, in seconds; returns the exit code."""
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._ended)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(os.read(self._ended, 100))
            os.close(self._ended)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it writes to its pipes until it ends, within so many seconds."""
        pipes = [pipe for pipe in (self.stdout, self.stderr) if pipe is not None]
        with ThreadPoolExecutor(2) as readers:
            reading = [readers.submit(pipe.read) for pipe in pipes if not pipe.closed]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            written = [future.result() for future in reading]
        for pipe in pipes:
            pipe.close()
        out, err = [*written, "", ""][:2]
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal, where it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def output(arguments: Sequence[str], **options: Any) -> str:
    """What a process that must succeed writes to stdout; arguments and options are `Forked`'s."""
    process = Forked(arguments, stdout=subprocess.PIPE, **options)
    written, _ = process.communicate()
    assert process.returncode == 0, arguments
    return written


def _output(wish: int | None, standard: int) -> tuple[IO[str] | None, int]:
    """The end of a pipe to read from, where there is one, and the descriptor to write to."""
    if wish != subprocess.PIPE:
        return None, standard if wish is None else wish
    ours, theirs = os.pipe()
    return open(ours, encoding="utf-8"), theirs


@cache
def _parent() -> socket.socket:
    """The process that forks, started once; a message each way for each process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
    process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> list[str] | None:
    """Fork for every request until nobody is left to ask; in a child, what it is to run."""
    children: dict[int, tuple[int, int]] = {}
    while True:
        waited_for: list[socket.socket | int] = [requests, *children]
        ready, _, _ = select.select(waited_for, [], [])
        for watched in children.keys() & set(ready):
            number, end = children.pop(watched)
            status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
            os.write(end, str(status).encode())
            os.close(end)
            os.close(watched)
        if requests not in ready:
            continue
        message, files, _, _ = socket.recv_fds(requests, _MESSAGE, 4)
        if not message:
            return None
        number = os.fork()
        if number == 0:
            return _become(json.loads(message), files)
        *standard, end = files
        children[os.pidfd_open(number)] = number, end
        for file in standard:
            os.close(file)
        requests.send(str(number).encode())


def _become(request: dict[str, object], files: Sequence[int]) -> list[str]:
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(str(request["cwd"]))
    # Ctrl-C acts as where someone types it, though whoever runs the tests in the background
    # may have it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environ, arguments = request["env"], request["arguments"]
    assert isinstance(environ, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environ)
    return arguments


def _run(kind: str, what: str, *arguments: str) -> None:
    """`python -m MODULE ...` or `python -c CODE ...`, in this process."""
    if kind == "-m":
        sys.argv[1:] = arguments
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = ["-c", *arguments]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def _main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # what is collected in a child would be copied
    requests = socket.socket(fileno=int(sys.argv[1]))
    arguments = _serve(requests)
    if arguments is not None:
        requests.detach()  # closed with all the others
        _run(*arguments)


if __name__ == "__main__":
    _main()
