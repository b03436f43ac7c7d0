"""How many requests a key may make: a token bucket for each, shared by all servers."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ninefold.jobs.database import engine_for_steps
from ninefold.jobs.tables import TABLES
from ninefold.server.problems import RateLimitedError

_BUCKETS = sa.Table(
    "ninefold_rates",
    TABLES,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("tokens", sa.Float(53), nullable=False),
    #: When that was, in seconds since the epoch, by the database's clock.
    sa.Column("at", sa.Float(53), nullable=False),
)
#: Buckets that a process keeps; a key that was not seen for so long has a full one anyway.
_KEPT = 10_000
#: What SQLite says where a disk is full or the file cannot be written, and reading goes on.
_UNWRITABLE = ("disk is full", "disk I/O error", "readonly database")

_log = logging.getLogger(__name__)


class Rates:
    """Token buckets by name: `burst` requests at once, `rate` a second in the long run.

    A request takes a token of the process's own bucket first, which saves the database those that
    are too many anyway, and then of the one that all servers share. Every method blocks.
    """

    def __init__(self, engine: sa.Engine, rate: float, burst: int) -> None:
        # A bucket may be lost with the power: it is full again then.
        self._engine = engine_for_steps(engine)
        self._shared = self._engine is engine
        self._rate, self._burst = rate, burst
        self._own = OwnRates()

    def take(self, name: str, rate: float | None = None) -> None:
        """Count a request; raises `RateLimitedError` where it is one too many."""
        rate = self._rate if rate is None else rate
        burst = max(1.0, min(self._burst, rate * self._burst / self._rate))
        self._own.take(name, rate, burst)
        try:
            left = self._take(name, rate, burst)
        except sa.exc.OperationalError as error:
            # What can still be read is still served, and room made by deleting: by the process's
            # own bucket alone.
            if not any(part in str(error.orig) for part in _UNWRITABLE):
                raise
            _log.warning("rates: counted by this process alone: %s", error.orig)
            return
        if left is not None:
            raise RateLimitedError((1 - left) / rate)

    def close(self) -> None:
        """Give its own connections back."""
        if not self._shared:
            self._engine.dispose()

    def _take(self, name: str, rate: float, burst: float) -> float | None:
        """Take a token; where there is none, the part of one that is left."""
        postgres = self._engine.dialect.name == "postgresql"
        insert = (postgresql if postgres else sqlite).insert(_BUCKETS)
        least, most = (sa.func.least, sa.func.greatest) if postgres else (sa.func.min, sa.func.max)
        # One clock for all: that of the database's server, or of the one machine with the file.
        now: sa.ColumnElement[float] = (
            sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float(53))
            if postgres
            else sa.literal(time.time(), sa.Float(53))
        )
        passed = most(now - _BUCKETS.c.at, 0.0)  # a clock that was put back fills nothing
        tokens = least(_BUCKETS.c.tokens + passed * rate, burst)
        taken = insert.values(name=name, tokens=burst - 1, at=now).on_conflict_do_update(
            index_elements=[_BUCKETS.c.name],
            set_={"tokens": tokens - 1, "at": now},
            where=tokens >= 1,
        )
        own = _BUCKETS.c.name == name
        with self._engine.begin() as connection:
            if postgres:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
            if connection.execute(taken.returning(_BUCKETS.c.name)).first() is not None:
                return None
            return float(connection.execute(sa.select(tokens).where(own)).scalar_one())


class OwnRates:
    """Token buckets of one process; may be used from any thread."""

    def __init__(self) -> None:
        #: Tokens left and when that was, by name; the least recently used first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, rate: float, burst: float) -> None:
        """Count a request; raises `RateLimitedError` where it is one too many."""
        with self._lock:
            now = time.monotonic()
            tokens, then = self._buckets.pop(name, (burst, now))
            tokens = min(burst, tokens + (now - then) * rate)
            self._buckets[name] = (tokens if tokens < 1 else tokens - 1, now)
            while len(self._buckets) > _KEPT:
                self._buckets.popitem(last=False)
        if tokens < 1:
            raise RateLimitedError((1 - tokens) / rate)
