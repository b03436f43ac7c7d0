"""The record of how an image was made, from its C2PA manifest: what is left of it where the texts
of a file were removed and the manifest was not."""

from __future__ import annotations

from dataclasses import dataclass, field

from ninefold.files.c2pa_reader import read_c2pa
from ninefold.files.formats import ImageFormat
from ninefold.files.jumbf import find_store, unsigned_changes
from ninefold.files.signing.claim import RECORD_LABEL

#: What fails where the file around a manifest is another than was signed.
_FILE_CHANGED = frozenset(
    f"assertion.{kind}.mismatch" for kind in ("dataHash", "bmffHash", "boxesHash")
)
#: What fails where nobody said whom to trust.
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True)
class SignedRecord:
    """A record that a signature covers."""

    text: str = field(repr=False)
    #: Whether the file around it is as it was signed. A file that lost its texts is not, and
    #: neither is one that was given another file's manifest.
    whole: bool


def read_signed_record(data: bytes, form: ImageFormat) -> SignedRecord | None:
    """The record in the active manifest of a file of format `form`.

    None where there is none, and where it is not what was signed: by whom is not asked here. Files
    without such a manifest cost a search for its label; others a reading by the library, in a
    process of its own. Raises ValueError where the file has too many parts.
    """
    store = find_store(data, form)
    if store is None or RECORD_LABEL.encode() not in store.data or unsigned_changes(store.data):
        return None
    report = read_c2pa(data, form).report or {}
    try:
        active = report["manifests"][report["active_manifest"]]
        results = report["validation_results"]["activeManifest"]
        failures = {status["code"] for status in results["failure"]} - {_UNTRUSTED}
        succeeded = {status["code"] for status in results["success"]}
        (text,) = (
            item["data"]["json"] for item in active["assertions"] if item["label"] == RECORD_LABEL
        )
    except (KeyError, TypeError, ValueError):  # the label stands elsewhere, or another way
        return None
    if not failures <= _FILE_CHANGED or "claimSignature.validated" not in succeeded:
        return None
    return SignedRecord(text, whole=not failures) if isinstance(text, str) else None
