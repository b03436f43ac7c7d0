"""The status codes of the library's validation, as findings in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ninefold.files.readers.values import as_list
from ninefold.provenance.report import Finding
from ninefold.provenance.values import MOST_ITEMS, as_mapping, as_short_text

#: What the certificate's signature has where no trust anchor is set for it.
UNTRUSTED = "signingCredential.untrusted"

_MESSAGES = {
    "assertion.dataHash.mismatch": "The file is not what was signed: its pixels or its metadata "
    "were changed, or the manifest was taken from another file.",
    "assertion.hashedURI.mismatch": "A part of the manifest was changed after it was signed.",
    "assertion.missing": "A part of the manifest was removed after it was signed.",
    "claimSignature.mismatch": "The signature does not fit the manifest: one of them was changed.",
    "claimSignature.missing": "The manifest's signature is missing or damaged.",
    "claimSignature.outsideValidity": "The certificate was not valid when it signed.",
    UNTRUSTED: "The certificate does not lead to any of the trust anchors that "
    "are set: whose it is is not known.",
    "signingCredential.expired": "The certificate has expired, and no time stamp shows that it "
    "signed before.",
    "signingCredential.invalid": "The certificate is not one that may sign manifests.",
    "signingCredential.revoked": "The certificate was revoked.",
    "signingCredential.ocsp.revoked": "The certificate was revoked.",
    "timeStamp.mismatch": "The time stamp is not one of this signature.",
    "timeStamp.malformed": "The time stamp is damaged.",
    "timeStamp.outsideValidity": "The time stamp was made when its certificate was not valid.",
    "timeStamp.untrusted": "The time stamp's authority is not among the trust anchors.",
    "timeStamp.credentialInvalid": "The certificate of the time stamp may not make time stamps.",
}
for _kind in ("bmffHash", "boxesHash", "collectionHash", "multiAssetHash"):
    _MESSAGES[f"assertion.{_kind}.mismatch"] = _MESSAGES["assertion.dataHash.mismatch"]

#: Failures that are about the certificate, and not about what was signed.
_ABOUT_CERTIFICATE = ("signingCredential.", "algorithm.", "claimSignature.outsideValidity")
#: Broken time stamps: they lie beside what is signed, so they are no failures of the signature.
_BROKEN_STAMPS = frozenset({"timeStamp.mismatch", "timeStamp.malformed"})


@dataclass(frozen=True)
class Statuses:
    """The library's status codes, as findings; `failures` those of the ingredients, too."""

    failures: list[Finding]
    time_stamps: list[Finding]
    successes: set[str]

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> Statuses:
        """Those in the report's `validation_results`."""
        active = as_mapping(results.get("activeManifest"))
        failures = list(_findings(active.get("failure")))
        for delta in as_list(results.get("ingredientDeltas")):
            found = as_mapping(as_mapping(delta).get("validationDeltas")).get("failure")
            failures += [
                item.model_copy(update={"message": f"Of an ingredient: {item.message}"})
                for item in _findings(found)
                if not item.code.startswith(_ABOUT_CERTIFICATE)
            ]
        remarks = _findings(active.get("informational"))
        return cls(
            failures,
            [item for item in remarks if item.code.startswith("timeStamp.")],
            {item.code for item in _findings(active.get("success"))},
        )

    @property
    def trusted(self) -> bool:
        """Whether the signature holds, by a certificate that leads to a trust anchor."""
        return self.successes >= {"signingCredential.trusted", "claimSignature.validated"}

    @property
    def time_trusted(self) -> bool | None:
        """Whether the time stamp's authority is trusted; None where no time stamp holds."""
        trusted = "timeStamp.trusted" in self.successes
        return trusted if trusted or "timeStamp.validated" in self.successes else None

    @property
    def stamp_broken(self) -> bool:
        """Whether there is a time stamp that was changed."""
        return any(item.code in _BROKEN_STAMPS for item in self.time_stamps)

    @property
    def content_changed(self) -> bool:
        """Whether anything failed that is not about the certificate."""
        return any(not item.code.startswith(_ABOUT_CERTIFICATE) for item in self.failures)


def _findings(statuses: Any) -> Iterator[Finding]:
    for status in as_list(statuses)[:MOST_ITEMS]:
        found = as_mapping(status)
        code = as_short_text(found.get("code")) or "unknown"
        explanation = as_short_text(found.get("explanation")) or code
        yield Finding(code=code, message=_MESSAGES.get(code, explanation))
