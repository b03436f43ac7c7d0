"""Events of a streamed image: previews while it is made, then the image."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from ninefold.files.decode import decode_layers
from ninefold.files.encode import Compression, encode
from ninefold.imaging.alpha import join, resize_alpha
from ninefold.imaging.resize import resize
from ninefold.jobs import Group, JobEvent
from ninefold.jobs.events import JobStageFinished, JobStepped
from ninefold.server.blocking_requests import UnfinishedError, completed, final_image, warnings_of
from ninefold.server.callers import Caller
from ninefold.server.file_answers import stored_bytes
from ninefold.server.job_progress import JobProgress
from ninefold.server.openai.errors import error_document
from ninefold.server.openai.schemas import UsageDocument
from ninefold.server.openai.translate import Ordered
from ninefold.server.problems import problem_of
from ninefold.server.service import Service
from ninefold.server.sse import event_text

EventKind = Literal["image_generation", "image_edit"]

_log = logging.getLogger(__name__)


@dataclass
class Partials:
    """Chooses previews: at most `most` of them, spread over the job's whole progress."""

    most: int
    sent: int = 0
    _passed: int = 0

    def due(self, progress: float) -> bool:
        """Whether a preview should be sent now, at a part of 0 to 1 of all the work."""
        parts = min(self.most, int(progress * (self.most + 1)))
        if parts <= self._passed:
            return False
        self._passed = parts
        self.sent += 1
        return True


async def events(
    service: Service,
    caller: Caller,
    group: Group,
    ordered: Ordered,
    kind: EventKind,
    partial_images: int,
) -> AsyncGenerator[str, None]:
    """Server-sent events, as text, of the one image of `group`; a failure is one, too."""
    job_id = group.jobs[0].id
    head = {
        "background": ordered.background,
        "output_format": ordered.output_format,
        "quality": ordered.quality,
        "size": f"{ordered.size[0]}x{ordered.size[1]}",
    }
    partials, job_progress = Partials(partial_images), JobProgress()
    try:
        async with aclosing(await service.events(caller, job_id)) as found:
            async for event in found:
                job_progress.see(event)
                source = await _source(service, caller, job_id, event)
                if (
                    source is not None
                    and job_progress.fraction < 1
                    and partials.due(job_progress.fraction)
                ):
                    data = await service.call(_preview, source, ordered)
                    fields = {"partial_image_index": partials.sent - 1, "b64_json": data, **head}
                    yield _event(f"{kind}.partial_image", fields)
        job = completed(await service.job(caller, job_id))
        output = final_image(job)
        head["size"] = f"{output.width}x{output.height}"
        file = await service.artifact(caller, job_id, output.name)
        data = await service.call(lambda: _base64(stored_bytes(file.path)))
        fields = {
            "b64_json": data,
            **head,
            "usage": UsageDocument().model_dump(),
            "seed": job.seed,
            "job_id": job.id,
            "warnings": [*ordered.order.warnings, *warnings_of(job)],
        }
        yield _event(f"{kind}.completed", fields)
    except UnfinishedError as error:
        yield _event("error", error_document(error.problem))
    except Exception as error:  # the answer has begun: it can only say so in it
        problem = problem_of(error)
        if problem.status >= 500:
            _log.error("stream of job %s", job_id, exc_info=error)
        yield _event("error", error_document(problem))


async def _source(service: Service, caller: Caller, job_id: str, event: JobEvent) -> bytes | None:
    """The picture that an event brings, as a file."""
    match event:
        case JobStepped(preview=str(preview)):
            return base64.b64decode(preview)
        case JobStageFinished(artifacts=[name, *_]) if name.endswith(".png"):
            file = await service.artifact(caller, job_id, name)
            return await service.call(stored_bytes, file.path)
    return None


def _preview(source: bytes, ordered: Ordered) -> str:
    """A picture at the final size and in the final format, as base64."""
    pixels, alpha = decode_layers(source)
    pixels = resize(pixels, *ordered.size, method="bicubic")
    if alpha is not None:
        alpha = resize_alpha(alpha, *ordered.size, method="bicubic")
    layers = join(pixels, alpha)
    return _base64(encode(layers, ordered.output_format, compression=Compression.FAST))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _event(kind: str, fields: dict[str, Any]) -> str:
    if kind != "error":
        fields = {"type": kind, "created_at": int(time.time()), **fields}
    return event_text(kind, fields)
