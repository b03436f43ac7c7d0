"""Who sent a request, for the routes; `Authentication` has found it out before.

A route that has none of these serves whoever asks.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from ninefold.server.callers import Caller
from ninefold.server.keys import Scope

_bearer = HTTPBearer(auto_error=False, description="An API key: `nf_...`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key: `nf_...`.")


async def caller_of(
    request: Request,
    _bearer_scheme: Annotated[object, Security(_bearer)],
    _header_scheme: Annotated[object, Security(_header)],
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

#: Put one of them into every route.
Known = Annotated[Caller, Depends(caller_of)]
Reader = Annotated[Caller, _needing("read")]
Submitter = Annotated[Caller, _needing("submit")]
Admin = Annotated[Caller, _needing("admin")]
Holder = Annotated[Caller | None, Depends(holder_of)]
