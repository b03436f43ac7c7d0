"""API keys, in the database of the jobs: of each only a hash, and what it may do."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from ninefold.core.errors import InputError, NotFoundError
from ninefold.jobs.tables import TABLES

Scope = Literal["submit", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEYS = sa.Table(
    "ninefold_keys",
    TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("scopes", sa.String(100), nullable=False),
    sa.Column("rate", sa.Float),
    sa.Column("max_queued", sa.Integer),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.Column("revoked_at", sa.String(32)),
)
_SECRETS = sa.Table(
    "ninefold_secrets",
    TABLES,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(64), nullable=False),
)
_TOKEN = re.compile(r"nf_([a-z2-7]{10})_[A-Za-z0-9_-]{43}")
#: A key in a text, whole or cut off.
_IN_TEXT = re.compile(r"(nf_[a-z2-7]{10}_)[A-Za-z0-9_-]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True)
class Key:
    """What is known of a key; the key itself is known to its holder alone."""

    id: str
    name: str
    scopes: frozenset[Scope]
    #: ISO 8601, UTC.
    created_at: str
    revoked_at: str | None = None
    #: Its own limits, where they are not the settings'.
    rate: float | None = None
    max_queued: int | None = None

    @property
    def prefix(self) -> str:
        """How the key begins: enough to know it by, not to use it."""
        return f"nf_{self.id}"

    def to_json(self) -> dict[str, Any]:
        """As the API and the command line show it."""
        return {
            "id": self.id,
            "prefix": self.prefix,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "rate": self.rate,
            "max_queued": self.max_queued,
            "created_at": self.created_at,
            "revoked_at": self.revoked_at,
        }


class Keys:
    """The keys of one database; every method blocks."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        #: Whether a key was found once: one that was made is never forgotten.
        self._ever = False

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        rate: float | None = None,
        max_queued: int | None = None,
    ) -> tuple[Key, str]:
        """A new key, and its text, which nobody can ever see again; raises `InputError`."""
        if not _NAME.fullmatch(name):
            raise InputError(f"name: expected 1 to 100 visible characters, got {name!r}.")
        granted = frozenset(scopes)
        if not granted:
            raise InputError(f"scopes: expected at least one of {', '.join(SCOPES)}, got none.")
        key = Key(
            "".join(secrets.choice(_LETTERS) for _ in range(10)),
            name,
            granted,
            _now(),
            rate=rate,
            max_queued=max_queued,
        )
        token = f"{key.prefix}_{secrets.token_urlsafe(32)}"
        values = {
            "id": key.id,
            "hash": _hash(token),
            "name": name,
            "scopes": " ".join(sorted(granted)),
            "rate": rate,
            "max_queued": max_queued,
            "created_at": key.created_at,
        }
        with self._engine.begin() as connection:
            connection.execute(sa.insert(_KEYS).values(**values))
        return key, token

    def find(self, token: str) -> Key | None:
        """The key of this text; None where there is none, or it was revoked."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        query = sa.select(_KEYS).where(_KEYS.c.id == match.group(1))
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        # A key is random, 256 bits: a plain hash reveals nothing of it, and no salt makes it safer.
        if row is None or not hmac.compare_digest(row.hash, _hash(token)):
            return None
        key = _key(row)
        return key if key.revoked_at is None else None

    def get(self, key_id: str) -> Key | None:
        """The key of this id; None where there is none, or it was revoked."""
        query = sa.select(_KEYS).where(_KEYS.c.id == key_id, _KEYS.c.revoked_at.is_(None))
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _key(row)

    def any(self) -> bool:
        """Whether there is a key that is not revoked."""
        query = sa.select(_KEYS.c.id).where(_KEYS.c.revoked_at.is_(None)).limit(1)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def ever(self) -> bool:
        """Whether there ever was a key, revoked or not."""
        if not self._ever:
            with self._engine.connect() as connection:
                found = connection.execute(sa.select(_KEYS.c.id).limit(1)).first()
            self._ever = found is not None
        return self._ever

    def valid(self, key_ids: Collection[str]) -> set[str]:
        """Those of some keys that are not revoked."""
        own = _KEYS.c.id.in_(key_ids) & _KEYS.c.revoked_at.is_(None)
        with self._engine.connect() as connection:
            return set(connection.scalars(sa.select(_KEYS.c.id).where(own)))

    def list(self) -> list[Key]:
        """Every key, the oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_KEYS).order_by(_KEYS.c.created_at, _KEYS.c.id))
            return [_key(row) for row in rows]

    def revoke(self, name: str) -> Key:
        """End a key, named by its prefix, its id or the whole key; raises `NotFoundError`."""
        key_id = name.removeprefix("nf_").partition("_")[0]
        this = _KEYS.c.id == key_id
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(_KEYS).where(this, _KEYS.c.revoked_at.is_(None)).values(revoked_at=_now())
            )
            row = connection.execute(sa.select(_KEYS).where(this)).first()
        if row is None:
            raise NotFoundError("no key begins like this. List them with: ninefold keys list")
        return _key(row)

    def secret(self, name: str) -> bytes:
        """A secret that all servers on the database share, made when it is first asked for."""
        query = sa.select(_SECRETS.c.value).where(_SECRETS.c.name == name)
        with self._engine.connect() as connection:
            value = connection.execute(query).scalar()
        if value is None:
            try:
                with self._engine.begin() as connection:
                    made = {"name": name, "value": secrets.token_hex(32)}
                    connection.execute(sa.insert(_SECRETS).values(**made))
            except sa.exc.IntegrityError:
                pass  # another server was quicker
            with self._engine.connect() as connection:
                value = connection.execute(query).scalar_one()
        return bytes.fromhex(value)


def without_keys(text: str) -> str:
    """`text` with no more of each key in it than enough to know it by."""
    return _IN_TEXT.sub(r"\1…", text)


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    known = row._mapping
    return Key(
        known["id"],
        known["name"],
        frozenset(scope for scope in SCOPES if scope in known["scopes"].split()),
        known["created_at"],
        known["revoked_at"],
        known["rate"],
        known["max_queued"],
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
