"""`/v1/keys`: made, listed and revoked by admins, as `ninefold keys` does."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ninefold.server.dependencies import Admin, ServiceDep
from ninefold.server.keys import Scope
from ninefold.server.open_requests import OpenRequest
from ninefold.server.problems import responses
from ninefold.server.router import Router

router = Router(prefix="/v1/keys", tags=["keys"])

_EXAMPLE: dict[str, Any] = {
    "id": "abcdefghij",
    "prefix": "nf_abcdefghij",
    "name": "printer",
    "scopes": ["read", "submit"],
    "rate": None,
    "max_queued": 5,
    "created_at": "2025-11-24T10:14:00+00:00",
    "revoked_at": None,
}


class KeyRequest(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "printer", "max_queued": 5}]}
    )

    name: str = Field(max_length=100, description="Whose key it is, or what for.")
    scopes: list[Scope] = Field(["submit", "read"], min_length=1, description="What it may do.")
    rate: float | None = Field(
        None, ge=0.01, le=1e6, description="Requests a second; by default the server's."
    )
    max_queued: PositiveInt | None = Field(
        None, le=2**31 - 1, description="Jobs that may wait; by default the server's."
    )


class KeyDocument(BaseModel):
    """What is known of a key."""

    id: str
    prefix: str = Field(description="How the key begins.")
    name: str
    scopes: list[Scope]
    rate: float | None = None
    max_queued: int | None = None
    created_at: str
    revoked_at: str | None = None


class NewKeyDocument(KeyDocument):
    """A key that was just made."""

    key: str = Field(description="The key. Keep it now: no other answer holds it.")


class KeyList(BaseModel):
    """All keys."""

    keys: list[KeyDocument]


def _example(description: str, document: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": document}}}


@router.get(
    "",
    responses={200: _example("The keys, the oldest first.", {"keys": [_EXAMPLE]}), **responses()},
)
async def list_keys(caller: Admin, service: ServiceDep) -> KeyList:
    """All keys, those that were revoked, too; the keys themselves are known to nobody."""
    found = await service.call(service.keys.list)
    return KeyList(keys=[KeyDocument.model_validate(key.to_json()) for key in found])


@router.post(
    "",
    status_code=201,
    responses={
        201: _example("The new key.", {**_EXAMPLE, "key": "nf_abcdefghij_..."}),
        **responses(body=True),
    },
)
async def create_key(
    caller: Admin, request: Request, response: Response, service: ServiceDep, given: KeyRequest
) -> NewKeyDocument:
    """Make a key. Once there is one, everyone needs one, on the server's own machine too: whoever
    made the first without a key goes on with it."""
    response.headers["Cache-Control"] = "no-store"
    _answer_anyway(request)
    key, text = await service.call(
        service.keys.create,
        given.name,
        given.scopes,
        rate=given.rate,
        max_queued=given.max_queued,
    )
    return NewKeyDocument(**key.to_json(), key=text)


@router.delete("/{key_id}", status_code=204, responses=responses(404))
async def revoke_key(
    caller: Admin,
    request: Request,
    service: ServiceDep,
    key_id: Annotated[str, Path(pattern="^[a-z2-7]{10}$")],
) -> None:
    """End a key, at once and on every server, with its sessions and streams; its jobs stay."""
    _answer_anyway(request)
    await service.call(service.keys.revoke, key_id)


def _answer_anyway(request: Request) -> None:
    """Have the request answered though what it does ends the right to it."""
    opened: OpenRequest = request.state.open_request
    opened.keep()
