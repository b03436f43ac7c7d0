"""Routes of webhooks: their messages, sending them again, and the secret that signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Path, Query

from ninefold.core.errors import NotFoundError
from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.parameters import GroupId, JobId
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.server.webhooks.outbox import Kind, Message, Outbox, State
from ninefold.server.webhooks.schemas import WebhookList, WebhookMessage, WebhookSecret
from ninefold.server.webhooks.secrets import secrets_of

router = Router(tags=["webhooks"])


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
_MESSAGES = _json(
    "The messages.", {"webhooks": [_MESSAGE["content"]["application/json"]["example"]]}
)
_SECRET = _json("The secret.", {"secret": "whsec_bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSE="})


@router.get("/v1/webhooks", responses={200: _MESSAGES, **responses()})
async def list_webhooks(
    caller: Reader,
    service: ServiceDep,
    state: Annotated[list[State], Query(description="Of these states alone.")] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> WebhookList:
    """How deliveries stand, the latest first: the caller's, or all for an admin."""
    owner = None if caller.sees_all else caller.owner
    found = await service.call(Outbox(service.jobs.store).list, state, limit, owner)
    return WebhookList(
        webhooks=[WebhookMessage.model_validate(message.to_json()) for message in found]
    )


@router.post(
    "/v1/webhooks/{message_id}/retry",
    status_code=202,
    responses={202: _MESSAGE, **responses(404, 409)},
)
async def retry_webhook(
    caller: Submitter,
    service: ServiceDep,
    message_id: Annotated[str, Path(pattern="^msg_[0-9a-f]{32}$")],
) -> WebhookMessage:
    """Send a message again, with the same `webhook-id`, from the first try on."""
    outbox = Outbox(service.jobs.store)
    message = await service.call(outbox.find, message_id)
    if not caller.may_see(message.owner):
        raise NotFoundError(f"no message is called {message_id!r}.")
    return await _message(service, outbox.replay, message.kind, message.subject)


@router.get("/v1/webhooks/secret", responses={200: _SECRET, **responses()})
async def webhook_secret(caller: Submitter, service: ServiceDep) -> WebhookSecret:
    """The secret with which receivers verify what this key's jobs send."""
    secrets = await service.call(secrets_of, service.settings, service.keys, caller.owner)
    return WebhookSecret(secret=secrets[0])


@router.get("/v1/jobs/{job_id}/webhook", responses={200: _MESSAGE, **responses(404)})
async def job_webhook(caller: Reader, service: ServiceDep, job_id: JobId) -> WebhookMessage:
    """The message of a job's webhook, and how its delivery stands."""
    await service.job(caller, job_id)
    return await _message(service, Outbox(service.jobs.store).message, "job", job_id)


@router.get("/v1/groups/{group_id}/webhook", responses={200: _MESSAGE, **responses(404)})
async def group_webhook(caller: Reader, service: ServiceDep, group_id: GroupId) -> WebhookMessage:
    """The message of a group's webhook, and how its delivery stands."""
    await service.group(caller, group_id)
    return await _message(service, Outbox(service.jobs.store).message, "group", group_id)


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
    return await _message(service, Outbox(service.jobs.store).replay, "job", job_id)


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
    return await _message(service, Outbox(service.jobs.store).replay, "group", group_id)


async def _message(
    service: Service, ask: Callable[[Kind, str], Message], kind: Kind, subject: str
) -> WebhookMessage:
    found = await service.call(ask, kind, subject)
    return WebhookMessage.model_validate(found.to_json())
