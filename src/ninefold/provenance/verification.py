"""`verify`: reads every mark of a file, and says what they amount to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ninefold.core.errors import ConfigError, InputError, SigningError
from ninefold.core.settings import read_settings
from ninefold.engines.defaults import default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.watermark import WATERMARK, FoundWatermark, find_any
from ninefold.files.c2pa_reader import read_c2pa
from ninefold.files.decode import decode, probe
from ninefold.files.formats import sniff
from ninefold.files.jumbf import find_store
from ninefold.files.manifest import read_manifest
from ninefold.files.manifest_store import MANIFESTS, ManifestStore, StoredManifest
from ninefold.files.opening import ImageLimits, read_bytes
from ninefold.files.signing.certificates import Chain, other_form, vouches
from ninefold.imaging.types import Pixels
from ninefold.provenance.claims import ABSENT, Claims, read_claims
from ninefold.provenance.marks import read_marks
from ninefold.provenance.report import (
    ProvenanceReport,
    StoredManifestReport,
    WatermarkReport,
)
from ninefold.provenance.verdict import Evidence, decide
from ninefold.settings import JobSettings

_DEFAULT_LIMITS = ImageLimits()
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----")
_MOST_ANCHORS = 4 << 20


#: Looks for the watermark in pixels; raises `InputError` for a picture that is too small.
FindWatermark = Callable[[Pixels], FoundWatermark | None]


@dataclass(frozen=True)
class Verifier:
    """What files are compared with."""

    #: Certificates that are trusted, as PEM; None trusts nobody.
    anchors: str | None = None
    #: Where manifests of published images are kept.
    store: ManifestStore | None = None
    find_watermark: FindWatermark | None = None
    limits: ImageLimits = _DEFAULT_LIMITS

    def verify(self, source: bytes | Path, stop: Event | None = None) -> ProvenanceReport:
        """The report on a file.

        Raises `InputError` for what is no readable image file within the limits, and
        `CancelledError` once `stop` is set, before the pixels are looked through.
        """
        try:
            data = read_bytes(source, self.limits)
            claims = self._claims(data)
            if not claims.report.present:
                probe(data, self.limits)  # what has a manifest is judged though it be damaged
        except ValueError as error:
            raise InputError(f"{str(error).removeprefix('image: ')}.") from None
        if stop is not None and stop.is_set():
            raise CancelledError
        watermark = self._watermark(data, claims)
        evidence = Evidence(claims, watermark, read_marks(data, self.limits))
        verdict, reasons = decide(evidence)
        return ProvenanceReport(
            verdict=verdict,
            c2pa=claims.report,
            watermark=watermark,
            marks=list(evidence.marks),
            reasons=reasons,
        )

    def _claims(self, data: bytes) -> Claims:
        """The file's manifest, though the rest of the file be damaged."""
        form = sniff(data)
        store = find_store(data, form) if form is not None else None
        if form is None or store is None:
            return ABSENT
        return read_claims(read_c2pa(data, form, self.anchors), store)

    def _watermark(self, data: bytes, claims: Claims) -> WatermarkReport:
        if self.find_watermark is None:
            return WatermarkReport(searched=False)
        try:
            pixels = decode(data, self.limits)
            found = self.find_watermark(pixels)
        except ValueError as error:
            if not claims.report.present and not isinstance(error, InputError):
                raise InputError(f"{str(error).removeprefix('image: ')}.") from None
            note = str(error).removeprefix("image: ").rstrip(".")
            return WatermarkReport(searched=False, note=note)
        if found is None:
            return WatermarkReport(searched=True)
        payload, named = found.identifier.hex(), claims.report.identifier
        kept = self.store.find(found.identifier) if self.store is not None else None
        if named is not None and claims.ours:
            relation = "same" if named == payload else "other"
        else:
            relation = "unknown" if kept is None else "stored"
        return WatermarkReport.model_validate(
            {
                "searched": True,
                "found": True,
                "payload": payload,
                "manifest": relation,
                "stored": None if kept is None else _stored(kept, data),
            }
        )


def _stored(kept: StoredManifest, data: bytes) -> StoredManifestReport:
    """What may be shown of a stored manifest: no prompts, which leave only with the file."""
    try:
        record = read_manifest(kept.record)
    except ValueError:
        return StoredManifestReport()
    outputs = () if record.run is None else record.run.outputs
    digest = hashlib.sha256(data).hexdigest()
    return StoredManifestReport(
        made_at=None if record.run is None else record.run.finished_at,
        stages=list(record.steps),
        outputs=[item.name for item in outputs],
        same_file=any(item.sha256 == digest for item in outputs),
    )


def verifier_for(
    settings: JobSettings, engines: EngineSet, limits: ImageLimits = _DEFAULT_LIMITS
) -> Verifier:
    """What the settings say: whom they trust, and where manifests of published images lie.

    Raises `ConfigError` for a file of trust anchors that cannot be used.
    """
    anchors = settings.trust_anchors
    return Verifier(
        anchors=None if anchors is None else read_anchors(anchors),
        store=ManifestStore(settings.marks_folder / MANIFESTS),
        find_watermark=partial(find_any, engines[WATERMARK]),
        limits=limits,
    )


def verify(
    source: bytes | str | Path, *, trust: str | Path | None = None, data: str | Path | None = None
) -> ProvenanceReport:
    """What the marks of an image file say of where it comes from: `verify("house.png").verdict`.

    `source` is a path, or the bytes of the file; `trust` a PEM file of the certificates that are
    trusted, `data` a folder of jobs, with the manifests of images that they published. Both are by
    default as the settings say. Nothing is fetched.

    Raises `InputError` for what is no readable image file, `ConfigError` for settings.
    """
    settings = read_settings(JobSettings, flags={"trust_anchors": trust, "data": data}, part=True)
    verifier = verifier_for(settings, default_engines())
    return verifier.verify(source if isinstance(source, bytes) else Path(source))


def read_anchors(source: Path | str) -> str:
    """The certificates in a PEM file; raises `ConfigError` where there are none."""
    try:
        with Path(source).open("rb") as file:
            data = file.read(_MOST_ANCHORS)
    except OSError as error:
        raise ConfigError(
            f"trust anchors: expected a PEM file, got {str(source)!r}, which cannot be read "
            f"({error.strerror}). Check the path."
        ) from None
    if not (found := _CERTIFICATE.findall(data.decode("ascii", "replace"))):
        raise ConfigError(
            f"trust anchors: expected certificates in PEM form in {str(source)!r}, got "
            f"{other_form(data) or 'none.'} Each begins with -----BEGIN CERTIFICATE-----."
        )
    # Each is written anew: of what it cannot read the C2PA library says nothing, or all files of
    # the world are damaged.
    anchors = [_anchor(pem, number, source) for number, pem in enumerate(found, 1)]
    if not any(map(vouches, anchors)):
        raise ConfigError(
            f"trust anchors: expected certificates of authorities in {str(source)!r}, got signers' "
            "own, to which no chain leads. Give the root that vouches for them; that of ninefold's "
            "own certificate is self-made-root.pem."
        )
    return "".join(item.public_bytes(serialization.Encoding.PEM).decode() for item in anchors)


def _anchor(pem: str, number: int, source: Path | str) -> x509.Certificate:
    try:
        (found,) = Chain.from_pem(pem.encode(), "").certificates
    except SigningError:
        raise ConfigError(
            f"trust anchors: certificate {number} in {str(source)!r} cannot be read. Copy it "
            "again, or take it out."
        ) from None
    return found
