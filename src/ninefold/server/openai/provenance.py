"""`/v1/content_provenance_checks`: what the marks of a file say, as OpenAI's clients ask for it.

Source of the form: `openai.types.content_provenance_check`. OpenAI's answer is about OpenAI's own
marks; here `detected` means ninefold's. Beside it stands the whole report, under names of our own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from threading import Event
from typing import Annotated, Any, Literal

import anyio
from fastapi import File, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.responses import Response

from ninefold.provenance.report import C2paReport, ProvenanceReport, ProvenanceVerdict
from ninefold.provenance.verification import Verifier
from ninefold.server.blocking_requests import answer
from ninefold.server.concurrency import ConcurrencyLimit
from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.openai.errors import openai_responses, problem_response
from ninefold.server.openai.forms import FormRoute
from ninefold.server.problems import TooLargeError
from ninefold.server.router import Router

router = Router(tags=["openai"], route_class=FormRoute)

#: Files whose marks are read at once, and that wait for it.
_AT_ONCE, _LATER = 2, 32


class C2paResultDocument(BaseModel):
    """What the file's C2PA manifest amounts to."""

    type: Literal["c2pa"] = "c2pa"
    outcome: Literal["detected", "not_detected"] = Field(
        description="Whether a valid manifest names ninefold. Not detected says nothing about how "
        "the file was made."
    )
    validation_state: Literal["trusted", "valid", "invalid", "not_present"]
    issuer: str | None = Field(None, description="Whose certificate signed.")
    model: str | None = Field(
        None, description="The diffusion model that the manifest names first."
    )
    generated_at: str | None = Field(
        None, description="When the file was made, as the manifest says, in UTC."
    )


class ProvenanceCheckDocument(ProvenanceReport):
    """OpenAI's answer, with the report that it is drawn from."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int = Field(description="Unix time of the check, in seconds.")
    results: list[C2paResultDocument] = Field(
        description="C2PA alone: SynthID is not looked for, so nothing is said of it."
    )


_EXAMPLE = ProvenanceCheckDocument.model_validate(
    {
        "verdict": "unproven",
        "c2pa": {"present": False},
        "watermark": {"searched": True},
        "reasons": ["The file has no signed manifest and no mark that proves anything."],
        "created_at": 1_760_000_000,
        "results": [{"outcome": "not_detected", "validation_state": "not_present"}],
    }
).model_dump(mode="json")
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ProvenanceCheckDocument,
        "description": "What the marks of the file say.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    **openai_responses(body=True),
}


@router.post(
    "/v1/content_provenance_checks", responses=_RESPONSES, response_model=ProvenanceCheckDocument
)
async def check_content_provenance(
    request: Request,
    service: ServiceDep,
    _caller: Known,
    file: Annotated[UploadFile, File(description="A PNG, JPEG, WebP, AVIF or JPEG XL file.")],
) -> Response:
    """What the marks of an image file say of where it comes from: nothing of it is kept."""

    checks: ProvenanceChecks = request.app.state.provenance_checks

    async def work() -> Response:
        document = provenance_document(await checks.check(file))
        return Response(document.model_dump_json(), media_type="application/json")

    return await answer(request, service, problem_response, work())


class ProvenanceChecks:
    """Files of requests, each checked in its turn."""

    def __init__(self, verifier: Verifier, closing: asyncio.Event) -> None:
        """Once `closing` is set, no check begins any more."""
        self.verifier = verifier
        self._turns = ConcurrencyLimit(_AT_ONCE, _LATER, closing)

    async def check(self, file: UploadFile) -> ProvenanceReport:
        """The report on a file; raises `InputError`, `TooLargeError`, and `BusyError`.

        What was begun for a client that left has ended when this raises `CancelledError`.
        """
        async with self._turns():
            data = await file.read()
            if len(data) > (most := self.verifier.limits.max_bytes):
                raise TooLargeError(
                    f"file: expected at most {most:,} bytes, got {len(data):,}. Use a smaller file."
                )
            stop = Event()
            checking = asyncio.ensure_future(asyncio.to_thread(self.verifier.verify, data, stop))
            try:
                return await asyncio.shield(checking)
            except asyncio.CancelledError:
                stop.set()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({checking})
                raise


def provenance_document(report: ProvenanceReport) -> ProvenanceCheckDocument:
    """The answer to a request, which may be a stranger's: nothing of the manifest store is in it
    but whether it knows the watermark."""
    watermark = report.watermark.model_copy(update={"stored": None})
    return ProvenanceCheckDocument(
        verdict=report.verdict,
        c2pa=report.c2pa,
        watermark=watermark,
        marks=report.marks,
        reasons=report.reasons,
        created_at=int(time.time()),
        results=[_c2pa_result(report)],
    )


def _c2pa_result(report: ProvenanceReport) -> C2paResultDocument:
    c2pa = report.c2pa
    ours = report.verdict is ProvenanceVerdict.INTACT and c2pa.valid
    state: Literal["trusted", "valid", "invalid", "not_present"] = "not_present"
    if c2pa.present:
        state = "invalid" if not c2pa.valid else "trusted" if c2pa.trusted else "valid"
    return C2paResultDocument(
        outcome="detected" if ours else "not_detected",
        validation_state=state,
        issuer=c2pa.signer.organization or c2pa.signer.common_name if c2pa.signer else None,
        model=_model(c2pa),
        generated_at=_generated_at(c2pa),
    )


def _model(report: C2paReport) -> str | None:
    """The first diffusion model among what the image was made with."""
    models = (item.title for item in report.ingredients if item.kind == "diffusion")
    return next(models, None)


def _generated_at(report: C2paReport) -> str | None:
    for text in (*(action.when for action in report.actions), report.signed_at):
        try:
            when = datetime.fromisoformat(text or "")
        except ValueError:
            continue
        if when.tzinfo is not None:
            return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return None
