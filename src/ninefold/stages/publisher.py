"""The ninth stage: the final files, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, SigningError, UserError
from ninefold.core.model_refs import ModelRef
from ninefold.core.stage import StageParams
from ninefold.core.values import Json, Output
from ninefold.engines.watermark import BUILTIN, WATERMARK
from ninefold.files.embed import MAX_RECORD, EmbeddedMetadata, MetadataLevel
from ninefold.files.encode import encode
from ninefold.files.formats import FORMATS, ImageFormat, Lossless
from ninefold.files.identifier import identify
from ninefold.files.jxl import JXL_MISSING, jxl_installed
from ninefold.files.manifest import Manifest
from ninefold.files.names import NameFields, check_template, render_name
from ninefold.files.scrub import scrub_prompt
from ninefold.files.signing.claim import SoftBinding
from ninefold.files.store import read_alpha, read_image, write_file
from ninefold.imaging.alpha import join, lay_on, parse_colour, resize_alpha
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Alpha, Pixels
from ninefold.slots import CONFIG, IMAGE, NEGATIVE_PROMPT, OUTPUTS, PROMPT, REGIONS, SEED
from ninefold.stages.base import EngineStage
from ninefold.stages.parameters import Colour
from ninefold.stages.published_claim import provenance_of
from ninefold.stages.published_metadata import infotext_for, xmp_for
from ninefold.stages.published_record import manifest_for, record_for
from ninefold.stages.published_signature import Signatures, keep_manifest, signer_for
from ninefold.stages.published_watermark import Watermarker
from ninefold.stages.sizes import size_before

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
    lossless: bool = Field(
        False, description="Keep every pixel where the format can (WebP, JPEG XL)."
    )
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
    sign: bool = Field(
        False,
        description="Sign the files (C2PA): who made them, by which stages and models, and that "
        "nobody changed them since. The key is a matter of settings.",
    )
    watermark: bool = Field(
        False,
        description="Put the image's identifier into its pixels, invisibly: it names the manifest "
        "where a file has lost its own. Needs 256 pixels a side.",
    )
    watermark_model: Annotated[str, ModelRef(WATERMARK.name)] | None = Field(
        None, description="Which watermark, of an installed plugin; by default ninefold's own."
    )
    watermark_strength: float = Field(
        1.0,
        ge=0.25,
        le=2,
        description="How strong the watermark is; up to 1 the image keeps a PSNR of 40 dB.",
    )
    manifest: bool = Field(True, description="Write manifest.json: every stage, file and hash.")

    @field_validator("name")
    @classmethod
    def _known_fields(cls, name: str) -> str:
        check_template(name)
        return name


@dataclass(frozen=True)
class FinalImage:
    """What is published: colours, and alpha where not all is opaque."""

    pixels: Pixels
    alpha: Alpha | None
    #: How it was made, with its identifier.
    record: Manifest
    #: What the pixels carry: the identifier, where it was put into them.
    watermark: SoftBinding | None = None


class PublisherStage(EngineStage[PublisherParams]):
    """Writes the final files with their metadata, a thumbnail and a manifest."""

    name = "publisher"
    params_type = PublisherParams
    usual_steps = 0.5
    important = ("formats", "quality", "sign", "watermark", "metadata", "name")
    requires = (IMAGE,)
    accepts = (PROMPT, NEGATIVE_PROMPT, SEED, REGIONS, CONFIG)
    provides = (OUTPUTS,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `outputs`."""
        await run_blocking(context, self._run, context)
        return context

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the library of each format is installed."""
        if ImageFormat.JXL in self.params.formats and not jxl_installed():
            yield f"{self.name}.formats: {JXL_MISSING}, or choose another format."

    def setup_problems(self) -> Iterator[str]:
        """Whether key and certificate can sign."""
        if self._signs:
            for problem in signer_for(self.engines).problems():
                yield f"{self.name}.sign: {problem}"

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """The same; raises `InputError` for one that a format or the watermark cannot do with."""
        if (size := size_before(context, size)) is not None:
            for image_format in self.params.formats:
                most = FORMATS[image_format].max_side
                if max(size) > most:
                    raise InputError(
                        f"{self.name}.formats: {image_format.value} holds at most {most:,} pixels "
                        f"a side, and the image will have {size[0]}x{size[1]}. Choose png, or make "
                        "it smaller."
                    )
            problem = self._watermarker.size_problem(*size) if self.params.watermark else None
            if problem is not None:
                raise InputError(
                    f"{self.name}.watermark: {problem} Or set {self.name}.watermark to false."
                )
        return size

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """What the files say of how they were made; the job and the day where names tell them."""
        try:
            record = record_for(context, self.engines.versions).document()
        except ValueError:  # which fails the stage, once it runs
            return None
        return {
            "signing": signer_for(self.engines).fingerprint() if self._signs else None,
            "watermark": self._watermarker.described() if self.params.watermark else None,
            "record": record,
            "job": context.job_id if "{job_id}" in self.params.name else None,
            "date": _today() if "{date}" in self.params.name else None,
        }

    @property
    def _watermarker(self) -> Watermarker:
        model = self.params.watermark_model or BUILTIN
        return Watermarker(self.engines, model, self.params.watermark_strength)

    @property
    def _signs(self) -> bool:
        """Whether files are signed: not those that are to say nothing."""
        return self.params.sign and self.params.metadata is not MetadataLevel.NONE

    def _run(self, context: PipelineContext) -> None:
        params = self.params
        final = self._final(context)
        record = self._fitting(context, final.record)
        metadata = EmbeddedMetadata(
            infotext_for(context), xmp_for(context), params.metadata, record
        )
        signatures = self._signatures(context, final, record)
        stem = self._stem(context)
        formats = tuple(dict.fromkeys(params.formats))
        outputs: list[Output] = []
        failures: dict[str, UserError] = {}
        for image_format in formats:
            name = self.artifact_name(f"{FOLDER}/{stem}", FORMATS[image_format].suffixes[0])
            try:
                data = self._encoded(final, image_format, metadata)
                if signatures is not None:
                    data = signatures.signed(name, image_format, data, self._encoder_settings)
            except (InputError, SigningError) as error:
                failures[name] = error
                continue
            outputs.append(self._written(context, name, image_format, final, data))
            context.progress.step(len(outputs), len(formats) + bool(params.thumbnail))
        if not outputs:
            raise next(iter(failures.values()))
        for name, failure in failures.items():
            context.warn(self.name, f"{name} was left out: {failure}")
        if params.thumbnail:
            small = self._shrunk(final)
            data = encode(self._seen(small, ImageFormat.WEBP), ImageFormat.WEBP)
            name = self.artifact_name(f"{FOLDER}/{stem}_thumbnail", ".webp")
            outputs.append(self._written(context, name, ImageFormat.WEBP, small, data))
        context[OUTPUTS] = tuple(outputs)
        context.add_metadata(
            self.name,
            identifier=final.record.identifier,
            outputs=[output.name for output in outputs],
            **({} if signatures is None else {"signed": signatures.described()}),
        )
        manifest = manifest_for(final.record, context)
        if params.manifest:
            name = self.artifact_name(f"{FOLDER}/manifest", ".json")
            write_file(context, self.name, name, manifest, "application/json")
        if signatures is not None or final.watermark is not None:
            identifier = bytes.fromhex(final.record.identifier or "")
            kept = {} if signatures is None else signatures.manifests
            keep_manifest(context, self.name, self.engines.marks, identifier, manifest, kept)

    def _signatures(
        self, context: PipelineContext, final: FinalImage, record: Manifest | None
    ) -> Signatures | None:
        """What signs the files; None where nothing does."""
        if not self._signs:
            if self.params.sign:
                why = "the metadata level none says nothing of them; choose minimal or full."
                context.warn(self.name, f"the files are not signed: {why}")
            return None
        provenance = provenance_of(
            context,
            self.name,
            self._seen(final, ImageFormat.JPEG),
            kind=xmp_for(context).source_type,
            level=self.params.metadata,
            record=None if record is None else record.record.to_json().decode(),
            watermark=final.watermark,
        )
        return Signatures(context, self.name, signer_for(self.engines), provenance)

    @property
    def _encoder_settings(self) -> Json:
        """What signed files say of how they were encoded."""
        if self.params.metadata is not MetadataLevel.FULL:
            return {}
        chosen = {"lossless": self.params.lossless, "quality": self.params.quality}
        return {name: value for name, value in chosen.items() if value is not None}

    def _final(self, context: PipelineContext) -> FinalImage:
        """The image as the files will show it, and its identifier."""
        record = context[IMAGE]
        pixels, alpha = read_image(context, record), read_alpha(context, record)
        watermarker = self._watermarker if self.params.watermark else None
        if watermarker is not None:
            problem = watermarker.size_problem(record.width, record.height)
            if problem is not None:  # of a size that nobody knew before
                context.warn(self.name, f"the image has no watermark: {problem}")
                watermarker = None
            else:
                context.add_metadata(self.name, watermark=watermarker.described())
        context.add_metadata(
            self.name,
            metadata_level=self.params.metadata.value,
            **({} if alpha is None else self._transparency()),
        )
        seen = join(pixels, alpha)
        made = record_for(context, self.engines.versions, seen)
        identifier = identify(seen, made.document())
        made = made.model_copy(update={"identifier": identifier.hex()})
        if watermarker is None:
            return FinalImage(pixels, alpha, made)
        marked, likeness = watermarker.marked(pixels, alpha, identifier)
        context.add_metadata(self.name, watermark_psnr=likeness)
        return FinalImage(marked, alpha, made, SoftBinding(watermarker.algorithm, identifier))

    def _fitting(self, context: PipelineContext, made: Manifest) -> Manifest | None:
        """The record for the files; None for one that they cannot hold, with a warning."""
        if (length := len(made.to_json())) <= MAX_RECORD:
            return made
        context.warn(
            self.name,
            f"record: expected at most {MAX_RECORD:,} bytes, got {length:,}, so the files do not "
            "hold it; manifest.json does. Give fewer wildcards in the config.",
        )
        return None

    def _encoded(
        self, final: FinalImage, image_format: ImageFormat, metadata: EmbeddedMetadata
    ) -> bytes:
        """A file of the image with its metadata; raises `InputError` where the format cannot."""
        try:
            return encode(
                self._seen(final, image_format),
                image_format,
                quality=self.params.quality,
                lossless=self.params.lossless
                and FORMATS[image_format].lossless is not Lossless.NEVER,
                metadata=metadata,
            )
        except ValueError as error:
            raise InputError(f"{self.name}.formats: {error}") from error

    def _shrunk(self, final: FinalImage) -> FinalImage:
        """The thumbnail of an image."""
        height, width = final.pixels.shape[:2]
        side = min(self.params.thumbnail, max(width, height))
        size = fit_size(width, height, side=side, multiple=1)
        alpha = None if final.alpha is None else resize_alpha(final.alpha, *size)
        return replace(final, pixels=resize(final.pixels, *size), alpha=alpha)

    def _seen(self, final: FinalImage, image_format: ImageFormat) -> NDArray[np.uint8]:
        """What a file of the format shows: with alpha where it holds that, or on the background."""
        pixels, alpha = final.pixels, final.alpha
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

    def _stem(self, context: PipelineContext) -> str:
        record = context[IMAGE]
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
        final: FinalImage,
        data: bytes,
    ) -> Output:
        media_type = FORMATS[image_format].media_type
        artifact = write_file(context, self.name, name, data, media_type)
        height, width = final.pixels.shape[:2]
        return Output(
            name, artifact.path, image_format.value, media_type, width, height, artifact.sha256
        )


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
