"""Routes that make images: txt2img, img2img and the extras; and png-info."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from ninefold.core.errors import NotFoundError
from ninefold.jobs import Job
from ninefold.server.blocking_requests import ImageOrder, answer, completed, final_image, submitted
from ninefold.server.callers import Caller
from ninefold.server.dependencies import Known, Reader, ServiceDep, Submitter
from ninefold.server.file_answers import stored_bytes
from ninefold.server.inspection import described_file
from ninefold.server.router import Router
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
from ninefold.server.sdapi.sessions import Arrival, Sessions, SessionsDep
from ninefold.server.sdapi.shared import catalog_for, problem_response, sdapi_responses
from ninefold.server.sdapi.translate import img2img, txt2img
from ninefold.server.sdapi.unfinished import Unfinished, settings_of
from ninefold.server.service import Service

router = Router(prefix="/sdapi/v1", tags=["sdapi"])

_IMAGES = sdapi_responses(404, 409, example=IMAGES, body=True)
_IMAGES[200]["model"] = ImagesAnswer
_EXTRAS = sdapi_responses(404, 409, example=EXTRAS, body=True)
_EXTRAS[200]["model"] = ExtrasAnswer
_BATCH = sdapi_responses(404, 409, example=EXTRAS_BATCH, body=True)
_BATCH[200]["model"] = ExtrasBatchAnswer


@dataclass(frozen=True)
class Call:
    """A request that makes images, and whoever sent it."""

    request: Request
    service: Service
    sessions: Sessions
    caller: Caller

    async def generate(
        self,
        kind: str,
        order: ImageOrder,
        arrival: Arrival | None = None,
        unfinished: Unfinished | None = None,
    ) -> list[FinishedImage]:
        """The images of an order, those that were skipped left out.

        Of an `arrival` that was interrupted meanwhile nothing is made; `unfinished` makes the
        images of jobs that are interrupted. Raises as `Service.submit_group` does, and
        `UnfinishedError`.
        """
        service, caller = self.service, self.caller
        task_id = None if arrival is None else arrival.task_id
        found: list[FinishedImage] = []
        async with (
            submitted(service, caller, order) as group,
            self.sessions.opened(caller, kind, task_id, group),
        ):
            if arrival is not None and arrival.interrupted:
                await service.cancel_group(caller, group.id)
            for member in group.jobs:
                job = await service.wait(caller, member.id)
                if job.status != "cancelled":
                    found.append(await self._finished(completed(job)))
                elif unfinished is not None:
                    found += await unfinished.pictures(job)
        return found

    async def _finished(self, job: Job) -> FinishedImage:
        name = final_image(job).name
        file = await self.service.artifact(self.caller, job.id, name)
        return FinishedImage(job, await self.service.call(stored_bytes, file.path))


async def _call_of(
    request: Request,
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Submitter,
    _reader: Reader,
) -> Call:
    return Call(request, service, sessions, caller)


CallDep = Annotated[Call, Depends(_call_of)]


@router.post("/txt2img", responses=_IMAGES, response_model=None)
async def sdapi_txt2img(call: CallDep, asked: Txt2ImgRequest) -> Response:
    """Images from text."""
    return await _images(
        call, "txt2img", asked, partial(txt2img, asked, limits=call.service.image_limits)
    )


@router.post("/img2img", responses=_IMAGES, response_model=None)
async def sdapi_img2img(call: CallDep, asked: Img2ImgRequest) -> Response:
    """Images from an image, whole or inside a mask."""
    translated = partial(img2img, asked, limits=call.service.image_limits)
    return await _images(call, "img2img", asked, translated)


@router.post(
    "/extra-single-image",
    responses=_EXTRAS,
    response_model=None,
)
async def sdapi_extra_single_image(call: CallDep, asked: ExtrasRequest) -> Response:
    """An image, enlarged."""
    service = call.service
    catalog = await catalog_for(call.request, service, call.caller)
    limits = service.image_limits
    order = await service.call(extras, asked, asked.image, "image", catalog, limits)

    async def work() -> Response:
        found = await call.generate("extras", order)
        image = found[0].base64 if found else ""
        return _json(ExtrasAnswer(html_info=_html(order.warnings, found), image=image))

    return await answer(call.request, service, problem_response, work())


@router.post(
    "/extra-batch-images",
    responses=_BATCH,
    response_model=None,
)
async def sdapi_extra_batch_images(call: CallDep, asked: ExtrasBatchRequest) -> Response:
    """Several images, enlarged one after another."""
    service, limits = call.service, call.service.image_limits
    catalog = await catalog_for(call.request, service, call.caller)
    orders = [
        await service.call(extras, asked, item.data, f"imageList.{number}.data", catalog, limits)
        for number, item in enumerate(asked.imageList)
    ]

    async def work() -> Response:
        found: list[FinishedImage] = []
        for number, order in enumerate(orders, 1):
            found += await call.generate("extras", order)
            if len(found) < number:  # interrupted
                break
        text = _html(orders[0].warnings, found)
        return _json(ExtrasBatchAnswer(html_info=text, images=[image.base64 for image in found]))

    return await answer(call.request, service, problem_response, work())


@router.post("/png-info", responses=sdapi_responses(example=PNG_INFO, body=True))
async def sdapi_png_info(
    service: ServiceDep, _caller: Known, asked: PngInfoRequest
) -> PngInfoAnswer:
    """What an image says of how it was made, of any tool, as infotext."""
    data = from_base64(asked.image, "image")
    return png_info(await service.call(described_file, service, data))


@router.post("/interrogate", responses=sdapi_responses(404, example=CAPTION, body=True))
async def sdapi_interrogate(
    service: ServiceDep, _caller: Known, asked: InterrogateRequest
) -> dict[str, str]:
    """The prompt in an image's own text; there is no model that describes others."""
    data = from_base64(asked.image, "image")

    def read() -> str:
        said = described_file(service, data).generation
        if said is None or not said.prompt:
            raise NotFoundError(
                f"model: no model at hand describes images, {asked.model[:80]!r} neither; and this "
                "image holds no prompt."
            )
        return said.prompt

    return {"caption": await service.call(read)}


async def _images(
    call: Call,
    kind: str,
    asked: Processing,
    translated: Callable[[ModelCatalog], ImageOrder],
) -> Response:
    started = time.time()
    service, caller = call.service, call.caller
    with call.sessions.arriving(caller, asked.force_task_id) as arrival:
        catalog = await catalog_for(call.request, service, caller)
        order = await service.call(translated, catalog)
        settings = settings_of(order, await service.call(catalog.info, order.model))
        unfinished = Unfinished(service, caller, order, settings)

        async def work() -> Response:
            found = await call.generate(kind, order, arrival, unfinished)
            arguments = asked, found, settings, order.warnings, started
            return _json(await service.call(images_answer, *arguments))

        return await answer(call.request, service, problem_response, work())


def _html(warnings: Sequence[str], found: Sequence[FinishedImage]) -> str:
    """What was done, and what was not, as A1111 says it: in HTML."""
    made = [image.infotext.rpartition("\n")[2] for image in found[:1]]
    lines = [*made, *warnings_for(found, warnings)]
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines if line)


def _json(document: ImagesAnswer | ExtrasAnswer | ExtrasBatchAnswer) -> Response:
    return Response(document.model_dump_json(), media_type="application/json")
