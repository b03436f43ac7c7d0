"""Whoever sends requests, and what is theirs."""

from __future__ import annotations

from dataclasses import dataclass

from ninefold.server.keys import SCOPES, Key, Scope
from ninefold.server.sessions import Session


@dataclass(frozen=True)
class Sender:
    """What a request rests on: when it ends, so does the request."""

    #: None for who needs no key.
    key_id: str | None
    session_id: str | None = None


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request."""

    #: None for the one who needs no key.
    key: Key | None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    #: Of a browser that signed in with the key.
    session: Session | None = None

    @property
    def owner(self) -> str | None:
        """Whose the jobs are that it submits."""
        return self.key.id if self.key is not None else None

    @property
    def sender(self) -> Sender:
        """What its requests rest on."""
        return Sender(self.owner, self.session.id if self.session is not None else None)

    @property
    def sees_all(self) -> bool:
        """Whether it sees jobs of others, too."""
        return "admin" in self.scopes

    def may_see(self, owner: str | None) -> bool:
        """Whether what belongs to `owner` is there for it."""
        return self.sees_all or (owner is not None and owner == self.owner)

    def may(self, scope: Scope) -> bool:
        """Whether it has this scope; admin has all."""
        return scope in self.scopes or self.sees_all


LOCAL = Caller(None)
