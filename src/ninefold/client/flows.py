"""What a client does, step by step, without doing any of it: the same for sync and async.

A flow is a generator. It yields what it needs done, and is given what came of it, or has the error
thrown in; what it returns is the result. `Client` and `AsyncClient` only carry out the steps.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import time
import zipfile
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import httpx2

from ninefold.client import calls
from ninefold.client.call import Call, id_of
from ninefold.client.errors import BusyError, ServiceError, UnreachableError, error_of
from ninefold.client.values import Event, Group, Job

T = TypeVar("T")

#: How often a request is sent whose trouble may pass, and the waits between, in seconds.
TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0
#: Seconds without a sign of life after which a stream is taken up anew.
SILENCE = 60.0
#: Seconds that one look at a job waits for its end, and between two looks at a group.
LOOK, WATCH = 25.0, 0.5
_LAST = "job_ended"


@dataclass(frozen=True)
class Send:
    """Send a request; gives the whole answer."""

    call: Call[Any]


@dataclass(frozen=True)
class Open:
    """Send a request, and leave its answer open for `Next`; closes the one before.

    Gives the answer, whole where it is an error.
    """

    call: Call[Any]
    #: Seconds of silence that end it.
    silence: float


@dataclass(frozen=True)
class Next:
    """The next server-sent event of the open answer; None at its end."""


@dataclass(frozen=True)
class Sleep:
    """Wait, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Save:
    """Send a request, and write its answer to a file as it comes; one that is an error is whole."""

    call: Call[Any]
    path: Path


Step = Send | Open | Next | Save | Sleep
Flow = Generator[Step, Any, T]


def request(call: Call[T]) -> Flow[T]:
    """Send until an answer comes that is no passing trouble; raises `ServiceError`."""
    patience = _Patience()
    while True:
        try:
            response: httpx2.Response = yield Send(call)
            if response.is_success:
                return call.read(response)
            raise error_of(response)
        except (UnreachableError, BusyError) as error:
            yield patience.wait(error)


def events(job: Job | str, after: int = 0) -> Generator[Step | Event, Any, None]:
    """What happened to a job after event `after`, each once, until it ends.

    A stream that breaks is taken up where it broke.
    """
    job_id = id_of(job)
    patience = _Patience()
    while True:
        try:
            if not (yield from _open(job_id, after, SILENCE)):
                return
            while (found := (yield Next())) is not None:
                event = _event(found)
                if event is not None and event.sequence > after:
                    after = event.sequence
                    patience = _Patience()
                    yield event
                    if event.event == _LAST:
                        return
            yield patience.wait(UnreachableError("the stream of events ended too soon."))
        except (UnreachableError, BusyError) as error:
            yield patience.wait(error)


def wait(job: Job | str, timeout: float | None = None) -> Flow[Job]:
    """The job once it has ended; raises TimeoutError after `timeout` seconds."""
    job_id = id_of(job)
    ends = time.monotonic() + timeout if timeout is not None else None
    while True:
        began = time.monotonic()
        seconds = LOOK if ends is None else min(max(ends - began, 0.0), LOOK)
        found = yield from request(calls.get(job_id, wait=round(seconds, 3)))
        if found.ended:
            return found
        if _passed(ends):
            raise TimeoutError(f"job {job_id} has not ended within {timeout:g} s.")
        if time.monotonic() - began < FIRST_WAIT:  # a server that stops waits for nothing
            yield Sleep(FIRST_WAIT)


def wait_group(group: Group | str, timeout: float | None = None) -> Flow[Group]:
    """The group once all its jobs have ended; raises TimeoutError after `timeout` seconds."""
    ends = time.monotonic() + timeout if timeout is not None else None
    while True:
        found = yield from request(calls.group(group))
        if found.ended:
            return found
        if _passed(ends):
            raise TimeoutError(f"group {found.id} has not ended within {timeout:g} s.")
        yield Sleep(WATCH)


def download(
    job: Job | str, folder: str | os.PathLike[str] = ".", names: Iterable[str] | None = None
) -> Flow[tuple[Path, ...]]:
    """Write a job's final files, or those of `names`, into `folder`; returns where they are.

    Each is named by the last part of its name, written whole or not at all, and checked against the
    hash that the job lists.
    """
    if isinstance(job, Job) and job.ended and job.outputs:  # one of a list comes without
        found = job
    else:
        found = yield from request(calls.get(job))
    hashes = {item.name: item.sha256 for item in (*found.artifacts, *found.outputs)}
    wanted = [item.name for item in found.outputs] if names is None else list(names)
    paths = []
    for name in wanted:
        data = yield from request(calls.read(found, name))
        if hashes.get(name, "") != hashlib.sha256(data).hexdigest():
            raise ServiceError(f"{name}: is not what the job made. Download it again.")
        paths.append(_write(Path(folder), name, data))
    return tuple(paths)


def archive(jobs: Iterable[Job | str] | Group | str, path: str | os.PathLike[str]) -> Flow[Path]:
    """Write a ZIP of the final files of `jobs` to `path`: of several, at most 1,000, or of a group
    or the id of one. It is written whole or not at all, and returned.

    Its `manifest.json` lists what is in it.
    """
    if isinstance(jobs, Group | str):
        params: dict[str, Any] = {"group": id_of(jobs)}
    else:
        params = {"job": [id_of(job) for job in jobs]}
    call: Call[None] = Call("GET", "/v1/archives", lambda _: None, params)
    path = Path(path)
    patience = _Patience()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        while True:
            try:
                response: httpx2.Response = yield Save(call, part)
                if not response.is_success:
                    raise error_of(response)
                if not zipfile.is_zipfile(part):
                    raise UnreachableError("the archive ended too soon.")
                part.replace(path)
                return path
            except (UnreachableError, BusyError) as error:
                yield patience.wait(error)
    finally:
        part.unlink(missing_ok=True)


class _Patience:
    """How often the same was tried in vain, and how long to wait."""

    def __init__(self) -> None:
        self.tries = 1
        self.longest = FIRST_WAIT

    def wait(self, error: ServiceError) -> Sleep:
        """The wait before the next try; raises `error` where that was the last one."""
        asked = error.retry_after or 0.0
        if self.tries >= TRIES or asked > LONGEST_WAIT:
            raise error
        self.tries += 1
        seconds = max(asked, random.uniform(self.longest / 2, self.longest))
        self.longest = min(LONGEST_WAIT, self.longest * 2)
        return Sleep(seconds)


def _open(job_id: str, after: int, silence: float) -> Flow[bool]:
    """Open the stream of events after `after`; returns whether there are any."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": str(after)} if after else {})
    path = f"{calls.get(job_id).path}/events"
    call: Call[None] = Call("GET", path, lambda _: None, headers=headers)
    response: httpx2.Response = yield Open(call, silence)
    if not response.is_success:
        raise error_of(response)
    return response.status_code != 204


def _event(found: httpx2.ServerSentEvent) -> Event | None:
    """The event in a message; None for one that is none of a job."""
    data = found.json() if found.data else None
    if not isinstance(data, dict) or "sequence" not in data:
        return None
    return Event.model_validate({"event": found.event, **data, "data": data})


def _write(folder: Path, name: str, data: bytes) -> Path:
    plain = PurePosixPath(name).name  # never a way out of the folder
    if plain in ("", ".."):
        raise ServiceError(f"{name!r}: is no name of a file.")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / plain
    part = folder / f".{secrets.token_hex(8)}.part"
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _passed(ends: float | None) -> bool:
    return ends is not None and time.monotonic() >= ends
