"""What routes ask for by a parameter's type: the service, and who sent the request.

`Authentication` has found out before who it is; a route that asks for nobody serves whoever asks.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer

from ninefold.server.callers import Caller
from ninefold.server.identification import COOKIE, CSRF_HEADER
from ninefold.server.keys import Scope
from ninefold.server.service import Service

_bearer = HTTPBearer(auto_error=False, description="An API key: `nf_...`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key: `nf_...`.")
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A browser's session, from `POST /v1/session`. What is not GET or HEAD needs the "
    f"header `{CSRF_HEADER}`, too: `GET /v1/session` tells it.",
)


async def service_of(request: Request) -> Service:  # else FastAPI would take a thread for it
    """The service that serves this request."""
    service: Service = request.app.state.service
    return service


async def caller_of(
    request: Request,
    _bearer_scheme: Annotated[object, Security(_bearer)],
    _header_scheme: Annotated[object, Security(_header)],
    _cookie_scheme: Annotated[object, Security(_cookie)],
) -> Caller:
    """Who sent the request."""
    caller: Caller = request.state.caller
    return caller


async def holder_of(request: Request) -> Caller | None:
    """Who sent a request for a file; None for the holder of a signed link, which is to be checked.

    `Authentication` lets a request with a `signature` through to the routes that ask this.
    """
    caller: Caller | None = request.state.caller
    return caller


def _needing(scope: Scope) -> Any:
    async def caller(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        return caller

    SCOPES_NEEDED[caller] = scope
    return Depends(caller)


#: The scope that each of the dependencies below stands for.
SCOPES_NEEDED: dict[Any, Scope] = {holder_of: "read"}

ServiceDep = Annotated[Service, Depends(service_of)]
#: Put one of them into every route.
Known = Annotated[Caller, Depends(caller_of)]
Reader = Annotated[Caller, _needing("read")]
Submitter = Annotated[Caller, _needing("submit")]
Admin = Annotated[Caller, _needing("admin")]
Holder = Annotated[Caller | None, Depends(holder_of)]
