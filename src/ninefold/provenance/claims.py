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
from ninefold.files.readers.values import as_list
from ninefold.files.signing.claim import (
    BINDING_LABEL,
    GENERATOR,
    HASH_KEY,
    KIND_KEY,
    OWN_PREFIX,
    STAGE_KEY,
)
from ninefold.provenance.report import (
    ActionReport,
    C2paReport,
    Finding,
    IngredientReport,
    SignerReport,
)
from ninefold.provenance.statuses import Statuses
from ninefold.provenance.values import MOST_ITEMS, as_mapping, as_short_text, bounded

#: What only ninefold's manifests hold: the name as CBOR has it, and names of assertions.
_OURS_IN_BYTES = (b"\x64name\x68ninefold", OWN_PREFIX.encode())
_UNSIGNED = "ninefold.unsignedBytes"
_UNREADABLE = "ninefold.unreadable"


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
    manifests = as_mapping(report.get("manifests"))
    active = as_mapping(manifests.get(str(report.get("active_manifest"))))
    if not active:
        return _unreadable(reading, any(mark in store.data for mark in _OURS_IN_BYTES))
    generator, version = _generator(active)
    ours = generator == GENERATOR
    actions = list(_actions(active))[:MOST_ITEMS]
    mentions = ours or _mentions(active, actions)
    statuses = Statuses.of(as_mapping(report.get("validation_results")))
    problems = [*statuses.failures, *statuses.time_stamps]
    loose = [*store.changes, *unsigned_changes(store.data)] if mentions else []
    problems += [
        Finding(code=_UNSIGNED, message=f"Changed where no signature covers it: {text}.")
        for text in dict.fromkeys(loose)
    ]
    holds = report.get("validation_state") in ("Valid", "Trusted")
    signature = as_mapping(active.get("signature_info"))
    time_trusted = statuses.time_trusted
    return Claims(
        C2paReport(
            present=True,
            valid=holds and not loose and not statuses.stamp_broken,
            trusted=statuses.trusted,
            generator=generator,
            generator_version=version,
            signer=_signer(signature),
            signed_at=None if time_trusted is None else as_short_text(signature.get("time")),
            time_trusted=time_trusted,
            identifier=_identifier(active),
            actions=actions,
            ingredients=list(_ingredients(active, manifests))[:MOST_ITEMS],
            problems=problems[:MOST_ITEMS],
        ),
        ours=ours,
        mentions=mentions,
        changed=bool(statuses.content_changed or loose or statuses.stamp_broken),
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


def _generator(manifest: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Name and version of the program that a manifest names; `name/version` before version 2."""
    for item in as_list(manifest.get("claim_generator_info"))[:1]:
        found = as_mapping(item)
        return as_short_text(found.get("name")), as_short_text(found.get("version"))
    name, _, version = (as_short_text(manifest.get("claim_generator")) or "").partition("/")
    return name or None, version or None


def _signer(info: Mapping[str, Any]) -> SignerReport | None:
    if not info:
        return None
    return SignerReport(
        organization=as_short_text(info.get("issuer")),
        common_name=as_short_text(info.get("common_name")),
        serial=as_short_text(info.get("cert_serial_number")),
        algorithm=as_short_text(info.get("alg")),
    )


def _assertions(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in as_list(manifest.get("assertions")):
        found = as_mapping(item)
        yield as_short_text(found.get("label")) or "", as_mapping(found.get("data"))


def _actions(manifest: Mapping[str, Any]) -> Iterator[ActionReport]:
    titles = {
        as_short_text(as_mapping(item).get("label")): as_short_text(as_mapping(item).get("title"))
        or "untitled"
        for item in as_list(manifest.get("ingredients"))
    }
    for label, data in _assertions(manifest):
        if not label.startswith("c2pa.actions"):
            continue
        agents = as_list(data.get("softwareAgents"))
        for item in as_list(data.get("actions")):
            entry = as_mapping(item)
            agent = entry.get("softwareAgent")
            index = entry.get("softwareAgentIndex")
            if agent is None and isinstance(index, int) and 0 <= index < len(agents):
                agent = agents[index]
            named = {"name": agent} if isinstance(agent, str) else as_mapping(agent)
            source = as_short_text(entry.get("digitalSourceType"))
            parameters = dict(as_mapping(entry.get("parameters")))
            used = [
                str(as_mapping(link).get("url")).rpartition("/")[2]
                for link in as_list(parameters.pop("ingredients", None))[:MOST_ITEMS]
            ]
            yield ActionReport(
                action=as_short_text(entry.get("action")) or "unknown",
                stage=as_short_text(parameters.pop(STAGE_KEY, None)),
                ingredients=[titles[name] for name in used if name in titles],
                when=as_short_text(entry.get("when")),
                software=as_short_text(named.get("name")),
                version=as_short_text(named.get("version")),
                digital_source_type=source.rpartition("/")[2] if source else None,
                description=as_short_text(entry.get("description")),
                parameters=bounded(parameters),
            )


def _mentions(manifest: Mapping[str, Any], actions: Sequence[ActionReport]) -> bool:
    """Whether a manifest holds what ninefold writes, whatever its generator is called."""
    labels = (label for label, _ in _assertions(manifest))
    return (
        any(action.stage is not None or action.software == GENERATOR for action in actions)
        or any(label.startswith(OWN_PREFIX) for label in labels)
        or _identifier(manifest) is not None
    )


def _ingredients(
    manifest: Mapping[str, Any], manifests: Mapping[str, Any]
) -> Iterator[IngredientReport]:
    for item in as_list(manifest.get("ingredients")):
        found = as_mapping(item)
        own = as_mapping(manifests.get(str(found.get("active_manifest"))))
        yield IngredientReport(
            title=as_short_text(found.get("title")),
            relationship=as_short_text(found.get("relationship")),
            generator=_generator(own)[0] if own else None,
            kind=as_short_text(as_mapping(found.get("metadata")).get(KIND_KEY)),
            hash=as_short_text(as_mapping(found.get("metadata")).get(HASH_KEY)),
        )


def _from_ours(manifest: Mapping[str, Any], manifests: Mapping[str, Any]) -> bool:
    """Whether a manifest, or one in its line of parents, is ninefold's."""
    seen: set[str] = set()
    while manifest:
        if _generator(manifest)[0] == GENERATOR:
            return True
        parents = [
            str(as_mapping(item).get("active_manifest"))
            for item in as_list(manifest.get("ingredients"))
            if as_mapping(item).get("relationship") == "parentOf"
        ]
        label = parents[0] if parents else ""
        if not label or label in seen:
            return False
        seen.add(label)
        manifest = as_mapping(manifests.get(label))
    return False


def _identifier(manifest: Mapping[str, Any]) -> str | None:
    """The identifier in a manifest's soft binding, as hex digits."""
    for label, data in _assertions(manifest):
        if not label.startswith(BINDING_LABEL):
            continue
        if not (as_short_text(data.get("alg")) or "").startswith(OWN_PREFIX):
            continue
        for block in as_list(data.get("blocks"))[:1]:
            return _hex(as_mapping(block).get("value"))
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
