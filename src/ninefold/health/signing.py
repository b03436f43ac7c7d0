"""Who signs published files, and who confirms the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ninefold.core.signing import SigningKey, SigningSettings
from ninefold.files.manifest_store import KEYS, MANIFESTS, ManifestStore
from ninefold.health.findings import Finding

#: Most seconds that a time stamp authority has to answer where somebody only asks how things are.
_ASK_TIMEOUT = 5.0


def check_key(
    settings: SigningSettings, marks: Path, given: SigningKey | None = None
) -> Iterator[Finding]:
    """The key of published files, which is the one `given` or as the settings say; its folder
    below `marks` is left as it is."""
    # cryptography takes its time
    from ninefold.files.signing.keys import (
        FileKey,
        chain_of,
        key_for,
        key_problems,
        readable_by_others,
    )
    from ninefold.files.signing.self_made import SelfMadeKey

    key = key_for(settings, marks / KEYS, given)
    problem = next(key_problems(key), None)
    if isinstance(key, SelfMadeKey):
        chain = None if problem else key.existing
        made = "none yet; the first signed file makes one"
        if chain is not None:
            made = f"{chain.subject}, until {chain.expires:%Y-%m-%d}"
        note = "readers trust only a certificate of your own, in NINEFOLD_SIGN_CERTIFICATE"
        found = "cannot be used" if problem else f"{made}; self-made, which nobody trusts"
        yield Finding("signing", "certificate", found, problem or note, needed=bool(problem))
    elif problem is not None:
        yield Finding("signing", "certificate", "cannot sign", problem)
    else:
        chain = chain_of(key)
        found = f"{chain.subject}, until {chain.expires:%Y-%m-%d}"
        yield Finding("signing", "certificate", found)
    if isinstance(key, FileKey):
        loose = readable_by_others(key.key_file)
        found = "others may read it" if loose else "for its owner alone"
        remedy = f"chmod 600 {key.key_file}" if loose else None
        yield Finding("signing", "key", f"{key.key_file}: {found}", remedy, needed=False)


def check_time_stamps(settings: SigningSettings) -> Iterator[Finding]:
    """Who confirms the time; it is not asked."""
    stamps = "none; set NINEFOLD_TIMESTAMP_URL for signatures that outlive the certificate"
    if settings.timestamp_url is not None:
        stamps = f"{settings.timestamp_url}, {settings.timestamp_policy}"
    yield Finding("signing", "time stamps", stamps)


def ask_for_time_stamp(settings: SigningSettings) -> Iterator[Finding]:
    """Whether the one who confirms the time does so: it is asked for a time stamp of nothing."""
    from ninefold.files.signing.time_stamps import TimeStamper

    if settings.timestamp_url is None:
        yield from check_time_stamps(settings)
        return
    policy = settings.timestamp_policy
    host = urlsplit(settings.timestamp_url).netloc
    seconds = min(settings.timestamp_seconds, _ASK_TIMEOUT)
    problem = TimeStamper(settings.timestamp_url, seconds, policy).problem()
    found = f"{host} {'gives none' if problem else 'gives them'}, {policy}"
    yield Finding("signing", "time stamps", found, problem, needed=policy == "require")


def count_manifests(marks: Path) -> Iterator[Finding]:
    """Manifests that are kept for files that lost theirs."""
    folder = marks / MANIFESTS
    kept = sum(1 for _ in ManifestStore(folder).identifiers())
    yield Finding("signing", "manifests", f"of {kept} published images, in {folder}")
