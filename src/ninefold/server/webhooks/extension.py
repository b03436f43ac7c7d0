"""Webhooks as a part of the server: its routes, what it does in the background, and its checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI

from ninefold.core.errors import InputError
from ninefold.server.auth import Reader, Submitter
from ninefold.server.callers import Caller
from ninefold.server.problems import responses
from ninefold.server.routes.groups import GroupId
from ninefold.server.routes.jobs import JobId
from ninefold.server.service import Service, ServiceDep
from ninefold.server.webhooks import payload
from ninefold.server.webhooks.addresses import UnresolvedError
from ninefold.server.webhooks.dispatcher import Dispatcher
from ninefold.server.webhooks.outbox import Kind, Message, Outbox, add, open_outbox
from ninefold.server.webhooks.schemas import WebhookMessage, WebhookRequest, WebhookSecret
from ninefold.server.webhooks.secrets import secrets_of
from ninefold.server.webhooks.sending import Sender
from ninefold.settings import Settings

router = APIRouter(tags=["webhooks"])

# -- what `Service.submit` asks ---------------------------------------------------------------


async def check(service: Service, request: WebhookRequest) -> None:
    """Raise `InputError` for a webhook that could not be sent: nothing is stored then."""
    try:
        await sender_of(service.settings).check(request.target)
    except UnresolvedError as error:
        if not error.passing:  # else the first try comes later, when it may resolve
            raise InputError(f"webhook.url: {error}") from None
    except InputError as error:
        raise InputError(f"webhook.url: {error}") from None


def message_writer(
    request: WebhookRequest, caller: Caller
) -> Callable[[sa.Connection, Sequence[str]], None]:
    """What stores the messages of new jobs, in the transaction that stores the jobs."""

    def store(connection: sa.Connection, job_ids: Sequence[str]) -> None:
        add(connection, job_ids, request.url, request.target.authority, caller.owner)

    return store


# -- what runs beside -------------------------------------------------------------------------


@asynccontextmanager
async def running(app: FastAPI, service: Service) -> AsyncIterator[None]:
    """Deliver messages for as long as the server runs."""
    outbox = await asyncio.to_thread(open_outbox, service.jobs.store)
    dispatcher = Dispatcher(
        outbox,
        sender_of(service.settings),
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


def install(app: FastAPI, settings: Settings) -> None:
    """Nothing stands around requests."""


def outbox_of(service: Service) -> Outbox:
    """The messages in the database of the service's jobs."""
    return Outbox(service.jobs.store)


def sender_of(settings: Settings) -> Sender:
    """A sender that reaches what the settings allow."""
    return Sender(settings.webhook_allow)


async def _body(service: Service, message: Message) -> bytes:
    settings = service.settings
    base = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    if message.kind == "job":
        return payload.job_payload(await service.jobs.get(message.subject), base)
    return payload.group_payload(await service.jobs.group(message.subject), base)


# -- routes -----------------------------------------------------------------------------------


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


_MESSAGE = _json(
    "The message.",
    {
        "id": "msg_5f0c3d1e9a7b4c2d8e6f1a0b3c5d7e9f",
        "job": "20251124-101500-3f9a1c0d5e2b7a64",
        "group": None,
        "host": "example.com",
        "state": "delivered",
        "tries": 2,
        "status": 204,
        "error": None,
        "next_at": None,
        "delivered_at": "2025-11-24T10:15:08.400+00:00",
    },
)
_SECRET = _json("The secret.", {"secret": "whsec_bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSE="})


@router.get("/v1/webhooks/secret", responses={200: _SECRET, **responses()})
async def webhook_secret(caller: Submitter, service: ServiceDep) -> WebhookSecret:
    """The secret with which receivers verify what this key's jobs send."""
    secrets = await service.call(secrets_of, service.settings, service.keys, caller.owner)
    return WebhookSecret(secret=secrets[0])


@router.get("/v1/jobs/{job_id}/webhook", responses={200: _MESSAGE, **responses(404)})
async def job_webhook(caller: Reader, service: ServiceDep, job_id: JobId) -> WebhookMessage:
    """The message of a job's webhook, and how its delivery stands."""
    await service.job(caller, job_id)
    return await _told(service, outbox_of(service).message, "job", job_id)


@router.get("/v1/groups/{group_id}/webhook", responses={200: _MESSAGE, **responses(404)})
async def group_webhook(caller: Reader, service: ServiceDep, group_id: GroupId) -> WebhookMessage:
    """The message of a group's webhook, and how its delivery stands."""
    await service.group(caller, group_id)
    return await _told(service, outbox_of(service).message, "group", group_id)


@router.post(
    "/v1/jobs/{job_id}/webhook/replay",
    status_code=202,
    responses={202: _MESSAGE, **responses(404, 409)},
)
async def replay_job_webhook(
    caller: Submitter, service: ServiceDep, job_id: JobId
) -> WebhookMessage:
    """Send the message of a job's webhook again, with the same `webhook-id`."""
    await service.job(caller, job_id)
    return await _told(service, outbox_of(service).replay, "job", job_id)


@router.post(
    "/v1/groups/{group_id}/webhook/replay",
    status_code=202,
    responses={202: _MESSAGE, **responses(404, 409)},
)
async def replay_group_webhook(
    caller: Submitter, service: ServiceDep, group_id: GroupId
) -> WebhookMessage:
    """Send the message of a group's webhook again, with the same `webhook-id`."""
    await service.group(caller, group_id)
    return await _told(service, outbox_of(service).replay, "group", group_id)


async def _told(
    service: Service, ask: Callable[[Kind, str], Message], kind: Kind, subject: str
) -> WebhookMessage:
    found = await service.call(ask, kind, subject)
    return WebhookMessage.model_validate(found.to_json())
