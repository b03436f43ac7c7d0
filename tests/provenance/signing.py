"""Files with C2PA manifests of any kind, signed with certificates made for the tests."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from tests.support import picture

IDENTIFIER = bytes(range(1, 9))
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif"}
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_USAGE = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True)
class Signer:
    """A key and its chain of certificates, in PEM."""

    key: str
    chain: str


@dataclass(frozen=True)
class Authority:
    """A root that issues certificates to signers."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """Its certificate, as a trust anchor."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def signer(self, lasts: timedelta = timedelta(days=365)) -> Signer:
        """A new signer, whose certificate is valid for a while."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate("Test signer", key, self, lasts)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        own = certificate.public_bytes(serialization.Encoding.PEM).decode()
        return Signer(private.decode(), own + self.pem)


@cache
def authority() -> Authority:
    """The root of the tests."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, _certificate("Test root", key, None, timedelta(days=3650)))


@cache
def usual_signer() -> Signer:
    """A signer of the tests' root."""
    return authority().signer()


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test organization"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: Authority | None, lasts: timedelta
) -> x509.Certificate:
    now = datetime.now(UTC)
    is_root = issuer is None
    used = {"key_cert_sign", "crl_sign"} if is_root else set()
    usage = {entry: entry in used or entry == "digital_signature" for entry in _USAGE}
    signing_key = key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(name) if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(is_root, None), True)
        .add_extension(x509.KeyUsage(**usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
        )
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, False)
    return builder.sign(signing_key, hashes.SHA256())


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
    signer: Signer | None = None,
) -> bytes:
    """A picture signed by `signer`, made by `generator` as its manifest says."""
    made = {
        "action": "c2pa.created",
        "when": "2026-11-28T05:00:00Z",
        "softwareAgent": {"name": f"{generator} text_to_image", "version": "1.2"},
        "digitalSourceType": _SOURCE_TYPE,
        "parameters": {"model": "poster", "steps": 4},
    }
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": [made] if actions is None else actions}}
    ]
    if identifier is not None:
        block = {"scope": {}, "value": identifier.hex()}
        binding = {"alg": "io.ninefold.watermark.1", "blocks": [block]}
        assertions.append({"label": "c2pa.soft-binding", "data": binding})
    definition = {
        "claim_generator_info": [{"name": generator, "version": "0.1"}],
        "title": "picture",
        "format": MEDIA_TYPES[form],
        "assertions": assertions,
    }
    signer = signer or usual_signer()
    info = c2pa.C2paSignerInfo(
        c2pa.C2paSigningAlg.ES256, signer.chain.encode(), signer.key.encode(), None
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


def flipped(data: bytes, at: int) -> bytes:
    """`data` with the lowest bit of one byte changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
