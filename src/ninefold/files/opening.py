"""Open untrusted image bytes: by their content, within limits, with one kind of error."""

from __future__ import annotations

import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import AvifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from ninefold.files.formats import FORMATS, ImageFormat, RefusedError, foreign_format, sniff
from ninefold.files.jxl import JXL_MISSING, JxlImageFile, jxl_installed

_READERS: dict[ImageFormat, Callable[[BytesIO], ImageFile]] = {
    ImageFormat.PNG: PngImagePlugin.PngImageFile,
    ImageFormat.JPEG: JpegImagePlugin.JpegImageFile,
    ImageFormat.WEBP: WebPImagePlugin.WebPImageFile,
    ImageFormat.AVIF: AvifImagePlugin.AvifImageFile,
    ImageFormat.JXL: JxlImageFile,
}
_FOR_PEOPLE = (OSError, SyntaxError, ValueError)
_WARNINGS = threading.Lock()


@dataclass(frozen=True)
class ImageLimits:
    """The largest image worth opening: bytes of file, pixels in all, pixels on a side."""

    max_bytes: int = 128 << 20
    max_pixels: int = 8192 * 8192
    max_side: int = 16_384


#: What ninefold itself makes and reads again: as large as the upscaler goes.
OWN_LIMITS = ImageLimits(max_bytes=1 << 30, max_pixels=16_384**2, max_side=16_384)


def read_bytes(source: bytes | Path, limits: ImageLimits) -> bytes:
    """The bytes of `source`. Raises ValueError for a missing, special or oversized file."""
    data = source if isinstance(source, bytes) else _read_file(source, limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        raise ValueError(
            f"image: expected at most {limits.max_bytes:,} bytes, got more; use a smaller file"
        )
    return data


@contextmanager
def open_image(data: bytes, limits: ImageLimits | None = None) -> Iterator[ImageFile]:
    """Open `data`, its pixels not yet decoded, for the body of a `with`.

    Only PNG, JPEG, WebP, AVIF and, with its extra, JPEG XL, recognised by content. Whatever Pillow
    raises inside the body becomes a ValueError too, which says what is wrong and what to do.
    """
    limits = limits or ImageLimits()
    kind = sniff(data)
    if kind is None:
        known = ", ".join(info.format.value.upper() for info in FORMATS.values())
        got = foreign_format(data) or f"bytes that start {data[:8].hex(' ')}"
        if not data:
            raise ValueError(f"image: expected {known}, got an empty file; export or copy it again")
        raise ValueError(f"image: expected {known}, got {got}; convert it to one of those first")
    if kind is ImageFormat.JXL and not jxl_installed():
        raise RefusedError(f"image: {JXL_MISSING}, or convert the file to PNG")
    with _pillow_errors(kind):
        # The reader is called by itself: `Image.open` would try other formats, and warn of a large
        # size before the limits below are asked. Warnings are process-wide, hence the lock.
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _READERS[kind](BytesIO(data))
        with image:
            _check_size(image.size, limits)
            yield image


def _read_file(path: Path, most: int) -> bytes:
    try:
        # A pipe or a device could block, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise RefusedError("image: expected a file, got a folder or device")
        with path.open("rb") as file:
            return file.read(most)
    except RefusedError:
        raise
    except (OSError, ValueError) as error:
        raise ValueError(
            "image: expected a file that can be read, got "
            f"{getattr(error, 'strerror', None) or error}; check the path"
        ) from error


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise RefusedError(
            f"image: expected at most {limits.max_side:,} pixels a side and "
            f"{limits.max_pixels:,} in all, got {width} x {height}; use a smaller image"
        )


@contextmanager
def _pillow_errors(kind: ImageFormat) -> Iterator[None]:
    try:
        yield
    except (RefusedError, MemoryError):
        raise
    # WebP's reader asks Pillow's own limit before we can ask ours.
    except Image.DecompressionBombError as error:
        raise ValueError(f"image: expected fewer pixels ({error}); use a smaller image") from error
    # Decoders raise whatever a corrupt field leads them to: OSError, SyntaxError, struct.error,
    # EOFError, IndexError, zlib.error, ...; a bug of ours stays visible as the cause.
    except Exception as error:
        # What these say is meant for people; the words of others are about Pillow's own code. It
        # hands some of them on as a SyntaxError.
        said = str(error) if isinstance(error.__cause__ or error, _FOR_PEOPLE) else ""
        raise ValueError(
            f"image: expected a whole {kind.value.upper()} file, got one that is corrupt or cut "
            f"short{f' ({said})' if said else ''}; export or copy it again"
        ) from error
