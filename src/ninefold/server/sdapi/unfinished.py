"""What becomes of a request that is interrupted: the settings it had, and the picture as it was."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.generation_record import GenerationRecord
from ninefold.files.a1111 import as_text, sampling_fields
from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import ImageFormat
from ninefold.files.infotext import Infotext
from ninefold.files.opening import OWN_LIMITS
from ninefold.imaging.resize import resize
from ninefold.jobs import Job
from ninefold.jobs.events import JobStageFinished, JobStarted, JobStepped
from ninefold.jobs.naming import number_of
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.callers import Caller
from ninefold.server.file_answers import stored_bytes
from ninefold.server.sdapi.answers import FinishedImage
from ninefold.server.sent_images import SentImage
from ninefold.server.service import Service

#: Parameters by which a diffusion pass is known.
_PASS = frozenset({"strength", "width", "steps"})


def settings_of(order: ImageOrder, info: ModelInfo) -> GenerationRecord:
    """What an order's first image is made with, as far as that is known before it is made."""
    found: Iterator[Json] = (item.get("params", {}) for item in order.stages)
    params: Json = next((item for item in found if _PASS & item.keys()), {})
    guidance = params.get("guidance_scale")
    steps = params.get("steps") or info.steps
    return GenerationRecord(
        model=info.name,
        model_hash=info.hash,
        seed=order.seed,
        steps=steps,
        steps_run=steps,
        guidance_scale=info.guidance_scale if guidance is None else guidance,
        scheduler=params.get("scheduler") or info.scheduler,
        size=(
            params.get("width") or info.native_size[0],
            params.get("height") or info.native_size[1],
        ),
        device="",
        dtype="",
    )


@dataclass(frozen=True)
class Unfinished:
    """Makes pictures of jobs that were cancelled."""

    service: Service
    caller: Caller
    order: ImageOrder
    settings: GenerationRecord

    async def pictures(self, job: Job) -> tuple[FinishedImage, ...]:
        """The image of the last stage that ended, else the last preview, else the source.

        None of a job that had not begun.
        """
        names: list[str] = []
        preview: str | None = None
        events = await self.service.events_so_far(self.caller, job.id)
        for event in events:
            match event:
                case JobStageFinished(artifacts=[name, *_]) if name.endswith(".png"):
                    names.append(name)
                case JobStepped(stage="text_to_image", preview=str(shown)):
                    preview = shown  # other stages show a part of the image
        if names:
            file = await self.service.artifact(self.caller, job.id, names[-1])
            data = await self.service.call(stored_bytes, file.path)
        elif preview is not None:
            data = base64.b64decode(preview)
        elif (source := self._source(job)) and any(isinstance(e, JobStarted) for e in events):
            data = source.data
        else:
            return ()
        scaled = not names and preview is not None
        return (FinishedImage(job, await self.service.call(self._file, data, job, scaled)),)

    def _source(self, job: Job) -> SentImage | None:
        """The image that the job starts from; jobs of a group are numbered from 1."""
        sources = self.order.sources
        return sources[(number_of(job.id) - 1) % len(sources)][0]

    def _file(self, data: bytes, job: Job, scaled: bool) -> bytes:
        pixels = decode(data, OWN_LIMITS)
        if scaled:
            pixels = resize(pixels, *self.settings.size)
        height, width = pixels.shape[:2]
        prompt = job.metadata.get("prompt", {})
        settings = replace(self.settings, seed=prompt.get("seed", job.seed), size=(width, height))
        fields = as_text(sampling_fields(settings)) | {"Unfinished": "interrupted"}
        infotext = Infotext(
            prompt.get("prompt", self.order.prompt or ""),
            prompt.get("negative_prompt", self.order.negative_prompt or ""),
            fields,
        )
        return encode(
            pixels,
            ImageFormat.PNG,
            compression=Compression.FAST,
            metadata=EmbeddedMetadata(infotext),
        )
