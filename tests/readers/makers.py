"""Files as other tools write them, made from the written grammar of each."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ninefold.files.readers import Generation, read_file

SIZE = (64, 48)


@cache
def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A noisy image, opaque where it has alpha."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], channels), np.uint8)
    if mode == "RGBA":
        pixels[..., 3] = 255
    return Image.fromarray(pixels, mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(texts: Mapping[str, Any], image: Image.Image | None = None) -> bytes:
    """A PNG file with these texts; what is no text is written as JSON."""
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, value if isinstance(value, str) else json.dumps(value))
    return saved(image or picture(), "PNG", pnginfo=info)


def user_comment(text: str) -> bytes:
    """An EXIF block with a user comment as piexif and A1111 write it."""
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    head = b"MM\0*" + struct.pack(">IHHHIIIHHHII", 8, 1, 0x8769, 4, 1, 26, 0, 1, 0x9286, 7,
                                  len(comment), 44)  # fmt: skip
    return b"Exif\0\0" + head + bytes(4) + comment


def jpeg(comment: Any) -> bytes:
    """A JPEG file with a user comment."""
    text = comment if isinstance(comment, str) else json.dumps(comment)
    return saved(picture(), "JPEG", exif=user_comment(text))


def with_exif(kind: str, fields: Mapping[int, str]) -> bytes:
    """A file with texts in EXIF's first directory, as Pillow writes them."""
    exif = Image.Exif()
    for tag, text in fields.items():
        exif[tag] = text
    return saved(picture(), kind, exif=exif)


def stealth(text: str, channels: str = "A", *, compressed: bool = True) -> bytes:
    """A PNG file with text in the lowest bits of its pixels."""
    where = "png" if channels == "A" else "rgb"
    signature = f"stealth_{where}{'comp' if compressed else 'info'}".encode()
    data = gzip.compress(text.encode()) if compressed else text.encode()
    stream = signature + struct.pack(">I", len(data) * 8) + data
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    image = np.array(picture("RGBA" if channels == "A" else "RGB", (128, 96)))
    planes = image[..., 3:] if channels == "A" else image[..., :3]
    columns = planes.transpose(1, 0, 2).reshape(-1)
    columns[: bits.size] = columns[: bits.size] & 254 | bits
    planes[:] = columns.reshape(image.shape[1], image.shape[0], -1).transpose(1, 0, 2)
    return saved(Image.fromarray(image), "PNG")


def xmp(properties: Mapping[str, str]) -> str:
    """An XMP packet whose properties are lists of one text, as Draw Things writes them."""
    from xml.sax.saxutils import escape

    inner = "".join(
        f"<exif:{name}><rdf:Alt><rdf:li xml:lang='x-default'>{escape(text)}</rdf:li></rdf:Alt>"
        f"</exif:{name}>"
        for name, text in properties.items()
    )
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        "xmlns:exif='http://ns.adobe.com/exif/1.0/' xmlns:xmp='http://ns.adobe.com/xap/1.0/' "
        f"xmp:CreatorTool='Draw Things 1.2'>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def said(data: bytes) -> Generation:
    """What a file says of how it was made."""
    found = read_file(data).generation
    assert found is not None
    return found
