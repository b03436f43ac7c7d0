"""Problems in OpenAI's error form: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from ninefold.server.openai.documents import OpenAIErrorDocument
from ninefold.server.problems import FieldError, Problem, responses

#: Type and code by the kind of problem.
_FORMS: dict[str, tuple[str, str | None]] = {
    "unauthorized": ("authentication_error", "invalid_api_key"),
    "forbidden": ("permission_error", "insufficient_permissions"),
    "rate-limited": ("requests", "rate_limit_exceeded"),
    "queue-full": ("requests", "queue_full"),
    "cancelled": ("invalid_request_error", "cancelled"),
    "failed": ("image_generation_error", "failed"),
    "stopping": ("server_error", "stopping"),
    "bug": ("server_error", "bug"),
    "unavailable": ("server_error", "unavailable"),
}


def problem_response(problem: Problem) -> Response:
    """A problem as OpenAI's clients read it; what cannot be met as it stands is a 400."""
    return JSONResponse(error_document(problem), status_of(problem.status))


def status_of(status: int) -> int:
    """OpenAI's status for ours."""
    return 400 if status in (415, 422) else status


def error_document(problem: Problem) -> dict[str, Any]:
    """The body of the answer, every single error in its message."""
    kind, code = _FORMS.get(problem.type.rpartition(":")[2], ("invalid_request_error", None))
    errors = problem.errors or [FieldError(detail=problem.detail, pointer=None, parameter=None)]
    param = next((_param(error) for error in errors if _param(error)), None)
    if problem.status == 404 and param == "model":
        code = "model_not_found"
    message = " ".join(_line(error) for error in errors)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route answers beside success, for its documentation."""
    found: dict[int | str, dict[str, Any]] = {}
    for status, entry in responses(*statuses, body=True).items():
        found[status] = {"description": entry["description"], "model": OpenAIErrorDocument}
    # Named, or FastAPI would name it with an error form of its own.
    found[422]["description"] = "Not used: what cannot be met as it stands is answered with 400"
    return found


def _param(error: FieldError) -> str | None:
    pointer = (error.pointer or "").removeprefix("#").strip("/")
    return pointer.replace("/", ".") or error.parameter or _named(error.detail)


def _named(detail: str) -> str | None:
    """The parameter that a message of ours begins with: `size: expected ...`."""
    name, colon, _ = detail.partition(": ")
    return name if colon and name.isidentifier() else None


def _line(error: FieldError) -> str:
    where = (error.pointer or "").removeprefix("#").strip("/").replace("/", ".")
    return f"{where}: {error.detail}" if where else error.detail
