"""Rates of keys: token buckets that all servers on a database share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ninefold.jobs.database import connect, database_url
from ninefold.server.problems import RateLimitedError
from ninefold.server.rates import OwnRates, Rates
from tests.jobs.conftest import Place, place, postgres_server
from tests.server.conftest import Open

__all__ = ["place", "postgres_server"]


@pytest.fixture
def engine(place: Place) -> Iterator[sa.Engine]:
    place.data.mkdir(exist_ok=True)
    found = connect(database_url(place.data, place.database), create=True)
    yield found
    found.dispose()


def _taken(rates: Rates, most: int, **options: float) -> int:
    """How many requests are let through at once."""
    for number in range(most):
        try:
            rates.take("a", **options)
        except RateLimitedError:
            return number
    return most


def test_two_servers_let_through_what_one_does(engine: sa.Engine) -> None:
    one, other = Rates(engine, rate=0.01, burst=5), Rates(engine, rate=0.01, burst=5)
    for rates in (one, other, one, other, one):
        rates.take("a")
    with pytest.raises(RateLimitedError) as caught:
        other.take("a")
    assert 90 <= caught.value.retry_after <= 100
    other.take("b")
    one.close()
    other.close()


@pytest.mark.parametrize("skew", [1e6, -1e6])
def test_a_server_whose_clock_is_wrong_fills_no_bucket(
    skew: float, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("all servers on one file have one clock")
    right, wrong = Rates(engine, rate=0.01, burst=4), Rates(engine, rate=0.01, burst=4)
    real = time.time

    def take(rates: Rates) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda: real() + (skew if rates is wrong else 0.0))
            rates.take("a")

    for rates in (right, wrong, right, wrong):
        take(rates)
    for rates in (right, wrong):
        with pytest.raises(RateLimitedError) as caught:
            take(rates)
        assert 0 < caught.value.retry_after <= 100


def test_a_bucket_fills_again(engine: sa.Engine) -> None:
    rates = Rates(engine, rate=2, burst=4)
    assert _taken(rates, 4) == 4
    time.sleep(1.2)
    other = Rates(engine, rate=2, burst=4)  # a server that has just started
    assert 1 <= _taken(other, 4) <= 4
    rates.close()
    other.close()


def test_a_key_may_have_a_rate_of_its_own(engine: sa.Engine) -> None:
    rates = Rates(engine, rate=100, burst=200)
    assert _taken(rates, 50, rate=0.5) == 1
    rates.close()


def test_many_at_once_are_counted_one_by_one(engine: sa.Engine) -> None:
    servers = [Rates(engine, rate=0.001, burst=20) for _ in range(4)]
    let_through: list[int] = []
    threads = [
        threading.Thread(target=lambda rates=rates: let_through.append(_taken(rates, 20)))
        for rates in servers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let_through) == 20
    for rates in servers:
        rates.close()


def test_a_bucket_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    rates = OwnRates()
    for _ in range(4):
        rates.take("a", 2, 4)
    with pytest.raises(RateLimitedError) as caught:
        rates.take("a", 2, 4)
    assert caught.value.retry_after == pytest.approx(0.5)
    now[0] = 0.5
    rates.take("a", 2, 4)
    with pytest.raises(RateLimitedError):
        rates.take("a", 2, 4)
    now[0] = 100.0
    for _ in range(4):
        rates.take("a", 2, 4)
    with pytest.raises(RateLimitedError):
        rates.take("a", 2, 4)


def test_a_database_that_is_away_lets_nobody_in(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = open_door(worker=False)
    headers = door.headers()

    def away(*_: object) -> None:
        raise sa.exc.OperationalError("UPDATE", {}, Exception("server closed the connection"))

    monkeypatch.setattr(door.service.access.rates, "_take", away)
    answer = door.client.get("/v1/jobs", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    # Where the database is, and what its driver says of it, is nobody's business.
    assert "Try again in a moment" in answer.json()["detail"]
    assert "ninefold.db" not in answer.text
    assert "server closed" not in answer.text
    monkeypatch.setattr(door.service.keys, "find", away)
    assert door.client.get("/v1/jobs", headers=headers).status_code == 503
    monkeypatch.setattr(door.service.keys, "_ever", False)
    monkeypatch.setattr(door.service.keys, "ever", away)
    assert door.client.get("/v1/jobs").status_code == 503


def test_a_full_disk_leaves_the_servers_own_bucket(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be read is read, and what is deleted makes room; but not without a limit."""
    door = open_door(worker=False, rate=0.01, burst=3)
    headers = door.headers()

    def full(*_: object) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(door.service.access.rates, "_take", full)
    found = [door.client.get("/v1/jobs", headers=headers).status_code for _ in range(4)]
    assert found == [200, 200, 200, 429]
