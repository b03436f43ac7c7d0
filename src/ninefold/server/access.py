"""Who is let in, as the database has it: keys, sessions of browsers, and the rates of both."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from ninefold.jobs.database import in_thread
from ninefold.server.callers import Sender
from ninefold.server.keys import Key, Keys
from ninefold.server.loopback import is_loopback
from ninefold.server.problems import UnauthorizedError
from ninefold.server.rates import OwnRates, Rates
from ninefold.server.sessions import Session, Sessions
from ninefold.settings import Settings

#: Wrong keys, of all who try to sign in, that one server answers at once and a second. A right key
#: is taken whatever others tried: nobody locks anybody out, and 256 bits are not guessed.
_WRONG_AT_ONCE, _WRONG_RATE = 20, 1.0


class Access:
    """Looks up who sends requests; open for as long as the server runs."""

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        self.settings = settings
        self._engine = engine
        self.keys = Keys(engine)
        self.sessions = Sessions(engine, settings.session_hours)
        self.rates = Rates(engine, settings.rate, settings.burst)
        self._wrong = OwnRates()

    async def keyless(self) -> bool:
        """Whether requests may come without a key: none was ever made.

        Once there was one, nobody is served without, though it be revoked. Without keys, an address
        that others can reach is served only where the settings say `insecure`.
        """
        open_to_all = self.settings.insecure or is_loopback(self.settings.host)
        return open_to_all and not await in_thread(self._engine, self.keys.ever)

    async def identify(self, token: str) -> Key | None:
        """The key of this text, whose request is counted; None for a wrong or revoked one.

        Raises `RateLimitedError`.
        """

        def identify() -> Key | None:
            key = self.keys.find(token)
            if key is not None:
                self.rates.take(key.id, key.rate)
            return key

        return await in_thread(self._engine, identify)

    async def count(self, key: Key) -> None:
        """Count a request of a key; raises `RateLimitedError`."""
        await in_thread(self._engine, self.rates.take, key.id, key.rate)

    async def find_session(self, token: str) -> tuple[Session, Key] | None:
        """The session of this token and its key; None where either has ended."""

        def find() -> tuple[Session, Key] | None:
            session = self.sessions.find(token)
            key = None if session is None else self.keys.get(session.key_id)
            return None if session is None or key is None else (session, key)

        return await in_thread(self._engine, find)

    async def sign_in(self, key_text: str, before: str | None) -> tuple[Session, Key, str]:
        """A new session for the key of this text, in place of that of the token `before`; and its
        token.

        Raises `UnauthorizedError`, the same for each wrong key, or `RateLimitedError`.
        """
        key = await self.identify(key_text)
        if key is None:
            self._wrong.take("", _WRONG_RATE, _WRONG_AT_ONCE)
            raise UnauthorizedError("The key is wrong or was revoked. Send another one.")

        def begin() -> tuple[Session, str]:
            ended = None if before is None else self.sessions.find(before)
            if ended is not None:
                self.sessions.end(ended.id)
            return self.sessions.create(key.id)

        session, token = await in_thread(self._engine, begin)
        return session, key, token

    async def sign_out(self, session: Session) -> None:
        """End a session."""
        await in_thread(self._engine, self.sessions.end, session.id)

    async def expire(self) -> None:
        """Forget the sessions that have expired."""
        await in_thread(self._engine, self.sessions.expire)

    async def revoked(self, senders: Collection[Sender]) -> Collection[Sender]:
        """Those senders of requests who may have no answer any more."""
        key_ids = {sender.key_id for sender in senders if sender.key_id is not None}
        session_ids = {sender.session_id for sender in senders if sender.session_id is not None}

        def look() -> tuple[set[str], set[str]]:
            return (
                self.keys.valid(key_ids) if key_ids else set(),
                self.sessions.valid(session_ids) if session_ids else set(),
            )

        keys, sessions = await in_thread(self._engine, look)
        local = any(sender.key_id is None for sender in senders) and await self.keyless()
        return [
            sender
            for sender in senders
            if not (local if sender.key_id is None else sender.key_id in keys)
            or (sender.session_id is not None and sender.session_id not in sessions)
        ]

    def close(self) -> None:
        """Give connections of its own back."""
        self.rates.close()
