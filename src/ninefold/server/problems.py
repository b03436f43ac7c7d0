"""Every error as RFC 9457 says it: `application/problem+json`, each field's error at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ExceptionHandler

from ninefold.core.errors import (
    ConfigError,
    ConflictError,
    NinefoldError,
    NotFoundError,
    QueueFullError,
    StorageError,
    UserError,
)
from ninefold.core.problems import described

MEDIA_TYPE = "application/problem+json"
#: Most single errors that one problem lists.
_MOST = 100

#: What the framework says of a body that is not even text, nests too deep, or holds a number of
#: thousands of digits; and what to do.
_FRAMEWORKS_WORDS = "There was an error parsing the body"
_UNREADABLE = (
    "body: expected JSON in UTF-8, or a form, as its Content-Type says, got what cannot be read. "
    "Nest less deep, and leave out numbers of thousands of digits."
)

_log = logging.getLogger(__name__)


class UnauthorizedError(UserError):
    """No key, or one that is wrong or revoked."""


class ForbiddenError(UserError):
    """A key that may not do this."""


class TooLargeError(UserError):
    """A body above its limit."""


class TooSlowError(UserError):
    """A body that did not arrive in time."""


class UnsupportedMediaError(UserError):
    """A body in a form that is not taken."""


class UnsatisfiableRangeError(UserError):
    """Parts of a file that it has not; `size` is in bytes."""

    def __init__(self, asked: str, size: int) -> None:
        super().__init__(f"Range: expected a part of the file's {size:,} bytes, got {asked!r}.")
        self.size = size


class RateLimitedError(UserError):
    """Requests above the key's rate; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"Too many requests. Try again in {retry_after:.1f} s.")
        self.retry_after = retry_after


class BusyError(UserError):
    """More than the server can do now, or one that is about to stop."""


class FieldError(BaseModel):
    """What is wrong with one field, or one of several problems."""

    detail: str
    pointer: str | None = Field(None, description="JSON pointer to the field of the body.")
    parameter: str | None = Field(None, description="Name of the query or path parameter, header.")


class Problem(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str = Field(description="Which kind of problem, as a URN.")
    title: str = Field(description="The kind in words.")
    status: int
    detail: str = Field(description="What happened here, and the remedy.")
    errors: list[FieldError] = Field([], description="Each single error.")


#: Status and title by kind.
_KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "The key may not do this"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The method is not allowed"),
    "too-slow": (408, "The body did not arrive in time"),
    "conflict": (409, "It cannot be as things are"),
    "too-large": (413, "The body is too large"),
    "unsupported": (415, "The media type is not supported"),
    "range": (416, "The range cannot be met"),
    "invalid": (422, "The request cannot be met as it stands"),
    "rate-limited": (429, "Too many requests"),
    "queue-full": (429, "The queue is full"),
    "bug": (500, "A bug in the service"),
    "unavailable": (503, "The service cannot store anything now"),
    "busy": (503, "The service cannot take this now"),
}
_BY_STATUS = {status: kind for kind, (status, _) in reversed(_KINDS.items())}
_BY_ERROR: tuple[tuple[type[NinefoldError], str], ...] = (
    (UnauthorizedError, "unauthorized"),
    (ForbiddenError, "forbidden"),
    (TooLargeError, "too-large"),
    (TooSlowError, "too-slow"),
    (UnsupportedMediaError, "unsupported"),
    (UnsatisfiableRangeError, "range"),
    (RateLimitedError, "rate-limited"),
    (QueueFullError, "queue-full"),
    (NotFoundError, "not-found"),
    (ConflictError, "conflict"),
    (StorageError, "unavailable"),
    (BusyError, "busy"),
    (UserError, "invalid"),
)


def problem_of(error: Exception) -> Problem:
    """What went wrong, as clients see it; of a bug nothing but that it is one."""
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        detail = _UNREADABLE if error.detail == _FRAMEWORKS_WORDS else str(error.detail)
        return _problem(_BY_STATUS.get(error.status_code, "bad-request"), detail)
    kind = next((kind for known, kind in _BY_ERROR if isinstance(error, known)), "bug")
    if kind == "bug":
        return _problem(kind, "It has been logged; the request was not carried out.")
    found = error.problems if isinstance(error, ConfigError) else str(error).splitlines()
    lines = tuple(found) or ("unknown",)
    errors = [FieldError(detail=line) for line in lines[:_MOST]]
    detail = lines[0] if len(lines) == 1 else f"{len(lines)} problems."
    return _problem(kind, detail, errors if kind == "invalid" else [])


def headers_of(error: Exception) -> dict[str, str]:
    """What the answer to an error must say in its head."""
    if isinstance(error, HTTPException):
        return dict(error.headers or {})
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="ninefold"'}
    if isinstance(error, UnsupportedMediaError):
        return {"Accept-Encoding": "identity"}
    if isinstance(error, UnsatisfiableRangeError):
        return {"Content-Range": f"bytes */{error.size}"}
    if isinstance(error, RateLimitedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, QueueFullError | StorageError | BusyError):
        return {"Retry-After": "5"}
    return {}


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The problem as an answer."""
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, problem.status, headers, MEDIA_TYPE)


ErrorForm = Callable[[Problem], Response]


def error_form_for(path: str, forms: Mapping[str, ErrorForm]) -> ErrorForm:
    """The error form of a path: that of the prefix it lies under, else a problem document."""
    for prefix, form in forms.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return form
    return respond


def install(app: FastAPI, forms: Mapping[str, ErrorForm]) -> None:
    """Answer every error of `app`; `forms` are the error forms of paths by their prefixes."""

    def answer(request: Request, error: Exception) -> Response:
        problem, headers = problem_of(error), headers_of(error)
        path = request.url.path
        if problem.status == 500:
            _log.error("%s %s", request.method, path, exc_info=error)
        elif isinstance(error, StorageError):
            _log.error("%s %s: %s", request.method, path, error)
        if problem.status == 405:
            headers["Allow"] = ", ".join(sorted(_methods(app, request)))
            detail = f"expected {headers['Allow']}, got {request.method}."
            problem = problem.model_copy(update={"detail": detail})
        elif problem.status == 404 and isinstance(error, HTTPException):
            detail = f"there is no {request.method} {path[:200]}. GET /openapi.json lists all."
            problem = problem.model_copy(update={"detail": detail})
        response = error_form_for(path, forms)(problem)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    handler: ExceptionHandler = answer
    for kind in (NinefoldError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handler)
    app.state.answer_error = answer


def _methods(app: FastAPI, request: Request) -> set[str]:
    """All methods of the path: the framework names those of the first route alone."""
    found: set[str] = set()
    for context in iter_route_contexts(app.routes):
        pattern = compile_path(str(context.path))[0]
        if context.methods and pattern.match(request.url.path):
            found |= context.methods
    return found | ({"HEAD"} if "GET" in found else set())


def responses(*statuses: int, body: bool = False, key: bool = True) -> dict[int | str, Any]:
    """What a route can answer beside success, for its documentation.

    Added by themselves: 401, 403 and 429 for a route that takes a `key`; 400, 408, 413, 415 and 422
    for one with a `body`; 500 and 503 never, for they are nobody's intention.
    """
    found = {*statuses, 503}
    found |= {401, 403, 422, 429} if key else set()
    found |= {400, 408, 413, 415, 422} if body else set()
    schema = {"$ref": "#/components/schemas/Problem"}
    documented: dict[int | str, Any] = {}
    for status in sorted(found):
        kind = _BY_STATUS[status]
        example = _problem(kind, "What happened, and the remedy.").model_dump(exclude_none=True)
        content = {MEDIA_TYPE: {"schema": schema, "example": example}}
        documented[status] = {"description": _KINDS[kind][1], "content": content}
    return documented


def _problem(kind: str, detail: str, errors: list[FieldError] | None = None) -> Problem:
    status, title = _KINDS[kind]
    return Problem(
        type=f"urn:ninefold:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        errors=errors or [],
    )


def _invalid(error: RequestValidationError) -> Problem:
    errors = []
    unreadable = False
    for item in error.errors()[:_MOST]:
        where, *path = item["loc"] or ("body",)
        unreadable |= item["type"] == "json_invalid"
        detail = described(item)
        if where == "body" and isinstance(item["input"], bytes):
            detail = "expected JSON. Send it with the header Content-Type: application/json."
        if where == "body":
            pointer = "#" + "".join(f"/{_escaped(part)}" for part in path)
            if item["type"] == "json_invalid":
                pointer, detail = "#", f"does not parse as JSON: {item['ctx']['error']}."
            errors.append(FieldError(detail=detail, pointer=pointer))
        else:
            name = ".".join(str(part) for part in path)
            errors.append(FieldError(detail=detail, parameter=name))
    detail = f"{len(errors)} problems." if len(errors) > 1 else _line(errors[0])
    return _problem("bad-request" if unreadable else "invalid", detail, errors)


def _line(error: FieldError) -> str:
    place = (error.pointer or "").strip("#/").replace("/", ".") or error.parameter or "body"
    return f"{place}: {error.detail}"


def _escaped(part: Any) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
