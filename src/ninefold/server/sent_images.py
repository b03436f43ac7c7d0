"""Images that arrive by HTTP: checked and decoded once, and handed on with their pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ninefold.core.errors import InputError
from ninefold.files.decode import decode_layers, decode_mask, probe
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import ImageFormat, holds_manifest
from ninefold.files.opening import ImageLimits
from ninefold.files.store import Layers, prepared_image
from ninefold.imaging.alpha import lay_on
from ninefold.imaging.arrays import to_bytes
from ninefold.imaging.masks import mask_from_pixels, paints
from ninefold.imaging.types import Alpha, Mask, Pixels

ImageKind = Literal["image", "mask"]


@dataclass(frozen=True)
class SentImage:
    """A file and what is in it; a mask is grey."""

    data: bytes = field(repr=False)
    format: ImageFormat
    #: Width and height in pixels, upright.
    size: tuple[int, int]
    #: Colours and alpha; empty once they are released.
    _layers: list[Layers] = field(repr=False)
    #: Whether the file holds just these pixels, as this program writes them.
    encoded_here: bool = False
    #: The file that it was made of here, where that has a C2PA manifest, which is to be kept.
    made_of: bytes = field(default=b"", repr=False)

    @classmethod
    def decode(
        cls, data: bytes, limits: ImageLimits, where: str = "image", kind: ImageKind = "image"
    ) -> SentImage:
        """Check and decode a file; raises `InputError`, which names `where`."""
        try:
            form = probe(data, limits).format
            if kind == "mask":
                pixels, alpha = grey_pixels(decode_mask(data, limits)), None
            else:
                pixels, alpha = decode_layers(data, limits)
        except ValueError as error:
            raise InputError(f"{where}: {str(error).removeprefix('image: ')}.") from None
        return cls(data, form, _size_of(pixels), [(pixels, alpha)])

    @classmethod
    def of_pixels(cls, pixels: Pixels) -> SentImage:
        """An image of these pixels, as a PNG file."""
        pixels = np.ascontiguousarray(pixels)
        data = encode(pixels, ImageFormat.PNG, compression=Compression.FAST)
        return cls(data, ImageFormat.PNG, _size_of(pixels), [(pixels, None)], encoded_here=True)

    def with_pixels(self, pixels: Pixels) -> SentImage:
        """This image changed to `pixels`, which keeps the C2PA manifest that it was sent with."""
        data = self.made_of or self.data
        made_of = data if holds_manifest(data) else b""
        return self if pixels is self.pixels else replace(self.of_pixels(pixels), made_of=made_of)

    @property
    def id(self) -> str:
        """What it is called once it is stored: the SHA-256 of its file, after that of the one that
        it was made of, for equal pixels may come with the manifests of several."""
        return hashlib.sha256(self.made_of + self.data).hexdigest()

    @property
    def pixels(self) -> Pixels:
        """Its colours, height x width x 3; not once they are released."""
        return self._layers[0][0]

    @property
    def alpha(self) -> Alpha | None:
        """Height x width; None where all of it is opaque."""
        return self._layers[0][1]

    def release(self) -> None:
        """Let the pixels go: a request that waits for its jobs holds no more than the file."""
        self._layers.clear()

    def flattened(self) -> SentImage:
        """The same laid on white, for interfaces whose clients expect no transparency."""
        return self if self.alpha is None else self.with_pixels(lay_on(self.pixels, self.alpha))

    def prepared(self, kind: ImageKind) -> bytes | None:
        """The file that jobs start from; None for a mask that would change nothing, which is
        refused where a job asks for it."""
        if kind == "mask" and not paints(mask_from_pixels(self.pixels)):
            return None
        return self.data if self.encoded_here else prepared_image(self.pixels, self.alpha)


def _size_of(pixels: Pixels) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    return width, height


def grey_pixels(mask: Mask) -> Pixels:
    """A mask (0 to 1) as a grey image."""
    return np.repeat(to_bytes(mask * np.float32(255))[..., None], 3, axis=2)
