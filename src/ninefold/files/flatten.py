"""Files without transparency, for interfaces whose clients expect none."""

from __future__ import annotations

from ninefold.files.decode import decode_layers, probe
from ninefold.files.encode import Compression, encode
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import ImageLimits
from ninefold.imaging.alpha import lay_on


def flattened(data: bytes, limits: ImageLimits) -> bytes:
    """An image file laid on white, as PNG; `data` itself where all of it is opaque.

    Raises ValueError as `decode`; pixels that cannot be transparent are not looked at.
    """
    if not probe(data, limits).may_be_transparent:
        return data
    pixels, alpha = decode_layers(data, limits)
    if alpha is None:
        return data
    return encode(lay_on(pixels, alpha), ImageFormat.PNG, compression=Compression.FAST)
