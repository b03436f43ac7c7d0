"""Images between memory and a context's working folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, StorageError
from ninefold.core.values import Artifact, ImageRecord
from ninefold.files.atomic import write_atomic
from ninefold.files.decode import decode
from ninefold.files.encode import encode
from ninefold.imaging.types import Mask, Pixels

#: Decoded images kept in a context: the current one and the one before it.
_KEPT = 2


def write_image(context: PipelineContext, stage: str, name: str, pixels: Pixels) -> ImageRecord:
    """Write `pixels` as the PNG artifact `name` of `stage`, whole or not at all.

    Raises `StorageError` where the folder cannot be written or the disk is full.
    """
    record = _write_png(context, name, pixels, stage)
    _keep(context, record.sha256, pixels)
    context.add_artifact(Artifact(name, record.path, stage, "image/png", record.sha256))
    return record


def write_detail(context: PipelineContext, stage: str, name: str, pixels: Pixels) -> Artifact:
    """Like `write_image`, for a file that belongs to a record of its own, not to `artifacts`."""
    record = _write_png(context, name, pixels, stage)
    return Artifact(name, record.path, stage, "image/png", record.sha256)


def write_file(
    context: PipelineContext, stage: str, name: str, data: bytes, media_type: str
) -> Artifact:
    """Write `data` as the artifact `name` of `stage`, whole or not at all."""
    artifact = Artifact(
        name, _write(context, name, data), stage, media_type, hashlib.sha256(data).hexdigest()
    )
    context.add_artifact(artifact)
    return artifact


def read_image(context: PipelineContext, record: ImageRecord) -> Pixels:
    """The pixels of `record`: height x width x 3, uint8. Treat them as read-only.

    Raises `InputError` where the file is gone or no longer an image.
    """
    if record.sha256 not in context.pixels:
        _keep(context, record.sha256, _decoded(record.path))
    found: Pixels = context.pixels[record.sha256]
    return found


def read_mask(context: PipelineContext, record: ImageRecord) -> Mask:
    """A mask as height x width values from 0 to 1."""
    return read_image(context, record)[..., 0].astype(np.float32) / np.float32(255)


def import_image(context: PipelineContext, name: str, value: Any) -> ImageRecord:
    """Copy an image that a caller gave (a path, a Pillow image or an array) as `name`.png.

    Raises `InputError` where it is none of these or cannot be read.
    """
    if isinstance(value, str | Path):
        pixels = _decoded(Path(value))
    elif isinstance(value, Image.Image):
        pixels = np.asarray(value.convert("RGB"))
    elif isinstance(value, np.ndarray):
        pixels = _from_array(name, value)
    else:
        raise InputError(
            f"{name}: expected a path, a Pillow image or an array, got {type(value).__name__}"
        )
    return _write_png(context, f"{name}.png", pixels, "input")


def _from_array(name: str, array: np.ndarray[Any, Any]) -> Pixels:
    if array.dtype == np.uint8 and array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise InputError(
            f"{name}: expected uint8, height x width x 3, got {array.dtype} {array.shape}"
        )
    return np.ascontiguousarray(array)


def _decoded(path: Path) -> Pixels:
    try:
        return decode(path)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from None


def _write_png(context: PipelineContext, name: str, pixels: Pixels, made_by: str) -> ImageRecord:
    data = encode(pixels, "png")
    digest = hashlib.sha256(data).hexdigest()
    path = _write(context, name, data)
    height, width = pixels.shape[:2]
    return ImageRecord(path, width, height, "RGB", digest, made_by)


def _write(context: PipelineContext, name: str, data: bytes) -> Path:
    try:
        path = context.file(name)
        write_atomic(path, data)
    except OSError as error:
        raise StorageError(
            f"cannot write {name!r} to {context.workdir}: {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error
    return path


def _keep(context: PipelineContext, digest: str, pixels: Pixels) -> None:
    pixels.flags.writeable = False
    context.pixels[digest] = pixels
    while len(context.pixels) > _KEPT:
        del context.pixels[next(iter(context.pixels))]
