"""Delivers what the outbox holds, for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from ninefold.core.errors import NotFoundError, StorageError
from ninefold.server.webhooks import signing
from ninefold.server.webhooks.outbox import Message, Outbox
from ninefold.server.webhooks.sending import Answer, DeliveryError, Sender, Target

#: Seconds between two looks at what has ended.
WATCH = 0.5
#: Seconds between two looks for messages of deleted jobs.
TIDY = 600.0
#: Messages on their way at once, and to one host: one that is slow does not hold up the others.
MOST, MOST_PER_HOST = 32, 4

_log = logging.getLogger(__name__)

#: The body of a message; raises `NotFoundError` where its job is gone.
Write = Callable[[Message], Awaitable[bytes]]
#: The secrets that sign for an owner, the present one first. Blocks.
SecretsOf = Callable[[str | None], tuple[str, ...]]


class Dispatcher:
    """Looks, claims, signs, sends and notes, until it is cancelled."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        write: Write,
        secrets_of: SecretsOf,
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._write = write
        self._secrets_of = secrets_of
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidied = 0.0

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is cut, and tried again later."""
        try:
            while True:
                try:
                    await self._look()
                except (SQLAlchemyError, StorageError) as error:  # away: it may come back
                    _log.warning("webhooks: the database does not answer: %s", error)
                await asyncio.sleep(WATCH)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        if time.monotonic() - self._tidied > TIDY:
            await asyncio.to_thread(self._outbox.forget)
            self._tidied = time.monotonic()
        await asyncio.to_thread(self._outbox.release)
        while (free := MOST - len(self._tasks)) > 0:
            busy = [host for host, count in self._under_way.items() if count >= MOST_PER_HOST]
            messages = await asyncio.to_thread(self._outbox.claim, free, busy)
            if not messages:
                return
            for message in messages:
                self._under_way[message.host] += 1
                task = asyncio.create_task(self._deliver(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: Message) -> None:
        try:
            outcome = await self._try(message)
            noted = await asyncio.to_thread(self._outbox.note, message, outcome)
        except NotFoundError:  # deleted meanwhile; the message goes with the next tidying
            return
        except SQLAlchemyError as error:  # counted as made: it is tried again later
            _log.warning("webhooks: %s: the outcome was not noted: %s", message.id, error)
            return
        except Exception:
            _log.exception("webhooks: %s: could not be sent", message.id)
            return
        finally:
            self._under_way[message.host] -= 1
            if not self._under_way[message.host]:
                del self._under_way[message.host]
        if noted.state == "failed":
            reason = noted.error or f"status {noted.status}"
            _log.warning(
                "webhooks: %s of %s %s to %s was given up after %d tries: %s",
                *(message.id, message.kind, message.subject, message.host, noted.tries, reason),
            )

    async def _try(self, message: Message) -> Answer | str:
        body = await self._write(message)
        secrets = await asyncio.to_thread(self._secrets_of, message.owner)
        headers = signing.headers(secrets, message.id, int(time.time()), body)
        try:
            return await self._sender.post(Target.parse(message.url), headers, body)
        except DeliveryError as error:
            return str(error)
