"""Webhooks as a part of the server, and as what `Service` is given to announce ends by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa
from fastapi import FastAPI

from ninefold.core.errors import InputError
from ninefold.jobs.admission import WriteWithJobs
from ninefold.server.callers import Caller
from ninefold.server.parts import ServerPart
from ninefold.server.service import Service
from ninefold.server.webhooks import payload, routes
from ninefold.server.webhooks.addresses import UnresolvedError
from ninefold.server.webhooks.dispatcher import Dispatcher
from ninefold.server.webhooks.outbox import Message, Outbox, add
from ninefold.server.webhooks.schemas import WebhookRequest
from ninefold.server.webhooks.secrets import secrets_of
from ninefold.server.webhooks.sending import Sender
from ninefold.settings import Settings


class Webhooks:
    """A `WebhookWriter`: checks where messages may go, and stores them with the jobs."""

    def __init__(self, settings: Settings) -> None:
        self._sender = _sender_of(settings)

    async def check(self, request: WebhookRequest) -> None:
        """Raise `InputError` for a webhook that could not be sent: nothing is stored then."""
        try:
            await self._sender.check(request.target)
        except UnresolvedError as error:
            if not error.passing:  # else the first try comes later, when it may resolve
                raise InputError(f"webhook.url: {error}") from None
        except InputError as error:
            raise InputError(f"webhook.url: {error}") from None

    def writer(self, request: WebhookRequest, caller: Caller) -> WriteWithJobs:
        """What stores the messages of new jobs, in the transaction that stores the jobs."""

        def write(connection: sa.Connection, job_ids: Sequence[str]) -> None:
            add(connection, job_ids, request.url, request.target.authority, caller.owner)

        return write


class WebhooksPart(ServerPart):
    """Delivers messages for as long as the server runs."""

    router = routes.router

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
        """Open the outbox, and deliver what is due."""
        outbox = Outbox(service.jobs.store)
        dispatcher = Dispatcher(
            outbox,
            _sender_of(service.settings),
            lambda message: _body(service, message),
            lambda owner: secrets_of(service.settings, service.keys, owner),
        )
        task = asyncio.create_task(dispatcher.run(), name="ninefold-webhooks")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _sender_of(settings: Settings) -> Sender:
    """A sender that reaches what the settings allow."""
    return Sender(settings.webhook_allow)


async def _body(service: Service, message: Message) -> bytes:
    settings = service.settings
    base = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    if message.kind == "job":
        return payload.job_payload(await service.jobs.get(message.subject), base)
    return payload.group_payload(await service.jobs.group(message.subject), base)
