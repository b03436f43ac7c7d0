"""Files to sign, and what is said of them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image

from ninefold.files.signing.claim import Action, Claim
from tests.support import picture

#: What the reader finds wrong with a good signature whose root nobody named.
UNTRUSTED = ["signingCredential.untrusted"]
FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
WHEN = "2026-01-02T03:04:05.678+00:00"
CREATED = Action("c2pa.created", WHEN, "text_to_image", "trainedAlgorithmicMedia")


def image_file(form: str = "png", pixels: Any = None) -> bytes:
    """A small picture, or one of `pixels`, without any mark."""
    out = BytesIO()
    Image.fromarray(picture(64, 48) if pixels is None else pixels).save(out, form.upper())
    return out.getvalue()


def claim(form: str = "png", **fields: Any) -> Claim:
    """What a test signs: an image that a stage made, unless `fields` say otherwise."""
    return Claim("x", FORMATS[form], fields.pop("actions", (CREATED,)), **fields)
