"""Routes that make images: txt2img, img2img and the extras; and png-info."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ninefold.core.errors import InputError, NotFoundError
from ninefold.files.embed import read_infotext, read_parameters
from ninefold.files.opening import ImageLimits
from ninefold.jobs import Job
from ninefold.server.auth import Known, Reader, Submitter
from ninefold.server.blocking_requests import ImageOrder, answer, completed, final_image, submitted
from ninefold.server.callers import Caller
from ninefold.server.sdapi.answers import (
    ExtrasAnswer,
    ExtrasBatchAnswer,
    FinishedImage,
    ImagesAnswer,
    PngInfoAnswer,
    images_answer,
    png_info,
    warnings_for,
)
from ninefold.server.sdapi.examples import CAPTION, EXTRAS, EXTRAS_BATCH, IMAGES, PNG_INFO
from ninefold.server.sdapi.extras import extras
from ninefold.server.sdapi.images import from_base64
from ninefold.server.sdapi.model_catalog import ModelCatalog
from ninefold.server.sdapi.schemas import (
    ExtrasBatchRequest,
    ExtrasRequest,
    Img2ImgRequest,
    InterrogateRequest,
    PngInfoRequest,
    Processing,
    Txt2ImgRequest,
)
from ninefold.server.sdapi.sessions import Arrival, Sessions, sessions_of
from ninefold.server.sdapi.shared import catalog_for, problem_response, sdapi_responses
from ninefold.server.sdapi.translate import img2img, txt2img
from ninefold.server.sdapi.unfinished import Unfinished, settings_of
from ninefold.server.service import Service, ServiceDep

router = APIRouter(prefix="/sdapi/v1")

SessionsDep = Annotated[Sessions, Depends(sessions_of)]
_IMAGES = sdapi_responses(404, 409, example=IMAGES, body=True)
_IMAGES[200]["model"] = ImagesAnswer
_EXTRAS = sdapi_responses(404, 409, example=EXTRAS, body=True)
_EXTRAS[200]["model"] = ExtrasAnswer
_BATCH = sdapi_responses(404, 409, example=EXTRAS_BATCH, body=True)
_BATCH[200]["model"] = ExtrasBatchAnswer


@router.post("/txt2img", responses=_IMAGES, response_model=None)
async def sdapi_txt2img(
    request: Request,
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Submitter,
    _reader: Reader,
    asked: Txt2ImgRequest,
) -> Response:
    """Images from text."""
    return await _images(
        request, service, sessions, caller, "txt2img", asked, partial(txt2img, asked)
    )


@router.post("/img2img", responses=_IMAGES, response_model=None)
async def sdapi_img2img(
    request: Request,
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Submitter,
    _reader: Reader,
    asked: Img2ImgRequest,
) -> Response:
    """Images from an image, whole or inside a mask."""
    translated = partial(img2img, asked, limits=_limits(service))
    return await _images(request, service, sessions, caller, "img2img", asked, translated)


@router.post(
    "/extra-single-image",
    responses=_EXTRAS,
    response_model=None,
)
async def sdapi_extra_single_image(
    request: Request,
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Submitter,
    _reader: Reader,
    asked: ExtrasRequest,
) -> Response:
    """An image, enlarged."""
    catalog = await catalog_for(request, service, caller)
    order = await service.call(extras, asked, asked.image, "image", catalog, _limits(service))

    async def work() -> Response:
        found = await _generate(service, sessions, caller, order, "extras")
        image = found[0].base64 if found else ""
        return _json(ExtrasAnswer(html_info=_html(order.warnings, found), image=image))

    return await answer(request, service, problem_response, work())


@router.post(
    "/extra-batch-images",
    responses=_BATCH,
    response_model=None,
)
async def sdapi_extra_batch_images(
    request: Request,
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Submitter,
    _reader: Reader,
    asked: ExtrasBatchRequest,
) -> Response:
    """Several images, enlarged one after another."""
    catalog = await catalog_for(request, service, caller)
    limits = _limits(service)
    orders = [
        await service.call(extras, asked, item.data, f"imageList.{number}.data", catalog, limits)
        for number, item in enumerate(asked.imageList)
    ]

    async def work() -> Response:
        found: list[FinishedImage] = []
        for number, order in enumerate(orders, 1):
            found += await _generate(service, sessions, caller, order, "extras")
            if len(found) < number:  # interrupted
                break
        told = _html(orders[0].warnings, found)
        return _json(ExtrasBatchAnswer(html_info=told, images=[image.base64 for image in found]))

    return await answer(request, service, problem_response, work())


@router.post("/png-info", responses=sdapi_responses(example=PNG_INFO, body=True))
async def sdapi_png_info(
    service: ServiceDep, _caller: Known, asked: PngInfoRequest
) -> PngInfoAnswer:
    """The text that an image holds, of any tool that writes infotext."""
    data = from_base64(asked.image, "image")

    def read() -> PngInfoAnswer:
        try:
            return png_info(read_parameters(data), read_infotext(data))
        except ValueError as error:
            raise InputError(f"{error}.") from None

    return await service.call(read)


@router.post("/interrogate", responses=sdapi_responses(404, example=CAPTION, body=True))
async def sdapi_interrogate(
    service: ServiceDep, _caller: Known, asked: InterrogateRequest
) -> dict[str, str]:
    """The prompt that an image's own text tells; there is no model that describes others."""
    data = from_base64(asked.image, "image")

    def read() -> str:
        try:
            info = read_infotext(data)
        except ValueError as error:
            raise InputError(f"{error}.") from None
        if info is None or not info.prompt:
            raise NotFoundError(
                f"model: no model at hand describes images, {asked.model[:80]!r} neither; and this "
                "image holds no prompt."
            )
        return info.prompt

    return {"caption": await service.call(read)}


async def _images(
    request: Request,
    service: Service,
    sessions: Sessions,
    caller: Caller,
    kind: str,
    asked: Processing,
    translated: Callable[[ModelCatalog], ImageOrder],
) -> Response:
    started = time.time()
    task_id = asked.force_task_id
    with sessions.arriving(caller, task_id) as arrival:
        catalog = await catalog_for(request, service, caller)
        order = await service.call(translated, catalog)
        settings = settings_of(order, await service.call(catalog.info, order.model))
        unfinished = Unfinished(service, caller, order, settings)

        async def work() -> Response:
            found = await _generate(
                service, sessions, caller, order, kind, task_id, arrival, unfinished
            )
            arguments = asked, found, settings, order.warnings, started
            return _json(await service.call(images_answer, *arguments))

        return await answer(request, service, problem_response, work())


async def _generate(
    service: Service,
    sessions: Sessions,
    caller: Caller,
    order: ImageOrder,
    kind: str,
    task_id: str | None = None,
    arrival: Arrival | None = None,
    unfinished: Unfinished | None = None,
) -> list[FinishedImage]:
    """The images of an order, those that were skipped left out.

    Of an `arrival` that was interrupted meanwhile nothing is made; `unfinished` makes the images
    of jobs that are interrupted. Raises as `Service.submit_group` does, and `UnfinishedError`.
    """
    found: list[FinishedImage] = []
    async with (
        submitted(service, caller, order) as group,
        sessions.opened(caller, kind, task_id, group),
    ):
        if arrival is not None and arrival.interrupted:
            await service.cancel_group(caller, group.id)
        for member in group.jobs:
            job = await service.wait(caller, member.id)
            if job.status != "cancelled":
                found.append(await _read(service, caller, completed(job)))
            elif unfinished is not None:
                found += await unfinished.pictures(job)
    return found


async def _read(service: Service, caller: Caller, job: Job) -> FinishedImage:
    file = await service.artifact(caller, job.id, final_image(job).name)
    return FinishedImage(job, await service.call(file.path.read_bytes))


def _limits(service: Service) -> ImageLimits:
    return ImageLimits(service.settings.max_image_bytes, service.settings.max_image_pixels)


def _html(warnings: Sequence[str], found: Sequence[FinishedImage]) -> str:
    """What was done, and what was not, as A1111 tells it: in HTML."""
    lines = [image.infotext.rpartition("\n")[2] for image in found[:1]]
    told = [*lines, *warnings_for(found, warnings)]
    return "".join(f"<p>{html.escape(line)}</p>" for line in told if line)


def _json(document: ImagesAnswer | ExtrasAnswer | ExtrasBatchAnswer) -> Response:
    return Response(document.model_dump_json(), media_type="application/json")
