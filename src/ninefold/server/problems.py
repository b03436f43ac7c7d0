"""Every error as RFC 9457 says it: `application/problem+json`, each field's error at once."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    SetupError,
    StorageError,
    UserError,
)
from ninefold.core.problems import described
from ninefold.job_schema import FieldError
from ninefold.server.keys import without_keys

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
#: Of what whoever runs the service has to mend.
_SETUP = (
    "this service cannot do that as it is set up. Its log says why: tell whoever runs it, or do "
    "without."
)

_log = logging.getLogger(__name__)


class UnauthorizedError(UserError):
    """No key, or one that is wrong or revoked."""


class ForbiddenError(UserError):
    """A key that may not do this."""


class CsrfError(ForbiddenError):
    """A browser's request without the token of its session."""


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
    "csrf": (403, "The session's CSRF token is missing or wrong"),
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
    "setup": (500, "The service is not set up for this"),
    "unavailable": (503, "The service cannot store anything now"),
    "busy": (503, "The service cannot take this now"),
}
_BY_STATUS = {status: kind for kind, (status, _) in reversed(_KINDS.items())}
_BY_ERROR: tuple[tuple[type[NinefoldError], str], ...] = (
    (UnauthorizedError, "unauthorized"),
    (CsrfError, "csrf"),
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
    (SetupError, "setup"),
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
    if isinstance(error, SetupError):
        return _not_set_up(error)
    if isinstance(error, StorageError):
        return _problem(kind, error.public)
    found = error.problems if isinstance(error, ConfigError) else str(error).splitlines()
    lines = tuple(found) or ("unknown",)
    errors = [field_error(line) for line in lines[:_MOST]]
    detail = lines[0] if len(lines) == 1 else f"{len(lines)} problems."
    return _problem(kind, detail, errors if kind == "invalid" else [])


def _not_set_up(error: SetupError) -> Problem:
    """What of a request cannot be met as the service is set up; why stays here."""
    errors = []
    for line in error.problems[:_MOST]:
        found = field_error(line)
        if line in error.setup:
            detail = f"{found.place or 'settings'}: {_SETUP}"
            found = found.model_copy(update={"detail": detail})
        errors.append(found)
    return _problem("setup", next(item.detail for item in errors if _SETUP in item.detail), errors)


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


#: Problems begin with what they are about: that is how people read them on a command line, too.
_PLACE = re.compile(
    r"(?P<overrides>(?:overrides|changes) )?(?P<path>[A-Za-z_][\w-]*(?:\.[\w-]+)*)"
    r"(?:, character \d+| \(step \d+\))?(?P<end>: | requires )"
)
#: The problem of a row of a group: all of it after the row is as that of a job alone.
_ROW = re.compile(r"inputs\.(?P<number>\d+): (?P<rest>.+)", re.DOTALL)
#: Fields of bodies that a place may begin with.
_IN_BODY = frozenset({"config", "input", "inputs", "x", "y"})


def field_error(problem: str) -> FieldError:
    """A problem with the place that it names, and the pointer where that is a field of the body."""
    if (row := _ROW.match(problem)) is not None:
        return _row_error(problem, f"inputs.{row['number']}", field_error(row["rest"]))
    match = _PLACE.match(problem)
    if match is None:
        return FieldError(detail=problem)
    field = (match["overrides"] or "").strip()
    path = match["path"].split(".")
    pointer = None
    if field:
        pointer = f"#/{field}/{_escaped(match['path'])}"
    elif path[0] in _IN_BODY and len(path) > 1:
        pointer = "#" + "".join(f"/{_escaped(part)}" for part in path)
    return FieldError(detail=problem, pointer=pointer, place=match["path"])


def _row_error(problem: str, row: str, found: FieldError) -> FieldError:
    """A problem of a row, given that of a job with its input and overrides."""
    if found.place is None:
        return FieldError(detail=problem, place=row)
    pointer = f"#/{row.replace('.', '/')}"
    if found.pointer is not None:
        pointer += found.pointer.removeprefix("#")
    return FieldError(detail=problem, pointer=pointer, place=f"{row}.{found.place}")


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
        if isinstance(error, StorageError | SetupError):
            _log.error("%s %s: %s", request.method, path, error)
        elif problem.status == 500:
            _log.error("%s %s", request.method, path, exc_info=error)
        if problem.status == 405:
            headers["Allow"] = ", ".join(sorted(_methods(app, request)))
            detail = f"expected {headers['Allow']}, got {request.method}."
            problem = problem.model_copy(update={"detail": detail})
        elif problem.status == 404 and isinstance(error, HTTPException):
            detail = f"there is no {request.method} {path[:200]}. GET /openapi.json lists all."
            problem = problem.model_copy(update={"detail": detail})
        response = error_form_for(path, forms)(_without_keys(problem))
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    handler: ExceptionHandler = answer
    for kind in (NinefoldError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handler)
    app.state.answer_error = answer


def _without_keys(problem: Problem) -> Problem:
    """The problem without the keys that a client sent where they do not belong."""
    return Problem.model_validate_json(without_keys(problem.model_dump_json()))


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


def _in(body: Any, path: Iterable[str | int]) -> Iterator[str | int]:
    """The parts of a path that are places in the body: those between are names of kinds, where a
    field takes several. A field that is missing is the last part, and in no body."""
    *parts, last = path or (None,)
    for part in parts:
        try:
            body = body[part]
        except (TypeError, KeyError, IndexError):
            continue
        yield part
    if last is not None and isinstance(body, Mapping | list | None):
        yield last


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
            pointer = "#" + "".join(f"/{_escaped(part)}" for part in _in(error.body, path))
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
