"""What a worker may still write of a job that others may have taken over meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ninefold.core.atomic import check_may_write, link_all, write_atomic
from ninefold.core.turns import Turn
from ninefold.jobs.runtime import CERTAIN, Claim, JobRequeued, Runtime

LONG = 60.0


class RefusedError(Exception):
    pass


def refuse() -> None:
    raise RefusedError


def test_a_file_whose_writing_is_refused_stays_as_it_was(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    write_atomic(path, b"old")
    other.write_bytes(b"other")
    outer = check_may_write.set(refuse)
    try:
        with pytest.raises(RefusedError):
            write_atomic(path, b"new")
        with pytest.raises(RefusedError):
            link_all([(other, path)])
    finally:
        check_may_write.reset(outer)
    assert path.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [path, other]


def checked(runtime: Runtime, claim: Claim) -> tuple[threading.Thread, list[str]]:
    """A thread that asks whether the claim is held, and what it learned."""
    learned: list[str] = []

    def check() -> None:
        try:
            runtime.check_held(claim)
            learned.append("held")
        except JobRequeued:
            learned.append("lost")

    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    return thread, learned


def test_a_worker_with_a_pulse_writes_at_once(tmp_path: Path) -> None:
    Runtime(tmp_path).check_held(Claim(1, Turn()))


@pytest.mark.parametrize("lost", [False, True])
def test_a_worker_that_was_frozen_makes_sure_first(tmp_path: Path, lost: bool) -> None:
    runtime, claim = Runtime(tmp_path), Claim(1, Turn())
    runtime.compared((), time.monotonic() - CERTAIN - 1)
    thread, learned = checked(runtime, claim)
    thread.join(0.05)
    assert learned == []
    runtime.compared([claim] if lost else (), time.monotonic())
    thread.join(LONG)
    assert learned == ["lost" if lost else "held"]


def test_an_old_run_of_a_job_that_was_taken_anew_leaves_the_new_claim(tmp_path: Path) -> None:
    runtime = Runtime(tmp_path)
    runtime.take("job", 1, 1, 1)
    old = runtime.active["job"]
    runtime.take("job", 2, 1, 1)
    new = runtime.active["job"]
    runtime.drop("job", old)
    assert runtime.active == {"job": new}
    runtime.drop("job", new)
    assert runtime.active == {}
