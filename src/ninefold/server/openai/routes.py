"""`/v1/images`: generations and edits, as OpenAI's clients ask for them."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urljoin

from fastapi import Form, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from ninefold.core.errors import InputError, NotFoundError
from ninefold.engines.diffusion import ModelInfo
from ninefold.jobs import Job
from ninefold.server import sse
from ninefold.server.blocking_requests import (
    answer,
    completed,
    final_image,
    submit,
    submitted,
    warnings_of,
)
from ninefold.server.callers import Caller
from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.file_answers import stored_bytes
from ninefold.server.openai.errors import openai_responses, problem_response
from ninefold.server.openai.forms import FormRoute
from ninefold.server.openai.schemas import (
    EditRequest,
    GenerationRequest,
    ImageDocument,
    ImageRequest,
    ImagesDocument,
    UsageDocument,
    VariationRequest,
)
from ninefold.server.openai.stream import EventKind, events
from ninefold.server.openai.translate import (
    Ordered,
    edit,
    edit_of_references,
    generation,
    variation,
)
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.slots import resolve_model

router = Router(tags=["openai"])
_forms = Router(tags=["openai"], route_class=FormRoute)

_EXAMPLE = {
    "created": 1_760_000_000,
    "data": [{"b64_json": "iVBORw0KGgo...", "seed": 7, "job_id": "20260101-000000-abcdef"}],
    "background": "opaque",
    "output_format": "png",
    "quality": "medium",
    "size": "512x512",
    "usage": UsageDocument().model_dump(),
    "warnings": [],
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ImagesDocument,
        "description": "The images; with `stream`, server-sent events instead.",
        "content": {
            "application/json": {"example": _EXAMPLE},
            "text/event-stream": {  # without a schema, as in `EVENTS`
                "example": "event: image_generation.completed\ndata: {...}\n\n",
            },
        },
    },
    **openai_responses(404, 409, body=True),
}


@router.post("/v1/images/generations", responses=_RESPONSES, response_model=None)
async def generate_images(
    request: Request,
    service: ServiceDep,
    caller: Submitter,
    _reader: Reader,
    asked: GenerationRequest,
) -> Response:
    """Images from a prompt."""
    model, info = await _model(service, asked.model)
    ordered = await service.call(generation, asked, model, info)
    return await _answer(request, service, caller, asked, ordered, "image_generation")


@_forms.post("/v1/images/edits", responses=_RESPONSES, response_model=None)
async def edit_image(
    request: Request,
    service: ServiceDep,
    caller: Submitter,
    _reader: Reader,
    asked: Annotated[EditRequest, Form(media_type="multipart/form-data")],
) -> Response:
    """An image changed as the prompt says: whole, or where the mask is transparent.

    An edit model takes several images, and changes or combines them.
    """
    mask = await asked.mask.read() if asked.mask is not None else None
    model, info = await _model(service, asked.model)
    if mask is None and info.takes_references:
        images = await _images(asked, info.family.references)
        ordered = await service.call(
            edit_of_references, asked, model, info, images, service.image_limits
        )
    else:
        [image] = await _images(asked)
        ordered = await service.call(edit, asked, model, info, image, mask, service.image_limits)
    return await _answer(request, service, caller, asked, ordered, "image_edit")


@_forms.post("/v1/images/variations", responses=_RESPONSES, response_model=None)
async def vary_image(
    request: Request,
    service: ServiceDep,
    caller: Submitter,
    _reader: Reader,
    asked: Annotated[VariationRequest, Form(media_type="multipart/form-data")],
) -> Response:
    """Another image like one that is sent."""
    [image] = await _images(asked)
    model, info = await _model(service, asked.model)
    ordered = await service.call(variation, asked, model, info, image, service.image_limits)
    return await _answer(request, service, caller, asked, ordered, "image_edit")


router.take(_forms)


async def _images(asked: EditRequest | VariationRequest, most: int = 1) -> list[bytes]:
    """The images that were sent, `most` at the most; raises `InputError`."""
    sent = [*asked.image, *asked.images]
    if not 1 <= len(sent) <= most:
        expected = "one image" if most == 1 else f"1 to {most} images"
        several = "" if most > 1 else " Several are for edit models, without a mask."
        raise InputError(
            f"image: expected {expected}, got {len(sent)}. Send what to change, as image or "
            f"image[].{several}"
        )
    return [await image.read() for image in sent]


async def _answer(
    request: Request,
    service: Service,
    caller: Caller,
    asked: ImageRequest,
    ordered: Ordered,
    kind: EventKind,
) -> Response:
    if asked.stream:
        return await _stream(service, caller, asked, ordered, kind)

    async def work() -> Response:
        async with submitted(service, caller, ordered.order) as group:
            jobs = [completed(await service.wait(caller, job.id)) for job in group.jobs]
        document = await _document(request, service, caller, asked, ordered, jobs)
        return Response(document.model_dump_json(exclude_none=True), media_type="application/json")

    return await answer(request, service, problem_response, work())


async def _stream(
    service: Service,
    caller: Caller,
    asked: ImageRequest,
    ordered: Ordered,
    kind: EventKind,
) -> Response:
    group = await submit(service, caller, ordered.order)
    found = events(service, caller, group, ordered, kind, asked.partial_images or 0)
    response = sse.stream(found, retry=False)
    # Called when the stream is over, by its end or by the client's: an ended job stays as it is.
    response.background = BackgroundTask(service.cancel_group, caller, group.id)
    return response


async def _document(
    request: Request,
    service: Service,
    caller: Caller,
    asked: ImageRequest,
    ordered: Ordered,
    jobs: Sequence[Job],
) -> ImagesDocument:
    images = []
    for job in jobs:
        output = final_image(job)
        image = ImageDocument(seed=job.seed, job_id=job.id)
        if asked.wants_urls:
            image.url = urljoin(str(request.base_url), service.link(job.id, output.name))
        else:
            file = await service.artifact(caller, job.id, output.name)
            data = await service.call(stored_bytes, file.path)
            image.b64_json = base64.b64encode(data).decode("ascii")
        images.append(image)
    from_stages = [text for job in jobs for text in warnings_of(job)]
    size = final_image(jobs[0])
    return ImagesDocument(
        created=int(time.time()),
        data=images,
        background=ordered.background,
        output_format=ordered.output_format,
        quality=ordered.quality,
        size=f"{size.width}x{size.height}",
        warnings=[*ordered.order.warnings, *dict.fromkeys(from_stages)],
    )


async def _model(service: Service, asked: str | None) -> tuple[str | None, ModelInfo]:
    """Our model for a name that a client asks for; raises `NotFoundError`."""
    aliases = service.settings.openai_aliases
    name = aliases.get(asked, asked) if asked else None
    known = service.model_names()
    if name is not None and name not in known:
        raise NotFoundError(
            f"model: {asked!r} is not served here. Ask for one of: {', '.join((*known, *aliases))}."
        )
    info = await service.call(service.engines.diffusion.describe, resolve_model(name))
    return name, info
