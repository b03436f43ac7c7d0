"""Signs a file: the last thing that is done to it, by c2pa-python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from ninefold.core.errors import SigningError
from ninefold.core.signing import SigningKey, SigningSettings
from ninefold.core.values import Json
from ninefold.files.canonical_json import canonical_json
from ninefold.files.signing.certificates import Chain
from ninefold.files.signing.claim import Claim
from ninefold.files.signing.keys import chain_of, key_for, key_problems
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.time_stamps import TimeStamper

#: Thumbnails are ours: the library's would decode the image again, and take seconds for large ones.
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}


@dataclass(frozen=True)
class Signed:
    """A signed file, and the manifest store in it."""

    data: bytes = field(repr=False)
    manifest: bytes = field(repr=False)
    #: Why there is no time stamp, though one was asked for.
    warning: str | None = None


@dataclass(frozen=True)
class FileSigner:
    """A key, and who confirms the time."""

    key: SigningKey
    stamper: TimeStamper | None = None

    @classmethod
    def from_settings(
        cls, settings: SigningSettings, folder: Path | None, key: SigningKey | None = None
    ) -> FileSigner:
        """As the settings say; a key that is made is kept in `folder`, and `key` goes before."""
        stamper = None
        if settings.timestamp_url is not None:
            stamper = TimeStamper(
                settings.timestamp_url, settings.timestamp_seconds, settings.timestamp_policy
            )
        return cls(key_for(settings, folder, key), stamper)

    @property
    def chain(self) -> Chain:
        """The key's certificates; raises `SigningError` for those that nobody would accept."""
        chain = chain_of(self.key)
        for problem in chain.problems():
            raise SigningError(problem)
        return chain

    def problems(self) -> Iterator[str]:
        """What would stop it, as far as that is known before anything is signed."""
        yield from key_problems(self.key)

    def fingerprint(self) -> Json:
        """What its signatures depend on."""
        return {
            "certificate": self.chain.fingerprint,
            "time_stamps": None if self.stamper is None else self.stamper.url,
        }

    def can_sign(self, media_type: str) -> bool:
        """Whether files of this type have a place for a manifest."""
        import c2pa

        return media_type in c2pa.Builder.get_supported_mime_types()

    def described(self, files: Sequence[str]) -> Json:
        """What metadata says of its signatures in `files`."""
        chain = self.chain
        return {
            "files": list(files),
            "certificate": chain.subject,
            "certificate_sha256": chain.fingerprint,
            "self_made": isinstance(self.key, SelfMadeKey),
        }

    def sign(self, data: bytes, claim: Claim) -> Signed:
        """`data`, a file of `claim`'s media type, with a signed manifest that says so.

        Raises `SigningError` for a key, a certificate or a time stamp that cannot be used, and for
        a file that the library does not take.
        """
        chain = self.chain
        if self.stamper is None:
            return Signed(*_sign(data, claim, self.key, chain, None))
        with self.stamper.relayed() as relay:
            try:
                return Signed(*_sign(data, claim, self.key, chain, relay.url))
            except LibraryError as error:
                problem = relay.problem or (
                    f"the time stamp authority's answer is no time stamp ({error}). Set "
                    "NINEFOLD_TIMESTAMP_URL to another one."
                )
        if self.stamper.policy == "require":
            raise SigningError(problem)
        unstamped = _sign(data, claim, self.key, chain, None)
        return Signed(*unstamped, warning=f"no time stamp: {problem}")


class LibraryError(SigningError):
    """What the library says."""


def _sign(
    data: bytes, claim: Claim, key: SigningKey, chain: Chain, stamper_url: str | None
) -> tuple[bytes, bytes]:
    """The signed file and its manifest store."""
    import c2pa

    failures: list[Exception] = []

    def signed(content: bytes) -> bytes:
        try:
            return chain.checked(key.sign(content), content)
        except Exception as error:  # passes through the library as no signature
            failures.append(error)
            return b""

    algorithm = c2pa.C2paSigningAlg[chain.algorithm.upper()]
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder(_json(claim.definition()), context) as builder,
            c2pa.Signer.from_callback(signed, algorithm, chain.pem, stamper_url) as signer,
        ):
            _add(builder, claim)
            out = BytesIO()
            manifest = builder.sign(signer, claim.media_type, BytesIO(data), out)
    except c2pa.C2paError as error:
        if failures:
            raise failures[0] from None
        raise LibraryError(f"the file cannot be signed: {error}") from error
    return out.getvalue(), manifest


def _add(builder: Any, claim: Claim) -> None:
    for name, content in claim.resources().items():
        builder.add_resource(name, BytesIO(content))
    for item in claim.ingredients:
        if item.data is not None:
            builder.add_ingredient(_json(item.definition()), item.media_type, BytesIO(item.data))


def _json(definition: Json) -> str:
    """The text of a definition, all of it UTF-8: the library refuses lone surrogates."""
    return canonical_json(definition).decode()
