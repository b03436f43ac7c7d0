"""What every route of this API needs: errors in its form, and what is at hand for the caller."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from ninefold.engines.control import CONTROL
from ninefold.server.callers import Caller
from ninefold.server.problems import Problem, responses
from ninefold.server.sdapi.model_catalog import ModelCatalog
from ninefold.server.sdapi.options import Options
from ninefold.server.service import Service
from ninefold.stages.control import CONTROL_MODEL
from ninefold.stages.parameters import DETECTOR_MODEL
from ninefold.stages.upscaler import UPSCALER_MODEL

CHALLENGE = 'Basic realm="ninefold", Bearer realm="ninefold"'


class ErrorAnswer(BaseModel):
    """An error in A1111's form."""

    error: str
    detail: str
    body: str
    errors: str


def problem_response(problem: Problem) -> Response:
    """A problem as A1111's clients read it: every single error, one a line."""
    lines = []
    for item in problem.errors:
        pointer = (item.pointer or "").removeprefix("#").strip("/").replace("/", ".")
        where = pointer or item.parameter
        lines.append(f"{where}: {item.detail}" if where else item.detail)
    text = "\n".join(lines) or problem.detail
    document = ErrorAnswer(
        error=problem.title,
        detail=text,
        body="",
        errors=text,
    )
    # Clients of A1111 know Basic alone, and send its name and password once they are asked.
    headers = {"WWW-Authenticate": CHALLENGE} if problem.status == 401 else None
    return JSONResponse(document.model_dump(), problem.status, headers)


def sdapi_responses(
    *statuses: int, example: Any = None, body: bool = False
) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for its documentation: an example of success, and its errors."""
    examples = {"answer": {"summary": "An answer", "value": example}}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "Done.", "content": {"application/json": {"examples": examples}}}
    }
    for status, entry in responses(*statuses, body=body).items():
        found[status] = {"description": entry["description"], "model": ErrorAnswer}
    return found


def options_of(request: Request) -> Options:
    """The options of the clients of this service."""
    found: Options = request.app.state.sdapi_options
    return found


async def catalog_for(request: Request, service: Service, caller: Caller) -> ModelCatalog:
    """What the caller can name, with the model that it has chosen."""
    limits = service.limits
    chosen = await service.call(options_of(request).model, caller)
    models = limits.models()
    return ModelCatalog(
        models,
        limits.models(DETECTOR_MODEL),
        limits.models(UPSCALER_MODEL),
        partial(service.engines.diffusion.describe),
        chosen if chosen in models else None,  # it may be gone from the settings
        partial(service.engines.detection.labels),
        limits.models(CONTROL_MODEL),
        lambda name: service.engines[CONTROL].info(name).modes,
    )
