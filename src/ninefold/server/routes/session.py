"""`/v1/session`: who asks, and how a browser signs in with a key and out again."""

from __future__ import annotations

from typing import Self

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ninefold.jobs.model import timestamp
from ninefold.server.callers import Caller
from ninefold.server.dependencies import ServiceDep
from ninefold.server.identification import (
    COOKIE,
    CSRF_HEADER,
    check_session_use,
    identify,
    session_token,
)
from ninefold.server.keys import Scope
from ninefold.server.origins import refuse_foreign_pages
from ninefold.server.problems import UnauthorizedError, responses
from ninefold.server.router import Router
from ninefold.server.routes import examples
from ninefold.server.service import Service
from ninefold.settings import Settings

router = Router(prefix="/v1/session", tags=["session"])

PATH = "/v1/session"
#: Bytes of a body here: strangers send it.
MAX_BODY = 4096


class SignIn(BaseModel):
    """What a browser signs in with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"key": "nf_abcdefghij_..."}]}
    )

    key: SecretStr = Field(max_length=200)


class KeyName(BaseModel):
    """Which key it is, not the key itself."""

    id: str
    name: str


class LimitsDocument(BaseModel):
    """What may be asked for: above it a request is refused."""

    max_image_bytes: int = Field(description="Bytes of an uploaded image file.")
    max_image_pixels: int = Field(description="Pixels of an uploaded image.")
    max_output_pixels: int = Field(description="Pixels of all final images of a request.")
    max_body: int = Field(description="Bytes of a request without images.")
    max_prompt: int = Field(description="Characters of a prompt.")
    max_stages: int = Field(description="Stages in one config.")
    max_group: int = Field(description="Jobs in one group.")
    max_queued: int = Field(description="Jobs of the caller that may wait and run.")
    max_queued_of_all: int = Field(description="Jobs that may wait and run, of all callers.")
    rate: float | None = Field(description="Requests a second; null where none are counted.")
    burst: int = Field(description="Requests at once before `rate` holds the caller back.")
    uploads_hours: float = Field(description="How long an upload is kept.")

    @classmethod
    def of(cls, settings: Settings, caller: Caller) -> Self:
        """Those that hold for a caller."""
        known = settings.model_dump(include=set(cls.model_fields))
        key, rate = caller.key, None
        own = settings.max_queued
        if key is not None:
            own = settings.max_queued_per_key if key.max_queued is None else key.max_queued
            rate = settings.rate if key.rate is None else key.rate
        return cls(
            **{**known, "max_queued": own, "rate": rate}, max_queued_of_all=settings.max_queued
        )


class SessionDocument(BaseModel):
    """Who asks, and what it may do."""

    signed_in: bool = Field(description="Whether the caller has a key, or a session of one.")
    keyless: bool = Field(description="Whether it is served without a key, as no key was made.")
    key: KeyName | None = None
    scopes: list[Scope] = Field([], description="What it may do; without any, nothing.")
    expires_at: str | None = Field(None, description="When the session ends.")
    csrf_token: str | None = Field(
        None, description=f"The session's `{CSRF_HEADER}` for all but GET and HEAD."
    )
    limits: LimitsDocument | None = None


@router.get(
    "",
    responses={200: examples.SESSION, **responses(403, 429, key=False)},
)
async def get_session(request: Request, response: Response, service: ServiceDep) -> SessionDocument:
    """Who asks: by a key, by the session of a browser, or nobody. It answers without a key, too."""
    response.headers["Cache-Control"] = "no-store"
    try:
        caller = await identify(service.access, request.scope)
    except UnauthorizedError:
        if session_token(request.headers) is not None:
            _set_cookie(request, response, service.settings, None)
        return SessionDocument(signed_in=False, keyless=False)
    return _document(service, caller)


@router.post(
    "",
    status_code=201,
    responses={201: examples.SESSION, **responses(401, 403, 429, body=True, key=False)},
)
async def sign_in(
    request: Request, response: Response, service: ServiceDep, given: SignIn
) -> SessionDocument:
    """Sign in with a key: the answer sets a cookie that does instead of it, until it expires.

    Scripts of pages cannot read the cookie, and other sites cannot have it sent. A session that the
    browser has already ends.
    """
    refuse_foreign_pages(request.headers, service.settings.public_url)
    session, key, token = await service.access.sign_in(
        given.key.get_secret_value(), session_token(request.headers)
    )
    response.headers["Cache-Control"] = "no-store"
    _set_cookie(request, response, service.settings, token)
    return _document(service, Caller(key, key.scopes, session))


@router.delete("", status_code=204, responses=responses(403, key=False))
async def sign_out(request: Request, response: Response, service: ServiceDep) -> None:
    """Sign out: the session ends, with whatever streams and downloads it has open. It needs the
    header `X-CSRF-Token`."""
    token = session_token(request.headers)
    found = None if token is None else await service.access.find_session(token)
    if found is not None:
        check_session_use(service.access, request.scope, found[0])
        await service.access.sign_out(found[0])
    _set_cookie(request, response, service.settings, None)


def _document(service: Service, caller: Caller) -> SessionDocument:
    key, session = caller.key, caller.session
    return SessionDocument(
        signed_in=key is not None,
        keyless=key is None,
        key=None if key is None else KeyName(id=key.id, name=key.name),
        scopes=sorted(caller.scopes),
        expires_at=None if session is None else timestamp(session.expires_at),
        csrf_token=None if session is None else session.csrf_token,
        limits=LimitsDocument.of(service.settings, caller),
    )


def _set_cookie(
    request: Request, response: Response, settings: Settings, token: str | None
) -> None:
    """Have the browser keep a session's token, or forget it."""
    response.set_cookie(
        COOKIE,
        token or "",
        max_age=0 if token is None else round(settings.session_hours * 3600),
        path="/",
        secure=_by_https(request, settings),
        httponly=True,
        samesite="strict",
    )


def _by_https(request: Request, settings: Settings) -> bool:
    """Whether the browser came by https, as far as anybody says so: then the cookie goes no other
    way. Who lies about it harms its own session alone."""
    return (
        request.url.scheme == "https"
        or request.headers.get("x-forwarded-proto", "").lower() == "https"
        or (settings.public_url or "").startswith("https://")
    )
