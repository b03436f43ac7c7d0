"""The library's report on a C2PA manifest, in plain words and bounded size."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninefold.files.c2pa_reader import C2paReading
from ninefold.files.identifier import IDENTIFIER_BYTES
from ninefold.files.jumbf import FoundStore, unsigned_changes
from ninefold.provenance.report import (
    ActionReport,
    C2paReport,
    Finding,
    IngredientReport,
    SignerReport,
)

GENERATOR = "ninefold"
#: What only ninefold's manifests hold: the name as CBOR has it, and names of assertions.
_OURS_IN_BYTES = (b"\x64name\x68ninefold", b"io.ninefold.")
_OWN_PREFIX = "io.ninefold."
_STAGE, _KIND, _HASH = (f"{_OWN_PREFIX}{name}" for name in ("stage", "kind", "hash"))
#: What the certificate's signature has where no trust anchor is set for it.
UNTRUSTED = "signingCredential.untrusted"
_UNSIGNED = "ninefold.unsignedBytes"
_UNREADABLE = "ninefold.unreadable"
_MOST_ITEMS, _LONGEST = 500, 2000
_DEPTH = 6

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
class Claims:
    """A file's manifest as the verdict needs it."""

    report: C2paReport
    #: Whether the manifest says that ninefold made the file.
    ours: bool = False
    #: Whether it holds what only ninefold writes, or names it as the software of an action.
    mentions: bool = False
    #: Whether anything of file or manifest differs from what was signed.
    changed: bool = False
    #: Whether the image, or one that it was made from, has a manifest of ninefold's.
    from_ours: bool = False
    #: Whether the manifest could be read; where not, nothing is known of whose it is.
    readable: bool = True


ABSENT = Claims(C2paReport(present=False))


def read_claims(reading: C2paReading, store: FoundStore) -> Claims:
    """What the library found in a file whose manifest store is `store`."""
    report = reading.report or {}
    manifests = _mapping(report.get("manifests"))
    active = _mapping(manifests.get(str(report.get("active_manifest"))))
    if not active:
        return _unreadable(reading, any(mark in store.data for mark in _OURS_IN_BYTES))
    generator, version = _generator(active)
    ours = generator == GENERATOR
    actions = list(_actions(active))[:_MOST_ITEMS]
    mentions = ours or _mentions(active, actions)
    statuses = _Statuses.of(_mapping(report.get("validation_results")))
    problems = [*statuses.failures, *statuses.time_stamps]
    loose = [*store.changes, *unsigned_changes(store.data)] if mentions else []
    problems += [
        Finding(code=_UNSIGNED, message=f"Changed where no signature covers it: {text}.")
        for text in dict.fromkeys(loose)
    ]
    codes = {item.code for item in statuses.failures}
    stamp_broken = any(item.code in _BROKEN_STAMPS for item in statuses.time_stamps)
    holds = report.get("validation_state") in ("Valid", "Trusted")
    about_content = [code for code in codes if not code.startswith(_ABOUT_CERTIFICATE)]
    successes = statuses.successes
    signed_at = _text(_mapping(active.get("signature_info")).get("time"))
    stamped = {"timeStamp.validated", "timeStamp.trusted"} & successes
    return Claims(
        C2paReport(
            present=True,
            valid=holds and not loose and not stamp_broken,
            trusted="signingCredential.trusted" in successes
            and "claimSignature.validated" in successes,
            generator=generator,
            generator_version=version,
            signer=_signer(_mapping(active.get("signature_info"))),
            signed_at=signed_at if stamped else None,
            time_trusted="timeStamp.trusted" in successes if stamped else None,
            identifier=_identifier(active),
            actions=actions,
            ingredients=list(_ingredients(active, manifests))[:_MOST_ITEMS],
            problems=problems[:_MOST_ITEMS],
        ),
        ours=ours,
        mentions=mentions,
        changed=bool(about_content or loose or stamp_broken),
        from_ours=_from_ours(active, manifests),
    )


def _unreadable(reading: C2paReading, mentions: bool) -> Claims:
    message = f"The manifest cannot be read ({reading.error or 'it has no active manifest'})."
    finding = Finding(code=_UNREADABLE, message=message)
    return Claims(
        C2paReport(present=True, problems=[finding]),
        mentions=mentions,
        # Of a reader that did not get to the file's end nothing follows for the file.
        changed=reading.kind not in ("Timeout", "Ended", "MemoryError", "TooLarge", "Settings"),
        readable=False,
    )


@dataclass(frozen=True)
class _Statuses:
    """The library's status codes, as findings; `failures` those of the ingredients, too."""

    failures: list[Finding]
    time_stamps: list[Finding]
    successes: set[str]

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> _Statuses:
        active = _mapping(results.get("activeManifest"))
        failures = list(_findings(active.get("failure")))
        for delta in _list(results.get("ingredientDeltas")):
            found = _mapping(_mapping(delta).get("validationDeltas")).get("failure")
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


def _findings(statuses: Any) -> Iterator[Finding]:
    for status in _list(statuses)[:_MOST_ITEMS]:
        found = _mapping(status)
        code = _text(found.get("code")) or "unknown"
        explanation = _text(found.get("explanation")) or code
        yield Finding(code=code, message=_MESSAGES.get(code, explanation))


def _generator(manifest: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Name and version of the program that a manifest names; `name/version` before version 2."""
    for item in _list(manifest.get("claim_generator_info"))[:1]:
        found = _mapping(item)
        return _text(found.get("name")), _text(found.get("version"))
    name, _, version = (_text(manifest.get("claim_generator")) or "").partition("/")
    return name or None, version or None


def _signer(info: Mapping[str, Any]) -> SignerReport | None:
    if not info:
        return None
    return SignerReport(
        organization=_text(info.get("issuer")),
        common_name=_text(info.get("common_name")),
        serial=_text(info.get("cert_serial_number")),
        algorithm=_text(info.get("alg")),
    )


def _assertions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in _list(manifest.get("assertions")):
        found = _mapping(item)
        yield _text(found.get("label")) or "", _mapping(found.get("data"))


def _actions(manifest: Mapping[str, Any]) -> Iterator[ActionReport]:
    titles = {
        _text(_mapping(item).get("label")): _text(_mapping(item).get("title")) or "untitled"
        for item in _list(manifest.get("ingredients"))
    }
    for label, data in _assertions(manifest):
        if not label.startswith("c2pa.actions"):
            continue
        agents = _list(data.get("softwareAgents"))
        for item in _list(data.get("actions")):
            entry = _mapping(item)
            agent = entry.get("softwareAgent")
            index = entry.get("softwareAgentIndex")
            if agent is None and isinstance(index, int) and 0 <= index < len(agents):
                agent = agents[index]
            named = {"name": agent} if isinstance(agent, str) else _mapping(agent)
            source = _text(entry.get("digitalSourceType"))
            parameters = dict(_mapping(entry.get("parameters")))
            used = [
                str(_mapping(link).get("url")).rpartition("/")[2]
                for link in _list(parameters.pop("ingredients", None))[:_MOST_ITEMS]
            ]
            yield ActionReport(
                action=_text(entry.get("action")) or "unknown",
                stage=_text(parameters.pop(_STAGE, None)),
                ingredients=[titles[name] for name in used if name in titles],
                when=_text(entry.get("when")),
                software=_text(named.get("name")),
                version=_text(named.get("version")),
                digital_source_type=source.rpartition("/")[2] if source else None,
                description=_text(entry.get("description")),
                parameters=_bounded(parameters, _DEPTH),
            )


def _mentions(manifest: Mapping[str, Any], actions: Sequence[ActionReport]) -> bool:
    """Whether a manifest holds what ninefold writes, whatever its generator is called."""
    labels = (label for label, _ in _assertions(manifest))
    return (
        any(action.stage is not None or action.software == GENERATOR for action in actions)
        or any(label.startswith(_OWN_PREFIX) for label in labels)
        or _identifier(manifest) is not None
    )


def _ingredients(
    manifest: Mapping[str, Any], manifests: Mapping[str, Any]
) -> Iterator[IngredientReport]:
    for item in _list(manifest.get("ingredients")):
        found = _mapping(item)
        own = _mapping(manifests.get(str(found.get("active_manifest"))))
        yield IngredientReport(
            title=_text(found.get("title")),
            relationship=_text(found.get("relationship")),
            generator=_generator(own)[0] if own else None,
            kind=_text(_mapping(found.get("metadata")).get(_KIND)),
            hash=_text(_mapping(found.get("metadata")).get(_HASH)),
        )


def _from_ours(manifest: Mapping[str, Any], manifests: Mapping[str, Any]) -> bool:
    """Whether a manifest, or one in its line of parents, is ninefold's."""
    seen: set[str] = set()
    while manifest:
        if _generator(manifest)[0] == GENERATOR:
            return True
        parents = [
            str(_mapping(item).get("active_manifest"))
            for item in _list(manifest.get("ingredients"))
            if _mapping(item).get("relationship") == "parentOf"
        ]
        label = parents[0] if parents else ""
        if not label or label in seen:
            return False
        seen.add(label)
        manifest = _mapping(manifests.get(label))
    return False


def _identifier(manifest: Mapping[str, Any]) -> str | None:
    """The identifier in a manifest's soft binding, as hex digits."""
    for label, data in _assertions(manifest):
        if not label.startswith("c2pa.soft-binding"):
            continue
        if not (_text(data.get("alg")) or "").startswith(_OWN_PREFIX):
            continue
        for block in _list(data.get("blocks"))[:1]:
            return _hex(_mapping(block).get("value"))
    return None


def _hex(value: Any) -> str | None:
    if isinstance(value, list):
        try:
            value = bytes(value).hex()
        except (ValueError, TypeError):
            return None
    if not isinstance(value, str):
        return None
    for decode in (bytes.fromhex, lambda text: base64.b64decode(text, validate=True)):
        try:
            found = decode(value)
        except (ValueError, binascii.Error):
            continue
        if len(found) == IDENTIFIER_BYTES:
            return found.hex()
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None


def _bounded(value: Any, depth: int) -> Any:
    """JSON data from a stranger, cut to a size that can be shown."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, dict):
        pairs = sorted(value.items())[: _MOST_ITEMS if depth else 0]
        return {str(key)[:200]: _bounded(item, depth - 1) for key, item in pairs}
    if isinstance(value, list):
        return [_bounded(item, depth - 1) for item in value[: _MOST_ITEMS if depth else 0]]
    return value
