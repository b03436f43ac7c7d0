"""Images between memory and a context's working folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from ninefold.core.atomic import write_atomic
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, StorageError
from ninefold.core.values import ALPHA_MODE, OPAQUE_MODE, Artifact, ImageRecord, OriginalFile
from ninefold.files.decode import decode_layers, decode_mask, layers_of, mask_of
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import FORMATS, ImageFormat, holds_manifest, sniff
from ninefold.files.opening import OWN_LIMITS
from ninefold.imaging.alpha import OPAQUE, join, lay_on, split, visible_colours
from ninefold.imaging.arrays import to_bytes
from ninefold.imaging.masks import mask_from_pixels, paints
from ninefold.imaging.types import Alpha, Mask, Pixels

T = TypeVar("T")

#: Colours, and alpha where not all is opaque.
Layers = tuple[Pixels, Alpha | None]

#: Where a PNG file says what its pixels hold, and its word for colours with alpha (PNG, 11.2.1).
_COLOUR_TYPE, _RGBA = 25, 6
_WHITE = (255, 255, 255)
#: Decoded images kept in a context: the current one and the one before it.
_KEPT = 2


def write_image(
    context: PipelineContext, stage: str, name: str, pixels: Pixels, alpha: Alpha | None = None
) -> ImageRecord:
    """Write `pixels` as the PNG artifact `name` of `stage`, whole or not at all.

    A stage that works on an image hands on its `alpha` (see `read_alpha`), too; None is opaque.
    Raises `StorageError` where the folder cannot be written or the disk is full.
    """
    if alpha is not None and alpha.min() == OPAQUE:
        alpha = None
    record = _write_png(context, name, pixels, stage, alpha)
    _keep(context, record.sha256, pixels, alpha)
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
    """The colours of `record`: height x width x 3, uint8. Treat them as read-only.

    Raises `InputError` where the file is gone or no longer an image.
    """
    return _layers(context, record)[0]


def read_alpha(context: PipelineContext, record: ImageRecord) -> Alpha | None:
    """The alpha of `record`: height x width, uint8, read-only; None where all of it is opaque.

    Raises as `read_image`.
    """
    return None if record.mode == OPAQUE_MODE else _layers(context, record)[1]


def read_mask(context: PipelineContext, record: ImageRecord) -> Mask:
    """A mask as height x width values from 0 to 1."""
    return read_image(context, record)[..., 0].astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class PreparedFile:
    """An image or mask as `import_image` and `import_mask` would write it: nothing is decoded."""

    path: Path
    size: tuple[int, int]
    #: What was sent.
    original: Path | None = None


def prepared_image(pixels: Pixels, alpha: Alpha | None) -> bytes:
    """The file that an image becomes when a job takes it over: PNG, in sRGB."""
    if alpha is not None:
        pixels = visible_colours(pixels, alpha)
    return encode(join(pixels, alpha), ImageFormat.PNG, compression=Compression.FAST)


def import_image(context: PipelineContext, value: Any, stem: str = "source") -> ImageRecord:
    """Copy an image that a caller gave (a path, a Pillow image or an array) as `source.png`, or
    under another `stem`.

    Its colours become sRGB by its profile. It keeps its alpha; what is fully transparent takes on
    the colours beside it (`visible_colours`). A file that carries a C2PA manifest is kept, too.
    Raises `InputError` where it cannot be read.
    """
    name = f"{stem}.png"
    if isinstance(value, PreparedFile):
        return _take_over(context, name, value)
    if isinstance(value, np.ndarray):
        pixels, alpha = _from_array(stem, value)
    elif isinstance(value, Image.Image):
        pixels, alpha = _given(stem, lambda: layers_of(value))
    else:
        pixels, alpha = _given(_path(stem, value).name, lambda: decode_layers(Path(value)))
    height, width = pixels.shape[:2]
    record = _written(context, name, prepared_image(pixels, alpha), (width, height), "input")
    return _with_original(context, record, stem, value if isinstance(value, str | Path) else None)


def import_picture(context: PipelineContext, name: str, value: Any) -> ImageRecord:
    """Like `import_image`, below `control/`, for a picture called `name`; what is transparent is
    white. A file that carries a C2PA manifest is kept, too. Raises `InputError`."""
    given = value if isinstance(value, str | Path) else None
    if isinstance(value, PreparedFile):
        value, given = value.path, value.original
    if isinstance(value, np.ndarray):
        layers = _from_array(name, value)
    elif isinstance(value, Image.Image):
        layers = _given(name, lambda: layers_of(value))
    else:
        layers = _given(_path(name, value).name, lambda: decode_layers(Path(value)))
    pixels, alpha = layers
    if alpha is not None:
        pixels = lay_on(pixels, alpha, _WHITE)
    data = prepared_image(pixels, None)
    height, width = pixels.shape[:2]
    record = _written(context, f"{_picture_stem(data)}.png", data, (width, height), "input")
    return _with_original(context, record, None, given)


def import_mask(context: PipelineContext, value: Any) -> ImageRecord:
    """Like `import_image`, as `mask.png`: brightness counts, and transparent is black.

    Raises `InputError` for a mask without white, too.
    """
    if isinstance(value, PreparedFile):
        return _take_over(context, "mask.png", value)
    if isinstance(value, np.ndarray):
        mask = mask_from_pixels(_laid_on_black(*_from_array("mask", value)))
    elif isinstance(value, Image.Image):
        mask = _given("mask", lambda: mask_of(value))
    else:
        mask = _given(_path("mask", value).name, lambda: decode_mask(Path(value)))
    check_paints(mask)
    grey = to_bytes(mask * np.float32(255))
    return _write_png(context, "mask.png", np.repeat(grey[..., None], 3, axis=2), "input")


def check_paints(mask: Mask) -> None:
    """Raise `InputError` for a mask that would change nothing."""
    if not paints(mask):
        brightest = round(float(mask.max()) * 255)
        raise InputError(
            "mask: expected white where to paint, got "
            f"{f'nothing brighter than {brightest} of 255' if brightest else 'none'} (transparent "
            "counts as black). Paint the place white, on black or on transparent."
        )


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(
            f"{name}: expected a path, a Pillow image or an array, got {type(value).__name__}"
        )
    return Path(value)


def _from_array(name: str, array: np.ndarray[Any, Any]) -> Layers:
    if array.dtype == np.uint8 and array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    channels = array.shape[2] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or channels not in (3, 4) or not array.size:
        raise InputError(
            f"{name}: expected uint8, height x width x 3 (RGB) or x 4 (RGBA), got {array.dtype} "
            f"{array.shape}"
        )
    pixels, alpha = split(array)
    return np.ascontiguousarray(pixels), alpha


def _laid_on_black(pixels: Pixels, alpha: Alpha | None) -> Pixels:
    return pixels if alpha is None else lay_on(pixels, alpha, (0, 0, 0))


def _given(name: str, read: Callable[[], T]) -> T:
    """What `read` reads; raises `InputError` with `name` in front."""
    try:
        return read()
    except ValueError as error:
        raise InputError(f"{name}: {str(error).removeprefix('image: ')}") from None


def _write_png(
    context: PipelineContext, name: str, pixels: Pixels, made_by: str, alpha: Alpha | None = None
) -> ImageRecord:
    data = encode(join(pixels, alpha), ImageFormat.PNG, compression=Compression.FAST)
    height, width = pixels.shape[:2]
    return _written(context, name, data, (width, height), made_by)


def _take_over(context: PipelineContext, name: str, file: PreparedFile) -> ImageRecord:
    record = _written(context, name, _bytes_of(file.path), file.size, "input")
    return _with_original(context, record, Path(name).stem, file.original)


def _with_original(
    context: PipelineContext, record: ImageRecord, stem: str | None, given: str | Path | None
) -> ImageRecord:
    """The record with a copy of the file that was given, where that has a C2PA manifest; that of a
    picture, which has no `stem`, lies by its hash, since equal pictures may have several."""
    if given is None:
        return record
    data = _bytes_of(Path(given))
    form = sniff(data)
    if form is None or not holds_manifest(data):
        return record
    info = FORMATS[form]
    stem = stem or _picture_stem(data)
    path = _write(context, f"{stem}_original{info.suffixes[0]}", data)
    digest = hashlib.sha256(data).hexdigest()
    return replace(record, original=OriginalFile(path, info.media_type, digest))


def _picture_stem(data: bytes) -> str:
    return f"control/{hashlib.sha256(data).hexdigest()}"


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        name = path.name
        raise StorageError(f"{name}: cannot be read: {error.strerror or error}.") from None


def _written(
    context: PipelineContext, name: str, data: bytes, size: tuple[int, int], made_by: str
) -> ImageRecord:
    """The record of a PNG file of ours, which is written; `size` is its width and height."""
    mode = ALPHA_MODE if data[_COLOUR_TYPE] == _RGBA else OPAQUE_MODE
    digest = hashlib.sha256(data).hexdigest()
    return ImageRecord(_write(context, name, data), *size, mode, digest, made_by)


def _write(context: PipelineContext, name: str, data: bytes) -> Path:
    try:
        path = context.file(name)
        write_atomic(path, data)
    except OSError as error:
        raise StorageError(
            f"cannot write {name!r} to {context.workdir}: {error.strerror or error}. "
            "Free some space or choose another folder.",
            public=f"cannot write {name!r}: {error.strerror or error}. Free some space.",
        ) from error
    return path


def _layers(context: PipelineContext, record: ImageRecord) -> Layers:
    if record.sha256 not in context.pixels:
        layers = _given(record.path.name, lambda: decode_layers(record.path, OWN_LIMITS))
        _keep(context, record.sha256, *layers)
    found: Layers = context.pixels[record.sha256]
    return found


def _keep(context: PipelineContext, digest: str, pixels: Pixels, alpha: Alpha | None) -> None:
    for layer in (pixels, alpha):
        if layer is not None:
            layer.flags.writeable = False
    context.pixels[digest] = pixels, alpha
    while len(context.pixels) > _KEPT:
        del context.pixels[next(iter(context.pixels))]
