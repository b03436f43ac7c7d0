"""Certificates and keys that C2PA signatures are made with: read and checked.

Source: C2PA specification 2.4, 14.5 (X.509 certificates) and 13.2 (signature algorithms).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ninefold.core.errors import SigningError

#: Of the specification's curves, COSE's algorithm and the hash that goes with it.
_CURVES = {
    "secp256r1": ("Es256", hashes.SHA256()),
    "secp384r1": ("Es384", hashes.SHA384()),
    "secp521r1": ("Es512", hashes.SHA512()),
}
_LEAST_RSA_BITS = 2048
#: How a certificate or key in DER starts: a sequence, whose length takes one or two bytes more.
_DER = (b"\x30\x81", b"\x30\x82")
#: Purposes of which a signer's certificate states one: C2PA's own claim signing, documents, mail.
_PURPOSES = (
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
)
_KEY_IN_DER = "DER. Write it as PEM: openssl pkey -inform der -in FILE -out NEW."

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Chain:
    """A signer's certificate and those that vouch for it."""

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def from_pem(cls, data: bytes, where: str) -> Chain:
        """Read a PEM file; `where` names it. Raises `SigningError`."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what others put into their certificates
                found = x509.load_pem_x509_certificates(data)
        except ValueError:
            raise SigningError(
                f"{where}: expected certificates in PEM (`-----BEGIN CERTIFICATE-----`), got "
                f"{other_form(data) or 'none that can be read.'} Give the signer's certificate, "
                "then those that vouch for it."
            ) from None
        return cls(tuple(found))

    @property
    def leaf(self) -> x509.Certificate:
        """The signer's own."""
        return self.certificates[0]

    @cached_property
    def pem(self) -> str:
        """The chain as PEM text."""
        parts = (item.public_bytes(serialization.Encoding.PEM) for item in self.certificates)
        return b"".join(parts).decode()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the signer's certificate, in hex."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()

    @property
    def expires(self) -> datetime:
        """The first end of validity in the chain, in UTC."""
        return min(item.not_valid_after_utc for item in self.certificates)

    @property
    def subject(self) -> str:
        """Whom the signer's certificate names."""
        for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
            if found := self.leaf.subject.get_attributes_for_oid(kind):
                return str(found[0].value)
        return self.leaf.subject.rfc4514_string()

    @cached_property
    def algorithm(self) -> str:
        """COSE's name of the signature scheme, as c2pa writes it. Raises `SigningError`."""
        return _scheme(self.leaf.public_key())[0]

    def problems(self, now: datetime | None = None) -> Iterator[str]:
        """Why signatures by this chain would be refused whatever a reader trusts."""
        now = now or datetime.now(UTC)
        if self.expires < now:
            yield (
                f"the certificate of {self.subject!r} expired on {self.expires:%Y-%m-%d}. Get a "
                "new one and name it in NINEFOLD_SIGN_CERTIFICATE."
            )
        if (start := max(item.not_valid_before_utc for item in self.certificates)) > now:
            yield (
                f"the certificate of {self.subject!r} is valid from {start:%Y-%m-%d %H:%M} UTC on "
                "only. Check the clock, or wait."
            )
        for issued, issuer in zip(self.certificates, self.certificates[1:], strict=False):
            if not _signed_by(issued, issuer):
                yield (
                    "each certificate must be followed by the one that vouches for it, and "
                    f"{issuer.subject.rfc4514_string()!r} is no issuer of "
                    f"{issued.subject.rfc4514_string()!r}. Put them in order."
                )
        yield from self._unfit()

    def _unfit(self) -> Iterator[str]:
        remedy = "Ask for one that is made for signing content (C2PA, or e-mail)."
        extensions = self.leaf.extensions
        try:
            _scheme(self.leaf.public_key())
        except SigningError as error:
            yield str(error)
        usage = _extension(extensions, x509.KeyUsage)
        if usage is None or not usage.digital_signature:
            yield f"the certificate does not allow digital signatures (key usage). {remedy}"
        purposes = _extension(extensions, x509.ExtendedKeyUsage)
        if purposes is None or not any(purpose in purposes for purpose in _PURPOSES):
            yield f"the certificate has no purpose that C2PA takes (extended key usage). {remedy}"
        if (basic := _extension(extensions, x509.BasicConstraints)) is not None and basic.ca:
            yield f"the first certificate is an authority's, not a signer's. {remedy}"

    def checked(self, signature: bytes, data: bytes) -> bytes:
        """A signature as COSE holds it, once it is certain that it is this certificate's.

        ECDSA's may come in DER or as both numbers one after the other. Raises `SigningError`.
        """
        public = self.leaf.public_key()
        _, digest = _scheme(public)
        try:
            if isinstance(public, ec.EllipticCurvePublicKey):
                size = (public.key_size + 7) // 8
                r, s = _numbers(signature, size)
                public.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(signature, data, _pss(digest), digest)
            elif isinstance(public, ed25519.Ed25519PublicKey):
                public.verify(signature, data)
            return signature
        except (InvalidSignature, ValueError, OverflowError):
            raise SigningError(
                f"the signature does not fit the certificate of {self.subject!r}: the key is "
                "another one, or signs in another scheme. Give the key and the certificate that "
                "belong together."
            ) from None


def other_form(data: bytes) -> str:
    """What a file holds that has no certificate in PEM, and what makes one of it; empty where
    nobody knows."""
    if b"-----BEGIN TRUSTED CERTIFICATE-----" in data:
        return "OpenSSL's own TRUSTED CERTIFICATE. Write it as PEM: openssl x509 -in FILE -out NEW."
    if b"PRIVATE KEY-----" in data:
        return "a private key. Name the file of its certificate."
    if b"-----BEGIN PKCS7-----" in data:
        return "PKCS #7. Write it as PEM: openssl pkcs7 -print_certs -in FILE -out NEW."
    if data[:2] in _DER:
        return "DER. Write it as PEM: openssl x509 -inform der -in FILE -out NEW."
    return ""


def read_key(data: bytes, where: str) -> PrivateKeyTypes:
    """The private key in a PEM file; `where` names it. Raises `SigningError`."""
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise SigningError(
            f"{where}: the private key has a passphrase. Give one without, in a file that nobody "
            "else can read, or sign by NINEFOLD_SIGN_COMMAND."
        ) from None
    except Exception:  # what is said of it may hold parts of the key
        raise SigningError(
            f"{where}: expected a private key in PEM (`-----BEGIN PRIVATE KEY-----`), got "
            f"{_KEY_IN_DER if data[:2] in _DER else 'none that can be read.'}"
        ) from None


def belongs(key: PrivateKeyTypes, chain: Chain) -> bool:
    """Whether a private key is the one that a chain speaks for."""

    def spelled(public: object) -> bytes:
        return public.public_bytes(  # type: ignore[attr-defined, no-any-return]
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    return spelled(key.public_key()) == spelled(chain.leaf.public_key())


def vouches(certificate: x509.Certificate) -> bool:
    """Whether a certificate may vouch for others; those of version 1 do not say, and may."""
    basic = _extension(certificate.extensions, x509.BasicConstraints)
    return certificate.version is x509.Version.v1 if basic is None else basic.ca


def sign_with(key: PrivateKeyTypes, data: bytes) -> bytes:
    """The signature of `data` in the scheme that suits the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_scheme(key.public_key())[1]))
    if isinstance(key, rsa.RSAPrivateKey):
        digest = _scheme(key.public_key())[1]
        return key.sign(data, _pss(digest), digest)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    raise SigningError("the private key is of a kind that C2PA does not take. Use ECDSA (P-256).")


def _scheme(public: object) -> tuple[str, hashes.HashAlgorithm]:
    """COSE's algorithm for a public key, and its hash."""
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return _CURVES[public.curve.name]
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _LEAST_RSA_BITS:
        return "Ps256", hashes.SHA256()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "Ed25519", hashes.SHA512()
    raise SigningError(
        "the certificate's key is of a kind that C2PA does not take: expected ECDSA (P-256, P-384 "
        f"or P-521), RSA of {_LEAST_RSA_BITS} bits or more, or Ed25519. Get a certificate for one."
    )


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


def _numbers(signature: bytes, size: int) -> tuple[int, int]:
    """Both numbers of an ECDSA signature; raises ValueError."""
    if len(signature) == 2 * size:
        return int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    return decode_dss_signature(signature)


def _signed_by(issued: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
