"""Requests that are under way, by who sent them: when a key is revoked, its own end, and with a
session those of the session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

from ninefold.core.errors import StorageError
from ninefold.server.callers import Sender

#: Seconds between two looks for keys and sessions that ended, while requests are under way.
PAUSE = 0.3


class OpenRequest:
    """One request; used on the event loop alone."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self._revoked = asyncio.Event()
        self._call: Callable[[], None] | None = None
        self._kept = False

    @property
    def revoked(self) -> bool:
        """Whether its sender may have no answer any more."""
        return self._revoked.is_set()

    async def wait(self) -> None:
        """Returns once it is revoked."""
        await self._revoked.wait()

    def on_revoked(self, call: Callable[[], None]) -> None:
        """Have `call` called when it is revoked."""
        self._call = call

    def keep(self) -> None:
        """Have it answered whatever becomes of its sender: it changes that itself."""
        self._kept = True

    def revoke(self) -> None:
        """End it, unless it is kept."""
        if not self.revoked and not self._kept:
            self._revoked.set()
            if self._call is not None:
                self._call()


class OpenRequests:
    """All requests of one server; used on its event loop alone."""

    def __init__(self) -> None:
        self._open: dict[Sender, set[OpenRequest]] = {}
        self._any = asyncio.Event()

    @contextmanager
    def opened(self, sender: Sender) -> Iterator[OpenRequest]:
        """A request for as long as the block lasts."""
        request = OpenRequest(sender)
        mine = self._open.setdefault(sender, set())
        mine.add(request)
        self._any.set()
        try:
            yield request
        finally:
            mine.discard(request)
            if not mine and self._open.get(sender) is mine:
                del self._open[sender]
            if not self._open:
                self._any.clear()

    async def watch(
        self, revoked_of: Callable[[Collection[Sender]], Awaitable[Collection[Sender]]]
    ) -> None:
        """End the requests of senders that `revoked_of` gives back, until cancelled."""
        while True:
            await self._any.wait()
            await asyncio.sleep(PAUSE)
            try:
                gone = await revoked_of(tuple(self._open))
            except StorageError:  # away: the next look may do better
                continue
            for sender in gone:
                for request in tuple(self._open.get(sender, ())):
                    request.revoke()
