"""Sessions of browsers that signed in with a key, in the database of the jobs.

Of a session's token only a hash is stored. Any server on the database knows the session.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from ninefold.jobs.tables import TABLES

_SESSIONS = sa.Table(
    "ninefold_sessions",
    TABLES,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(32), nullable=False, index=True),
    #: Milliseconds since the epoch.
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)
_c = _SESSIONS.c
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: Sessions that a key may have at once: its oldest end where more are begun.
_MOST = 100


@dataclass(frozen=True)
class Session:
    """A browser's right to act for a key, until it expires."""

    #: The hash of its token.
    id: str
    key_id: str
    #: Milliseconds since the epoch.
    expires_at: int
    #: What requests that change something must send as well. It is made from the token, which no
    #: page can read, and says nothing of it.
    csrf_token: str

    def is_csrf_token(self, given: str) -> bool:
        """Whether `given` is this session's, compared in constant time."""
        return hmac.compare_digest(self.csrf_token.encode(), given.encode())


class Sessions:
    """The sessions of one database; every method blocks."""

    def __init__(self, engine: sa.Engine, hours: float) -> None:
        """`hours` is how long a session lasts."""
        self._engine, self._lifetime = engine, int(hours * 3_600_000)

    def create(self, key_id: str) -> tuple[Session, str]:
        """A new session of a key, and its token."""
        token = secrets.token_urlsafe(32)
        now = _now()
        session = Session(_hash(token), key_id, now + self._lifetime, _csrf_token(token))
        row = {"hash": session.id, "created_at": now, "expires_at": session.expires_at}
        own = _c.key_id == key_id
        newest = sa.select(_c.hash).where(own).order_by(_c.created_at.desc()).limit(_MOST)
        with self._engine.begin() as connection:
            connection.execute(sa.insert(_SESSIONS).values(key_id=key_id, **row))
            connection.execute(sa.delete(_SESSIONS).where(own, _c.hash.not_in(newest)))
        return session, token

    def find(self, token: str) -> Session | None:
        """The session of this token; None where there is none, or it has expired."""
        if _TOKEN.fullmatch(token) is None:
            return None
        query = sa.select(_SESSIONS).where(_c.hash == _hash(token), _c.expires_at > _now())
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return Session(row.hash, row.key_id, row.expires_at, _csrf_token(token))

    def end(self, session_id: str) -> None:
        """End a session."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SESSIONS).where(_c.hash == session_id))

    def valid(self, session_ids: Collection[str]) -> set[str]:
        """Those of some sessions that have not ended."""
        query = sa.select(_c.hash).where(_c.hash.in_(session_ids), _c.expires_at > _now())
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def expire(self) -> None:
        """Forget those that have expired."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SESSIONS).where(_c.expires_at <= _now()))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _csrf_token(token: str) -> str:
    return hmac.new(token.encode(), b"ninefold csrf", hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time() * 1000)
