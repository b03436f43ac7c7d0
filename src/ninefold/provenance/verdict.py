"""The decision: from what was found in a file to one of four verdicts, and why.

The table stands in docs/decisions/0055-verdicts.md; each row is a branch here and a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.provenance.claims import Claims
from ninefold.provenance.report import MarkReport, ProvenanceVerdict, WatermarkReport
from ninefold.provenance.statuses import UNTRUSTED


@dataclass(frozen=True)
class Evidence:
    """All that was found in a file."""

    claims: Claims
    watermark: WatermarkReport
    marks: Sequence[MarkReport] = ()


def decide(evidence: Evidence) -> tuple[ProvenanceVerdict, list[str]]:
    """The verdict, and the sentences that say why: the one that decided comes first."""
    verdict, reason = _verdict(evidence)
    return verdict, [
        reason,
        *_about_signature(evidence),
        *_about_watermark(evidence),
        *_about_marks(evidence),
    ]


def _verdict(evidence: Evidence) -> tuple[ProvenanceVerdict, str]:
    claims, report, watermark = evidence.claims, evidence.claims.report, evidence.watermark
    if report.present and (claims.ours or (claims.mentions and claims.changed)):
        return _of_ours(evidence)
    if report.present:
        if watermark.found:
            return ProvenanceVerdict.ALTERED, (
                "ninefold's watermark is in the pixels, and the file's manifest is "
                f"{_whose(claims)}: another program worked on a picture of ninefold's, or one was "
                "put into it."
            )
        if claims.from_ours and report.valid:
            return ProvenanceVerdict.ALTERED, (
                f"The file's manifest is {_whose(claims)} and says that the picture was made from "
                "one whose manifest names ninefold."
            )
        if not claims.readable:
            return ProvenanceVerdict.UNPROVEN, (
                "The file has a C2PA manifest that could not be read here, so nothing is known of "
                "it."
            )
        holds = "holds" if report.valid else "does not hold"
        return ProvenanceVerdict.FOREIGN, (
            f"The file has a C2PA manifest {_whose(claims)}, which {holds}."
        )
    if watermark.found:
        return _of_watermark(watermark)
    if foreign := [mark for mark in evidence.marks if not mark.by_ninefold]:
        return ProvenanceVerdict.FOREIGN, (
            f"The file carries {foreign[0].text}. That is unsigned: anyone can write it."
        )
    return ProvenanceVerdict.UNPROVEN, (
        "The file has no signed manifest and no mark that proves anything. That says nothing about "
        "how it was made: marks can be removed."
    )


def _of_ours(evidence: Evidence) -> tuple[ProvenanceVerdict, str]:
    claims, watermark = evidence.claims, evidence.watermark
    if claims.changed:
        return ProvenanceVerdict.ALTERED, (
            "The file's manifest names ninefold, and file or manifest are not as they were signed."
        )
    if not claims.report.valid:
        return ProvenanceVerdict.UNPROVEN, (
            "The file's manifest names ninefold and fits the file, but its certificate cannot be "
            "used, so the signature proves nothing."
        )
    if watermark.manifest == "other":
        return ProvenanceVerdict.ALTERED, (
            f"The marks contradict each other: the manifest names {claims.report.identifier}, the "
            f"watermark {watermark.payload}. One of them was taken from another file."
        )
    return ProvenanceVerdict.INTACT, (
        "The file's manifest names ninefold, and the file is as it was signed."
    )


def _of_watermark(watermark: WatermarkReport) -> tuple[ProvenanceVerdict, str]:
    if watermark.stored is not None and watermark.stored.same_file:
        return ProvenanceVerdict.INTACT, (
            "The file is, byte for byte, one that ninefold published, by the manifest store of "
            "this machine; it has no signature of its own."
        )
    return ProvenanceVerdict.ALTERED, (
        "ninefold's watermark is in the pixels, and the file has no signed manifest: it was "
        "removed, or the picture was published without one."
    )


def _about_signature(evidence: Evidence) -> list[str]:
    claims, report = evidence.claims, evidence.claims.report
    if not report.present:
        return []
    reasons = [item.message for item in report.problems if item.code != UNTRUSTED]
    if report.valid and report.trusted:
        reasons.append("The certificate leads to one of your trust anchors.")
    elif claims.ours and report.valid:
        reasons.append(
            "Whose certificate signed is not known: it leads to none of the trust anchors that are "
            "set. Anyone can sign with a certificate of their own and name ninefold; that the file "
            "was not changed since holds nevertheless."
        )
    elif not report.trusted and not report.valid and claims.ours:
        reasons.append("Whose certificate signed is not known, either.")
    return reasons


def _about_watermark(evidence: Evidence) -> list[str]:
    claims, watermark = evidence.claims, evidence.watermark
    named = claims.report.identifier
    if not watermark.searched:
        return [f"The watermark was not looked for: {watermark.note}."] if watermark.note else []
    if not watermark.found:
        if claims.ours and named:
            return [f"The watermark that the manifest names ({named}) was not found in the pixels."]
        return []
    stored = watermark.stored
    known = {
        "same": "The watermark names the same manifest.",
        "other": "The watermark names another manifest than the file's.",
        "stored": "The manifest store of this machine has the manifest that the watermark names.",
        "unknown": "No manifest is known for the identifier in the watermark.",
    }[watermark.manifest or "unknown"]
    reasons = [known]
    if claims.ours and claims.report.valid and not named:
        reasons.append(
            "The signed manifest names no watermark: this one may come from a picture that the "
            "file was made from."
        )
    if not claims.ours and not (stored and stored.same_file):
        reasons.append(
            "A watermark shows that pixels of the picture came from ninefold; it does not show "
            "that all of them did, and a watermark can be copied."
        )
    return reasons


def _about_marks(evidence: Evidence) -> list[str]:
    if evidence.claims.report.valid and evidence.claims.ours:
        return []  # what is unsigned adds nothing to it
    return [
        f"Unsigned, and so no proof: {mark.text}."
        for mark in evidence.marks
        if mark.by_ninefold or evidence.claims.report.present or evidence.watermark.found
    ]


def _whose(claims: Claims) -> str:
    generator = claims.report.generator
    return f"of {generator}" if generator else "of a program that cannot be told"
