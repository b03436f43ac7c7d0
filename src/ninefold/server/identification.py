"""Who sent a request: by its key, by the session of a browser, or as whoever sits at this machine.

A key travels as `Authorization: Bearer nf_...`, as `X-API-Key`, or as the password of HTTP Basic;
a session as a cookie. Where both are sent, the key counts.
"""

from __future__ import annotations

import base64
import binascii

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from ninefold.server.access import Access
from ninefold.server.callers import LOCAL, Caller
from ninefold.server.loopback import refuse_other_sites, refuse_others
from ninefold.server.origins import refuse_foreign_pages
from ninefold.server.problems import CsrfError, UnauthorizedError
from ninefold.server.sessions import Session

#: The cookie that holds a session's token.
COOKIE = "ninefold_session"
#: The header that a session's requests need where they change something.
CSRF_HEADER = "X-CSRF-Token"
#: Methods that change nothing.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def identify(access: Access, scope: Scope) -> Caller:
    """Who sent the request, which is counted; reads nothing of its body.

    Raises `UnauthorizedError`, `ForbiddenError` or `RateLimitedError`.
    """
    headers = Headers(scope=scope)
    key_text = _key_of(headers)
    if key_text is not None and key_text.startswith("nf_"):  # some clients cannot but send a key
        key = await access.identify(key_text)
        if key is None:
            raise UnauthorizedError("The key is wrong or was revoked. Send another one.")
        return Caller(key, key.scopes)
    token = session_token(headers)
    if token is not None and (caller := await _signed_in(access, scope, token)):
        return caller
    if not await access.keyless():
        raise UnauthorizedError(
            "Send a key: Authorization: Bearer nf_... One is made with: ninefold keys create"
            if token is None
            else "The session has ended. Sign in again: POST /v1/session"
        )
    if not access.settings.insecure:
        refuse_others(scope, headers)
    refuse_other_sites(headers, loopback=not access.settings.insecure)
    return LOCAL


def session_token(headers: Headers) -> str | None:
    """The token of a request's session, which may be no session's; None where there is none.

    Of several nobody could say which one counts: then it is empty.
    """
    found = []
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            found += [value for name, value in cookie_parser(part).items() if name == COOKIE]
    return (found[0] if len(found) == 1 else "") if found else None


def check_session_use(access: Access, scope: Scope, session: Session) -> None:
    """Raise `ForbiddenError` unless a page of this server sent the request on purpose."""
    headers = Headers(scope=scope)
    refuse_foreign_pages(headers, access.settings.public_url)
    if scope["method"] in _SAFE:
        return
    given = headers.getlist(CSRF_HEADER)
    if len(given) != 1 or not session.is_csrf_token(given[0]):
        raise CsrfError(
            f"{CSRF_HEADER}: expected the session's own token, got "
            f"{'another one' if given else 'none'}. GET /v1/session tells it."
        )


async def _signed_in(access: Access, scope: Scope, token: str) -> Caller | None:
    found = await access.find_session(token)
    if found is None:
        return None
    session, key = found
    check_session_use(access, scope, session)
    await access.count(key)
    return Caller(key, key.scopes, session)


def _key_of(headers: Headers) -> str | None:
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
