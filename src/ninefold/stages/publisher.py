"""The ninth stage: the final files, and how they were made."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ninefold._version import __version__
from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.record import facts
from ninefold.core.stage import StageParams
from ninefold.core.values import Artifact, ImageRecord, Json, Output
from ninefold.engines.generation_record import passes
from ninefold.files.a1111 import ImageHistory, detail_record, infotext_of, upscale_record
from ninefold.files.embed import EmbeddedMetadata, MetadataLevel
from ninefold.files.encode import encode
from ninefold.files.formats import FORMATS, ImageFormat, Lossless
from ninefold.files.infotext import Infotext
from ninefold.files.manifest import FileRecord, build_manifest
from ninefold.files.names import NameFields, check_template, render_name
from ninefold.files.scrub import scrub_prompt
from ninefold.files.store import read_alpha, read_image, write_file
from ninefold.files.xmp import DigitalSourceType, Xmp
from ninefold.imaging.alpha import join, lay_on, parse_colour, resize_alpha
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Alpha, Pixels
from ninefold.slots import CONFIG, IMAGE, NEGATIVE_PROMPT, OUTPUTS, PROMPT, REGIONS, SEED
from ninefold.stages.base import Colour, EngineStage, size_before

#: Final files lie in a folder of their own, so that no template can overwrite a stage's file.
FOLDER = "outputs"


class PublisherParams(StageParams):
    """Parameters of `publisher`."""

    formats: tuple[ImageFormat, ...] = Field(
        (ImageFormat.PNG,), min_length=1, description="File formats to write."
    )
    quality: int | None = Field(
        None, ge=1, le=100, description="Of lossy formats; by default each format's own."
    )
    lossless: bool = Field(False, description="Keep every pixel where the format can (WebP).")
    name: str = Field(
        "{model}-{seed}",
        description="File name without its suffix; fields are job_id, seed, model, index, date, "
        "width, height and prompt.",
    )
    index: int = Field(0, ge=0, description="What {index} in the name stands for.")
    background: Colour = Field(
        "#ffffff",
        description="What is transparent is laid on this colour where the format cannot hold it "
        "(JPEG): a name of CSS or #rrggbb.",
    )
    keep_alpha: bool = Field(
        True, description="Keep what is transparent; off, every format is laid on `background`."
    )
    thumbnail: int = Field(
        0, ge=0, le=2048, description="Longer side of a WebP thumbnail in pixels; 0 makes none."
    )
    metadata: MetadataLevel = Field(
        MetadataLevel.FULL,
        description="What the files say: full (how they were made), minimal (that AI made them) "
        "or none.",
    )
    manifest: bool = Field(True, description="Write manifest.json: every stage, file and hash.")

    @field_validator("name")
    @classmethod
    def _known_fields(cls, name: str) -> str:
        check_template(name)
        return name


class PublisherStage(EngineStage[PublisherParams]):
    """Writes the final files with their metadata, a thumbnail and a manifest."""

    name = "publisher"
    params_type = PublisherParams
    usual_steps = 0.5
    requires = (IMAGE,)
    accepts = (PROMPT, NEGATIVE_PROMPT, SEED, REGIONS, CONFIG)
    provides = (OUTPUTS,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `outputs`."""
        await run_blocking(context, self._run, context)
        return context

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """The same; raises `InputError` for one that a format cannot hold."""
        if (size := size_before(context, size)) is not None:
            for image_format in self.params.formats:
                most = FORMATS[image_format].max_side
                if max(size) > most:
                    raise InputError(
                        f"{self.name}.formats: {image_format.value} holds at most {most:,} pixels "
                        f"a side, and the image will have {size[0]}x{size[1]}. Choose png, or make "
                        "it smaller."
                    )
        return size

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """What the files say of the stages before; the job and the day where names tell them."""
        return {
            "stages": facts(context.metadata),
            "job": context.job_id if "{job_id}" in self.params.name else None,
            "date": _today() if "{date}" in self.params.name else None,
            "engines": dict(self.engines.versions),
        }

    def _run(self, context: PipelineContext) -> None:
        params = self.params
        record = context[IMAGE]
        pixels, alpha = read_image(context, record), read_alpha(context, record)
        metadata = EmbeddedMetadata(_infotext(context), _xmp(context), params.metadata)
        stem = self._stem(context, record)
        outputs = []
        for image_format in dict.fromkeys(params.formats):
            info = FORMATS[image_format]
            try:
                data = encode(
                    self._seen(pixels, alpha, image_format),
                    image_format,
                    quality=params.quality,
                    lossless=params.lossless and info.lossless is not Lossless.NEVER,
                    metadata=metadata,
                )
            except ValueError as error:
                raise InputError(f"{self.name}.formats: {error}") from error
            name = self.artifact_name(f"{FOLDER}/{stem}", info.suffixes[0])
            outputs.append(self._written(context, name, image_format, pixels, data))
            context.progress.step(len(outputs), len(params.formats) + bool(params.thumbnail))
        if params.thumbnail:
            height, width = pixels.shape[:2]
            side = min(params.thumbnail, max(width, height))
            size = fit_size(width, height, side=side, multiple=1)
            small = resize(pixels, *size)
            small_alpha = None if alpha is None else resize_alpha(alpha, *size)
            data = encode(self._seen(small, small_alpha, ImageFormat.WEBP), ImageFormat.WEBP)
            name = self.artifact_name(f"{FOLDER}/{stem}_thumbnail", ".webp")
            outputs.append(self._written(context, name, ImageFormat.WEBP, small, data))
        context[OUTPUTS] = tuple(outputs)
        context.add_metadata(
            self.name,
            outputs=[output.name for output in outputs],
            metadata_level=params.metadata.value,
            **({} if alpha is None else self._transparency()),
        )
        if params.manifest:
            data = _manifest(context, outputs, dict(self.engines.versions))
            name = self.artifact_name(f"{FOLDER}/manifest", ".json")
            write_file(context, self.name, name, data, "application/json")

    def _seen(
        self, pixels: Pixels, alpha: Alpha | None, image_format: ImageFormat
    ) -> NDArray[np.uint8]:
        """What a file of the format shows: with alpha where it holds that, or on the background."""
        if alpha is None or (self.params.keep_alpha and FORMATS[image_format].alpha):
            return join(pixels, alpha)
        return lay_on(pixels, alpha, parse_colour(self.params.background))

    def _transparency(self) -> Json:
        """What became of alpha, for the metadata: the formats that hold it, and the background."""
        kept = [
            image_format.value
            for image_format in dict.fromkeys(self.params.formats)
            if self.params.keep_alpha and FORMATS[image_format].alpha
        ]
        return {"transparent": kept, "background": self.params.background}

    def _stem(self, context: PipelineContext, record: ImageRecord) -> str:
        fields = NameFields(
            job_id=context.job_id,
            seed=context.get(SEED) or 0,
            model=str(context.metadata.get("text_to_image", {}).get("model", "none")),
            index=self.params.index,
            date=_today(),
            width=record.width,
            height=record.height,
            prompt=scrub_prompt(context.get(PROMPT) or ""),
        )
        # The longest suffix leaves room for every other one.
        return render_name(self.params.name, fields, ".webp").removesuffix(".webp")

    def _written(
        self,
        context: PipelineContext,
        name: str,
        image_format: ImageFormat,
        pixels: Pixels,
        data: bytes,
    ) -> Output:
        media_type = FORMATS[image_format].media_type
        artifact = write_file(context, self.name, name, data, media_type)
        height, width = pixels.shape[:2]
        return Output(
            name, artifact.path, image_format.value, media_type, width, height, artifact.sha256
        )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _infotext(context: PipelineContext) -> Infotext | None:
    """What was done to the image, in A1111's terms; None where that is too little to tell."""
    made = passes(context.metadata)
    details = (
        detail_record(entry)
        for name, entry in context.metadata.items()
        if name.partition("_")[0] == "detailer"
    )
    return infotext_of(
        ImageHistory(
            prompt=context.get(PROMPT) or "",
            negative_prompt=context.get(NEGATIVE_PROMPT) or "",
            seed=context.get(SEED),
            first=next(iter(made.values()), None),
            refiner=made.get("refiner"),
            restorer=made.get("restorer"),
            upscale=upscale_record(context.metadata.get("upscaler", {})),
            details=[record for record in details if record is not None],
            loras={lora.name: lora.hash for record in made.values() for lora in record.loras},
            embeddings={
                item.name: item.hash for record in made.values() for item in record.embeddings
            },
            version=f"ninefold {__version__}",
        )
    )


def _xmp(context: PipelineContext) -> Xmp:
    made = context.metadata.get("text_to_image")
    photo = made is None or "source" in made
    kind = DigitalSourceType.TRAINED
    if photo:
        painted = bool(passes(context.metadata))
        kind = DigitalSourceType.COMPOSITE if painted else DigitalSourceType.ENHANCED
    return Xmp(kind, system="ninefold", system_version=__version__)


def _manifest(context: PipelineContext, outputs: list[Output], versions: dict[str, str]) -> bytes:
    finals = {output.name for output in outputs}
    records = [
        FileRecord(item.name, item.sha256, item.path.stat().st_size, item.media_type, item.stage)
        for item in (*context.artifacts, *_region_files(context))
    ]
    config: Json = context.get(CONFIG) or {}
    return build_manifest(
        job_id=context.job_id,
        config=config,
        stages=context.metadata,
        artifacts=[item for item in records if item.name not in finals],
        outputs=[item for item in records if item.name in finals],
        versions={"ninefold": __version__, **versions},
        started_at=context.created_at,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _region_files(context: PipelineContext) -> list[Artifact]:
    regions = context.get(REGIONS) or ()
    return [item for region in regions for item in (region.before, region.after)]
