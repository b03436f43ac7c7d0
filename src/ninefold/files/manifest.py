"""The manifest: a JSON record, beside the files, of what made them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text

SCHEMA = "ninefold.manifest/1"


@dataclass(frozen=True)
class FileRecord:
    """One file that a job made: its name (no folder above it), SHA-256 in hex, and bytes."""

    name: str
    sha256: str
    bytes: int
    media_type: str
    stage: str


def build_manifest(
    *,
    job_id: str,
    config: Mapping[str, Any],
    stages: Mapping[str, Mapping[str, Any]],
    artifacts: Sequence[FileRecord],
    outputs: Sequence[FileRecord],
    versions: Mapping[str, str],
    started_at: str,
    finished_at: str,
) -> bytes:
    """The manifest as UTF-8 JSON: sorted keys, two spaces, a newline at the end.

    `stages` is the context's metadata by stage name, `versions` the programs' by package name, and
    the times are ISO 8601 with their zone. Absolute paths and secrets are taken out of every value
    (see `scrub_text`), and entries whose name says that they hold a secret are left out; prompts
    stay as they are, less keys and private paths (see `scrub_prompt`).

    Raises ValueError for a value that JSON does not hold, naming the place.
    """
    document = {
        "schema": SCHEMA,
        "job_id": job_id,
        "config": config,
        "stages": stages,
        "artifacts": [asdict(record) for record in artifacts],
        "outputs": [asdict(record) for record in outputs],
        "versions": versions,
        "started_at": started_at,
        "finished_at": finished_at,
    }
    return canonical_json(_scrub(document, "manifest"))


def read_manifest(data: bytes) -> dict[str, Any]:
    """The manifest as plain data. Raises ValueError where it is none, or of another schema."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"manifest: expected JSON, got other text ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ValueError(
            f"manifest: expected schema {SCHEMA!r}, got {schema!r}; use the version of ninefold "
            "that wrote it"
        )
    return dict(document)


def canonical_json(value: Any) -> bytes:
    """`value` as UTF-8 JSON with sorted keys, two spaces and a newline at the end."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def _scrub(value: Any, place: str) -> Any:
    """`value` as plain JSON data without paths and secrets; `place` is for the error."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return scrub_text(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {
            _scrub_key(key): _scrub_prompts(entry)
            if is_prompt_key(key) and _is_prompts(entry, named=key.endswith("s"))
            else _scrub(entry, f"{place}.{key}")
            for key, entry in value.items()
            if not is_secret_key(key)
        }
    if isinstance(value, list | tuple):
        return [_scrub(entry, f"{place}[{index}]") for index, entry in enumerate(value)]
    raise ValueError(
        f"{place}: expected text, a finite number, true, false, null, a list or a mapping by text; "
        f"got {value!r}; convert it first"
    )


#: As of values; keys are the same few hundred in every manifest.
_scrub_key = lru_cache(maxsize=1024)(scrub_text)


def _is_prompts(value: Any, named: bool) -> bool:
    """Whether `value` is text or a list of it, or where they are `named` a mapping of those."""
    if named and isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_prompts(item, False) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _scrub_prompts(value: Any) -> Any:
    """Prompts, by name or in lists: what names them are a user's words too."""
    if isinstance(value, Mapping):
        return {scrub_prompt(key): _scrub_prompts(item) for key, item in value.items()}
    if isinstance(value, str):
        return scrub_prompt(value)
    return [_scrub_prompts(item) for item in value]
