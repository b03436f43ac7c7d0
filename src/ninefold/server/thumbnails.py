"""Small pictures of jobs: made once, kept beside the job's files, a few at a time."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ninefold.core.atomic import write_atomic
from ninefold.core.errors import NotFoundError
from ninefold.core.paths import inside
from ninefold.files.decode import decode_layers
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import OWN_LIMITS
from ninefold.imaging.alpha import join, resize_alpha, visible_colours
from ninefold.imaging.resize import fit_size, resize
from ninefold.server.concurrency import ConcurrencyLimit

#: Sides that may be asked for, in pixels, and the one where nobody asks.
MIN_SIDE, MAX_SIDE, USUAL_SIDE = 64, 1024, 256
#: Pictures that are made at once, and requests that may wait for it: a page of a gallery asks for
#: all its pictures together. A large picture takes half a second and some hundred megabytes.
_AT_ONCE, _WAITING = 2, 1000
_QUALITY = 80
#: The folder in the job's own, which goes with it.
_FOLDER = ".thumbnails"


@dataclass(frozen=True)
class SmallPicture:
    """A picture for a page."""

    data: bytes
    media_type: str
    etag: str


class Thumbnails:
    """Makes thumbnails; used on one event loop alone."""

    def __init__(self, closing: asyncio.Event) -> None:
        """Once `closing` is set, none is begun any more."""
        self._turns = ConcurrencyLimit(_AT_ONCE, _WAITING, closing)
        self._making: dict[Path, asyncio.Task[bytes]] = {}

    async def get(self, folder: Path, picture: str, side: int) -> SmallPicture:
        """The picture of this name in a job's folder, `side` pixels long at most.

        Raises `NotFoundError` where the file is gone, and `BusyError` where too many wait.
        """
        source = inside(folder, picture)
        if source is None:
            raise NotFoundError("the job has no picture.")
        try:
            stat = await asyncio.to_thread(os.stat, source)
        except OSError:
            raise NotFoundError("the job's picture is gone.") from None
        key = hashlib.sha256(
            f"{picture}\0{stat.st_mtime_ns}\0{stat.st_size}\0{side}".encode()
        ).hexdigest()[:32]
        path = folder / _FOLDER / f"{key}.webp"
        return SmallPicture(await self._bytes(source, path, side), "image/webp", f'"{key}"')

    async def _bytes(self, source: Path, path: Path, side: int) -> bytes:
        if (known := await asyncio.to_thread(_read, path)) is not None:
            return known
        making = self._making.get(path)
        if making is None:
            making = self._making[path] = asyncio.create_task(self._make(source, path, side))
            making.add_done_callback(lambda _: self._making.pop(path, None))
        # Others may wait for the same; one who leaves does not end it.
        return await asyncio.shield(making)

    async def _make(self, source: Path, path: Path, side: int) -> bytes:
        async with self._turns():
            return await asyncio.to_thread(_made, source, path, side)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _made(source: Path, path: Path, side: int) -> bytes:
    try:
        data = _thumbnail(source, side)
    except ValueError as error:  # a file that is no picture of ours, or was cut short
        raise NotFoundError(f"the job's picture cannot be read: {error}") from None
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, data)
    except OSError:  # a full disk, or a folder that only reads: it is made again the next time
        pass
    return data


def _thumbnail(source: Path, side: int) -> bytes:
    """A WebP of the picture, not enlarged; what is transparent stays so."""
    pixels, alpha = decode_layers(source, OWN_LIMITS)
    height, width = pixels.shape[:2]
    if max(width, height) > side:
        size = fit_size(width, height, side=side, multiple=1)
        pixels = resize(pixels if alpha is None else visible_colours(pixels, alpha), *size)
        alpha = None if alpha is None else resize_alpha(alpha, *size)
    return encode(
        join(pixels, alpha), ImageFormat.WEBP, quality=_QUALITY, compression=Compression.FAST
    )
