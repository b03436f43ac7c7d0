"""Problems in OpenAI's error form: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse, Response

from ninefold.job_schema import FieldError
from ninefold.server.openai.schemas import OpenAIErrorDocument
from ninefold.server.problems import Problem, responses

#: Type and code by the kind of problem; OpenAI's own where it has one.
_FORMS: dict[str, tuple[str, str | None]] = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "forbidden": ("invalid_request_error", "missing_scope"),
    "not-found": ("invalid_request_error", "unknown_url"),
    "method-not-allowed": ("invalid_request_error", "method_not_supported"),
    "too-slow": ("invalid_request_error", "request_timeout"),
    "too-large": ("invalid_request_error", "request_too_large"),
    "unsupported": ("invalid_request_error", "unsupported_content_type"),
    "rate-limited": ("requests", "rate_limit_exceeded"),
    "queue-full": ("requests", "queue_full"),
    "cancelled": ("invalid_request_error", "cancelled"),
    "failed": ("image_generation_error", "failed"),
    "stopping": ("server_error", "stopping"),
    "setup": ("server_error", "setup"),
    "bug": ("server_error", "bug"),
    "unavailable": ("server_error", "unavailable"),
    "busy": ("server_error", "busy"),
}
#: Kinds that the client packages would send again by their status, though it cannot help.
_FINAL = frozenset({"cancelled", "failed", "setup", "bug"})

#: `size: `, `prompt, character 3: `; headers are written large.
_NAMED = re.compile(r"([a-z_]+)(?:, [a-z]+ \d+)?: ")


def problem_response(problem: Problem) -> Response:
    """A problem as OpenAI's clients read it; what cannot be met as it stands is a 400."""
    response = JSONResponse(error_document(problem), status_of(problem.status))
    if _kind(problem) in _FINAL and problem.status != 503:
        response.headers["x-should-retry"] = "false"
    return response


def status_of(status: int) -> int:
    """OpenAI's status for ours."""
    return 400 if status == 422 else status


def error_document(problem: Problem) -> dict[str, Any]:
    """The body of the answer, every single error in its message."""
    kind, code = _FORMS.get(_kind(problem), ("invalid_request_error", None))
    errors = problem.errors or [FieldError(detail=problem.detail, pointer=None, parameter=None)]
    param = next((_param(error) for error in errors if _param(error)), None)
    if problem.status == 404 and param == "model":
        code = "model_not_found"
    message = " ".join(_line(error) for error in errors)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_responses(*statuses: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """What a route answers beside success, for its documentation."""
    found: dict[int | str, dict[str, Any]] = {}
    for status, entry in responses(*statuses, 400, body=body).items():
        found[status] = {"description": entry["description"], "model": OpenAIErrorDocument}
    # Named, or FastAPI would name it with an error form of its own.
    found[422]["description"] = "Not used: what cannot be met as it stands is answered with 400"
    return found


def _kind(problem: Problem) -> str:
    return problem.type.rpartition(":")[2]


def _param(error: FieldError) -> str | None:
    return _where(error) or error.parameter or _named(error.detail)


def _named(detail: str) -> str | None:
    """The parameter that a message of ours begins with: `size: expected ...`."""
    found = _NAMED.match(detail)
    return found[1] if found and found[1] != "body" else None


def _line(error: FieldError) -> str:
    where = _where(error)
    return f"{where}: {error.detail}" if where else error.detail


def _where(error: FieldError) -> str:
    """The place in the body, with dots between its parts."""
    parts = (error.pointer or "").removeprefix("#").strip("/").split("/")
    return ".".join(part.replace("~1", "/").replace("~0", "~") for part in parts)
