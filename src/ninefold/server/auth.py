"""Who asks, and what they may do: one dependency for every route.

A key travels as `Authorization: Bearer nf_...`, as `X-API-Key`, or as the password of HTTP Basic.
Without keys the service serves its own machine alone, and there only what no web page of another
site can have sent.
"""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers

from ninefold.server.callers import LOCAL, Caller
from ninefold.server.keys import Scope
from ninefold.server.problems import ForbiddenError, UnauthorizedError
from ninefold.server.service import Service, service_of

_bearer = HTTPBearer(auto_error=False, description="An API key: `nf_...`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key: `nf_...`.")


async def caller_of(
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    _bearer_scheme: Annotated[object, Security(_bearer)],
    _header_scheme: Annotated[object, Security(_header)],
) -> Caller:
    """Who sent the request; raises `UnauthorizedError` or `RateLimitedError`."""
    token = token_of(request.headers)
    if token is None or not token.startswith("nf_"):  # some clients cannot but send a key
        if not await service.keyless():
            raise UnauthorizedError(
                "Send a key: Authorization: Bearer nf_... One is made with: ninefold keys create"
            )
        refuse_other_sites(request.headers, loopback=not service.settings.insecure)
        return LOCAL
    key = await service.call(service.keys.find, token)
    if key is None:
        raise UnauthorizedError("The key is wrong or was revoked. Send another one.")
    service.rates.take(key.id, key.rate)
    return Caller(key, key.scopes)


def token_of(headers: Headers) -> str | None:
    """The key that a request carries; empty where it carries something else instead of one."""
    given = headers.get("authorization")
    if given is None:
        return headers.get("x-api-key")
    scheme, _, rest = given.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return ""
        return decoded.partition(":")[2]
    return ""


def refuse_other_sites(headers: Headers, *, loopback: bool) -> None:
    """Raise `ForbiddenError` for what a page of another site made a browser send.

    Without keys, the browser of whoever sits at this machine could be used by any page: directly,
    or by a name that was made to point here (DNS rebinding).
    """
    host = headers.get("host", "")
    if loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
        raise ForbiddenError(
            f"Host: expected a name of this machine such as localhost, got {host[:100]!r}. Behind "
            "a proxy, use keys: ninefold keys create"
        )
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise ForbiddenError(
            f"Origin: expected none or this server's own, got {origin[:100]!r}. To serve pages of "
            "other sites, use keys: ninefold keys create"
        )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, for itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _needing(scope: Scope) -> object:
    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if not caller.may(scope):
            raise ForbiddenError(
                f"The key lacks the scope {scope!r}. Use one made with: "
                f"ninefold keys create --scope {scope}"
            )
        return caller

    return Depends(check)


#: Put one of them into every route.
Known = Annotated[Caller, Depends(caller_of)]
Reader = Annotated[Caller, _needing("read")]
Submitter = Annotated[Caller, _needing("submit")]
Admin = Annotated[Caller, _needing("admin")]
