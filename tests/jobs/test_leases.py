"""Who lives and who does not, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ninefold.core.errors import ConfigError
from ninefold.jobs.database import connect, database_url
from ninefold.jobs.leases import PULSE_TIMEOUT, Lease, locks_for
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
