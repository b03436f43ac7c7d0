"""Files with C2PA manifests of any kind, signed with certificates made for the tests."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import c2pa
from PIL import Image

from ninefold.files.signing.claim import Action, Claim, Ingredient, SoftBinding
from tests.certificates import Issued, issue, key_pem
from tests.support import picture

IDENTIFIER = bytes(range(1, 9))
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif"}
WHEN = "2026-11-28T05:00:00Z"
MODEL = Ingredient(
    "model",
    "poster",
    "inputTo",
    model={"io.ninefold.kind": "diffusion", "io.ninefold.hash": "d8ae19d9fa"},
)


@cache
def usual_signer() -> Issued:
    """Whose certificate signs where a test does not say; its root is the tests' trust anchor."""
    return issue()


def plain(form: str = "PNG", seed: int = 9, **options: Any) -> bytes:
    """A small picture without any mark."""
    target = io.BytesIO()
    Image.fromarray(picture(96, 64, seed)).save(target, form, **options)
    return target.getvalue()


def signed(
    data: bytes | None = None,
    *,
    form: str = "PNG",
    generator: str = "ninefold",
    identifier: bytes | None = IDENTIFIER,
    ingredients: Sequence[tuple[Mapping[str, Any], bytes]] = (),
    actions: Sequence[Mapping[str, Any]] | None = None,
    signer: Issued | None = None,
) -> bytes:
    """A picture signed by `signer`, made by `generator` as its manifest says."""
    made = Action(
        "c2pa.created", WHEN, "text_to_image", "trainedAlgorithmicMedia", {"steps": 4}, (MODEL.id,)
    )
    binding = None if identifier is None else SoftBinding("io.ninefold.watermark.1", identifier)
    claim = Claim("picture", MEDIA_TYPES[form], (made,), (MODEL,), watermark=binding)
    definition = claim.definition()
    definition["claim_generator_info"] = [{"name": generator, "version": "0.1"}]
    if generator != "ninefold":
        definition["assertions"][0]["data"]["actions"] = actions or [_elsewhere(generator)]
        definition["ingredients"] = []
    signer = signer or usual_signer()
    info = c2pa.C2paSignerInfo(
        c2pa.C2paSigningAlg.ES256, signer.chain.encode(), key_pem(signer.key), None
    )
    quick = {"verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
    target = io.BytesIO()
    with (
        c2pa.Context.from_dict(quick) as context,
        c2pa.Builder(definition, context=context) as builder,
        c2pa.Signer.from_info(info) as key,
    ):
        for about, source in ingredients:
            builder.add_ingredient(dict(about), "image/png", io.BytesIO(source))
        builder.sign(key, MEDIA_TYPES[form], io.BytesIO(data or plain(form)), target)
    return target.getvalue()


def _elsewhere(generator: str) -> dict[str, Any]:
    """What another program did."""
    kind = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    return {
        "action": "c2pa.created",
        "digitalSourceType": kind,
        "softwareAgent": {"name": generator},
    }


def flipped(data: bytes, at: int) -> bytes:
    """`data` with the lowest bit of one byte changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
