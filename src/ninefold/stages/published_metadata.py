"""What published files and the manifest beside them say of a context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ninefold._version import __version__
from ninefold.core.context import PipelineContext
from ninefold.core.record import facts
from ninefold.core.values import Artifact, Json, Output
from ninefold.engines.generation_record import passes
from ninefold.files.a1111 import ImageHistory, detail_record, infotext_of, upscale_record
from ninefold.files.infotext import Infotext
from ninefold.files.manifest import FileRecord, build_manifest
from ninefold.files.xmp import DigitalSourceType, Xmp
from ninefold.slots import CONFIG, NEGATIVE_PROMPT, PROMPT, REGIONS, SEED


def identified_by(context: PipelineContext, versions: Mapping[str, str]) -> Json:
    """What an image's identifier stands for beside its pixels: how it was made, less whatever
    differs from run to run."""
    return {
        "prompt": context.get(PROMPT),
        "negative_prompt": context.get(NEGATIVE_PROMPT),
        "seed": context.get(SEED),
        "config": context.get(CONFIG) or {},
        "stages": facts(context.metadata),
        "versions": {"ninefold": __version__, **versions},
    }


def infotext_for(context: PipelineContext) -> Infotext | None:
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


def xmp_for(context: PipelineContext) -> Xmp:
    """That a model made or changed the image, in IPTC's terms."""
    made = context.metadata.get("text_to_image")
    photo = made is None or "source" in made
    kind = DigitalSourceType.TRAINED
    if photo:
        painted = bool(passes(context.metadata))
        kind = DigitalSourceType.COMPOSITE if painted else DigitalSourceType.ENHANCED
    return Xmp(kind, system="ninefold", system_version=__version__)


def manifest_for(
    context: PipelineContext, outputs: Iterable[Output], versions: Mapping[str, str]
) -> bytes:
    """The manifest of the context's files, of which `outputs` are the final ones."""
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
