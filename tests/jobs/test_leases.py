"""Who lives and who does not, with the clock in the test's hand."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa

from ninefold._version import __version__
from ninefold.core.errors import ConfigError
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.leases import (
    PULSE_TIMEOUT,
    FileLocks,
    Lease,
    _number,
    known_workers,
    locks_for,
)
from ninefold.jobs.tables import WORKERS
from tests.jobs.conftest import Place


class Clock:
    """Time that passes when it is reported to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Town:
    """Leases on one database, all given back in the end."""

    def __init__(self, place: Place) -> None:
        place.data.mkdir()
        self.data = place.data
        self.engine = connect(database_url(place.data, place.database), create=True)
        self.clock = Clock()
        self.leases: list[Lease] = []

    def lease(self, name: str | None = None) -> Lease:
        """A new lease."""
        found = Lease(self.engine, locks_for(self.engine, self.data), name, self.clock)
        self.leases.append(found)
        return found

    def close(self) -> None:
        """Give all back."""
        for lease in self.leases:
            lease.release()
        self.engine.dispose()


@pytest.fixture
def town(place: Place) -> Iterator[Town]:
    found = Town(place)
    yield found
    found.close()


def test_a_name_is_held_by_one_and_free_after(town: Town) -> None:
    first = town.lease("one")
    with pytest.raises(ConfigError, match="running already"):
        town.lease("one")
    first.release()
    town.lease("one").release()


@contextmanager
def _asked(town: Town, name: str) -> Iterator[None]:
    """Somebody looks whether a name is taken, and has not finished."""
    locks = locks_for(town.engine, town.data)
    if isinstance(locks, FileLocks):
        locks.folder.mkdir(exist_ok=True)
        with locks._path(name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield
        return
    with town.engine.connect() as connection:
        connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock_shared(_number(name))))
        yield


def test_who_asks_for_a_name_does_not_keep_it_from_another(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as asking:
        asking.enter_context(_asked(town, "one"))
        monkeypatch.setattr(time, "sleep", lambda _: asking.close())
        assert town.lease("one").name == "one"


def test_nameless_workers_take_the_lowest_number(town: Town) -> None:
    first, second = town.lease(), town.lease()
    assert first.name.endswith("-1")
    assert second.name.endswith("-2")
    first.release()
    assert town.lease().name == first.name


def test_the_living_are_not_dead(town: Town) -> None:
    one, two = town.lease("one"), town.lease("two")
    for _ in range(20):
        one.beat()
        assert two.dead({"one", "two"}) == set()
        town.clock.now += 1.5


def test_one_without_its_lock_is_dead_at_the_second_look(town: Town) -> None:
    one, two = town.lease("one"), town.lease("two")
    one.beat()
    assert two.dead({"one"}) == set()
    one.release()
    assert two.dead({"one"}) == set()
    assert two.dead({"one"}) == {"one"}


def test_one_that_hangs_is_dead_in_time(town: Town) -> None:
    one, two = town.lease("one"), town.lease("two")
    one.beat()
    two.dead({"one"})
    town.clock.now += PULSE_TIMEOUT - 0.1
    assert two.dead({"one"}) == set()
    town.clock.now += 0.2
    assert two.dead({"one"}) == {"one"}
    one.beat()
    assert two.dead({"one"}) == set()


def test_a_worker_tells_which_process_it_is(town: Town) -> None:
    one, two = town.lease("one"), town.lease("two")
    before = time.time() * 1000
    three = Lease(town.engine, locks_for(town.engine, town.data), "three", kind="server")
    town.leases.append(three)
    for lease in (one, two, three):
        lease.beat()
    two.release()
    known = {worker.name: worker for worker in known_workers(town.engine, town.data)}
    assert {name: worker.alive for name, worker in known.items()} == {
        "one": True,
        "three": True,
        "two": False,
    }
    process = known["three"].process
    assert (process.kind, process.version) == ("server", __version__)
    assert (process.host, process.pid) == (socket.gethostname(), os.getpid())
    assert process.started_at is not None
    assert before - 1 <= process.started_at <= time.time() * 1000 + 1
    assert known["one"].process.kind == "library"


def test_the_next_worker_of_a_name_tells_of_itself(town: Town) -> None:
    town.lease("one").beat()
    town.leases.pop().release()
    with town.engine.begin() as connection:
        connection.execute(sa.update(WORKERS).values(host="elsewhere", pid=1))
    lease = Lease(town.engine, locks_for(town.engine, town.data), "one", kind="worker")
    town.leases.append(lease)
    lease.beat()
    [worker] = known_workers(town.engine, town.data)
    assert (worker.process.host, worker.process.pid) == (socket.gethostname(), os.getpid())
    assert worker.process.kind == "worker"
