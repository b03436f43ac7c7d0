"""The record of a context: how its image was made, for the files and the manifest beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ninefold._version import __version__
from ninefold.core.context import PipelineContext
from ninefold.core.record import circumstances, facts
from ninefold.core.slots import find_slot
from ninefold.core.values import ALPHA_MODE, OPAQUE_MODE, Artifact, Json
from ninefold.files.manifest import (
    FileRecord,
    Manifest,
    PixelsRecord,
    RunRecord,
    build_manifest,
)
from ninefold.slots import ATTEMPTS, CONFIG, REGIONS, SEED


def record_for(
    context: PipelineContext,
    versions: Mapping[str, str],
    pixels: NDArray[np.uint8] | None = None,
) -> Manifest:
    """How the image of `context` came about, the same for every run of the same job.

    `pixels` are the final ones, H x W x 3 or 4, before a watermark. Asked before the final files
    are written.
    """
    inputs = _inputs(context)
    config: Json = context.get(CONFIG) or {}
    return build_manifest(
        # What a config says of slots is a default, and the inputs are what held.
        config={
            name: value for name, value in config.items() if name not in (*inputs, "components")
        },
        inputs=inputs,
        stages=facts(context.metadata),
        artifacts=[item for item in _files(context) if not _published(context, item.stage)],
        versions={"ninefold": __version__, **versions},
        pixels=None if pixels is None else _pixels_record(pixels),
    )


def manifest_for(record: Manifest, context: PipelineContext) -> bytes:
    """The manifest that lies beside the final files: their record, and what is of this run."""
    known = {item.name for item in record.artifacts}
    run = RunRecord(
        job_id=context.job_id,
        started_at=context.created_at,
        finished_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        outputs=tuple(item for item in _files(context) if item.name not in known),
        stages=circumstances(context.metadata),
    )
    return record.with_run(run).to_json()


def _inputs(context: PipelineContext) -> Json:
    """What was given, with the seed that was drawn where none was."""
    given = {
        name: value
        for name, value in context.first_inputs().items()
        if name != CONFIG.name and find_slot(name).given
    }
    # Where the inspector sent the first stage back, that began with another seed.
    attempts = context.data.get(ATTEMPTS.name) or ()
    seed = attempts[0].seed if attempts else context.get(SEED)
    if seed is not None and (attempts or SEED.name not in given):
        given[SEED.name] = seed
    return given


def _files(context: PipelineContext) -> tuple[FileRecord, ...]:
    return tuple(
        FileRecord(
            name=item.name,
            sha256=item.sha256,
            bytes=item.path.stat().st_size,
            media_type=item.media_type,
            stage=item.stage,
        )
        for item in (*context.artifacts, *_region_files(context))
    )


def _published(context: PipelineContext, stage: str) -> bool:
    """Whether a stage is a publisher before this one, whose files hold names and times of a run."""
    return "outputs" in context.metadata.get(stage, {})


def _region_files(context: PipelineContext) -> list[Artifact]:
    regions = context.get(REGIONS) or ()
    return [item for region in regions for item in (region.before, region.after)]


def _pixels_record(pixels: NDArray[np.uint8]) -> PixelsRecord:
    height, width, channels = pixels.shape
    return PixelsRecord(
        width=width,
        height=height,
        mode=ALPHA_MODE if channels == 4 else OPAQUE_MODE,
        sha256=hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
    )
