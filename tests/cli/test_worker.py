"""`ninefold worker` and `jobs watch` as processes: stopped, interrupted, robbed of a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninefold.jobs import worker
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.leases import Lease, known_workers
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused
from tests.cli.test_interrupt import started
from tests.cli.test_jobs import DRAFT, drain, listed, submitted
from tests.cli.test_progress import read_all
from tests.forked import Forked


def test_a_worker_whose_name_is_lost_stops(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = iter([True])
    monkeypatch.setattr(worker, "WATCH", 0.05)
    monkeypatch.setattr(Lease, "beat", lambda _: next(beats, False))
    lost = cli("worker", "--name", "mine")
    assert lost.code == 1
    assert "error: another worker took the name 'mine'" in lost.err


def test_a_worker_announces_its_process(at_work: tuple[str, Forked], tmp_path: Path) -> None:
    _, process = at_work
    data = tmp_path / "ninefold-data"
    engine = connect(database_url(data, None), create=False)
    try:
        [found] = known_workers(engine, data)
    finally:
        engine.dispose()
    assert (found.name, found.alive) == ("mine", True)
    assert (found.process.kind, found.process.pid) == ("worker", process.pid)


@pytest.fixture
def at_work(cli: Cli, tmp_path: Path) -> Iterator[tuple[str, Forked]]:
    """A slow job, and the process of the worker that runs it."""
    job = submitted(cli, "submit", "a house", *DRAFT, "--set", "text_to_image.steps=200")
    process = started(tmp_path, "worker", "--name", "mine", "--grace", 0.1)
    try:
        while listed(cli)[job] != "running":
            assert process.poll() is None
            time.sleep(0.1)
        yield job, process
    finally:
        process.kill()
        process.communicate()


def test_stopping_a_worker_hands_its_jobs_back(cli: Cli, at_work: tuple[str, Forked]) -> None:
    job, process = at_work
    refused(cli("worker", "--name", "mine"), "'mine' is running already", "--name")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert "Stopping" in err
    assert listed(cli) == {job: "queued"}
    drain(cli)
    assert "begins again: its worker stopped" in cli("jobs", "watch", job).err


def test_ctrl_c_stops_watching_and_not_the_job(
    cli: Cli, tmp_path: Path, at_work: tuple[str, Forked]
) -> None:
    job, _ = at_work
    watcher = started(tmp_path, "jobs", "watch", job)
    assert watcher.stderr is not None
    assert "prompt" in watcher.stderr.readline()
    watcher.send_signal(signal.SIGINT)
    out, err = watcher.communicate(timeout=60)
    assert (watcher.returncode, out) == (130, "")
    assert f"The job goes on. To watch again: ninefold jobs watch {job}" in err
    assert "Traceback" not in err
    assert listed(cli) == {job: "running"}


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_watch_shows_a_bar_on_a_terminal(tmp_path: Path, at_work: tuple[str, Forked]) -> None:
    import pty

    job, _ = at_work
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ninefold", "jobs", "watch", job]
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = ""
        while "of 200" not in shown:
            shown += os.read(ours, 65536).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        read_all(ours)
    os.close(ours)
    assert process.returncode == 130
    assert "[2/3] text_to_image" in shown
