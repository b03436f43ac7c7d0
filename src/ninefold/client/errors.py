"""What goes wrong between a client and a service.

NinefoldError
└── ServiceError              the service refused, or did not answer; `status` says which
    ├── UnreachableError      no answer came: `status` is None
    ├── RefusedError          400, 413, 422: the request cannot be fulfilled; `errors` say why
    ├── UnauthorizedError     401, 403: no key, a wrong one, or one that may not do this
    ├── NotFoundError         404: it is not there, or another's
    ├── ConflictError         409: not as things are
    └── BusyError             429, 502, 503, 504: later it may succeed
"""

from __future__ import annotations

from typing import Any

import httpx2

from ninefold.core.errors import NinefoldError


class ServiceError(NinefoldError):
    """A service refused, or did not answer."""

    def __init__(
        self,
        message: str,
        status: int | None = None,
        errors: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__("\n".join([message, *(f"  {line}" for line in errors)]))
        #: The HTTP status; None where no answer came.
        self.status = status
        #: Every single problem, with the place in the request where it has one.
        self.errors = errors
        #: Seconds after which the service wants the next try, where it said so.
        self.retry_after = retry_after


class UnreachableError(ServiceError):
    """No answer came."""


class RefusedError(ServiceError):
    """The request cannot be fulfilled."""


class UnauthorizedError(ServiceError):
    """No key, a wrong one, or one that may not do this."""


class NotFoundError(ServiceError):
    """What was asked for is not there, or another's."""


class ConflictError(ServiceError):
    """It cannot be as things are: a key used for another job, a job that has not ended."""


class BusyError(ServiceError):
    """The service has too much to do, or is away; later it may succeed."""


_KINDS: dict[int, type[ServiceError]] = {
    400: RefusedError,
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    413: RefusedError,
    422: RefusedError,
    429: BusyError,
    502: BusyError,
    503: BusyError,
    504: BusyError,
}


def error_of(response: httpx2.Response) -> ServiceError:
    """The error of a whole answer, from its problem document (RFC 9457) if it has one."""
    status = response.status_code
    problem = _document(response)
    text = problem.get("detail") or problem.get("title") or response.reason_phrase
    items = problem.get("errors")
    lines = tuple(
        _line(item) for item in (items if isinstance(items, list) else ()) if isinstance(item, dict)
    )
    try:
        retry_after: float | None = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        retry_after = None
    if len(lines) == 1 and str(text) in lines[0]:  # said once is enough
        text, lines = lines[0], ()
    kind = _KINDS.get(status, ServiceError)
    return kind(f"{text} (status {status})", status, lines, retry_after)


def _document(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _line(item: dict[str, Any]) -> str:
    pointer, detail = str(item.get("pointer") or ""), str(item.get("detail") or "")
    return f"{pointer}: {detail}" if pointer else detail
