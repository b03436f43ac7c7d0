"""The record of how an image was made: beside the files as manifest.json, and inside them.

One model with one schema (docs/reference/manifest.schema.json). What differs between two runs of
the same job lies apart, in `run`: only manifest.json holds it. So the same job made again writes
the same record into its files.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, Final, Literal

from PIL import features
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.files.canonical_json import canonical_json
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text

#: Raised whenever a reader of the last one could misread the next.
SCHEMA: Final = "ninefold.manifest/2"

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: Encoders that Pillow holds, by their names there.
_CODECS = {"zlib": "zlib", "jpg": "libjpeg", "webp": "libwebp", "avif": "libavif"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class FileRecord(_Part):
    """One file that a job made."""

    name: str = Field(description="Its path below the job's folder.")
    sha256: _Digest = Field(description="SHA-256 of its bytes, in hex.")
    bytes: int = Field(ge=0, description="Its length.")
    media_type: str = Field(description="What it holds, such as image/png.")
    stage: str = Field(description="The step that made it.")


class PixelsRecord(_Part):
    """The final pixels, before a watermark and before any file format."""

    width: int = Field(ge=1, description="In pixels.")
    height: int = Field(ge=1, description="In pixels.")
    mode: str = Field(description="Pillow's name of their layout: RGB, or RGBA.")
    sha256: _Digest = Field(
        description="SHA-256, in hex, of their bytes: row by row, channels side by side."
    )


class Environment(_Part):
    """The software underneath, which decides pixels and bytes as the config does."""

    versions: dict[str, str] = Field(
        description="Versions by name: ninefold, the packages that make pixels, image encoders."
    )
    python: str = Field(description="Implementation and version of Python.")
    platform: str = Field(description="Operating system, processor's family and C library.")


class RunRecord(_Part):
    """What differs between two runs of the same job."""

    job_id: str = Field(description="The job.")
    started_at: str = Field(description="When the job was made: ISO 8601, with its zone.")
    finished_at: str = Field(description="When the files were written: ISO 8601, with its zone.")
    outputs: tuple[FileRecord, ...] = Field(description="The final files.")
    stages: dict[str, Json] = Field(
        description="By step: milliseconds of its own work (duration_ms), of waiting (waited_ms) "
        "and of loading models (load_ms), whether it came from the cache (cached), images made in "
        "the same call (batch_size), steps taken to save memory (oom_steps)."
    )


class Manifest(_Part):
    """How an image was made: everything that decides its pixels, and what was done with it."""

    model_config = ConfigDict(title="ninefold manifest", serialize_by_alias=True)

    format: Literal["ninefold.manifest/2"] = Field(
        SCHEMA, alias="schema", description="Name and version of this schema."
    )
    config: Json = Field(
        description="The config, as `ninefold config schema` describes it, without what `inputs` "
        "holds."
    )
    inputs: Json = Field(
        description="Values that were given or stood in the config, by slot, with the seed that "
        "was drawn where there was none. "
        "An image is {path, width, height, mode, sha256, made_by}: its file as the job took it "
        "over, a PNG in sRGB."
    )
    steps: tuple[str, ...] = Field(description="Names of the steps, in the order they ran in.")
    stages: dict[str, Json] = Field(
        description="By step: what it resolved and did. Prompts, models and their SHA-256 (earlier "
        "versions: its first ten digits), seeds, "
        "samplers, device, regions, verdicts, warnings."
    )
    artifacts: tuple[FileRecord, ...] = Field(description="Files of the stages, in order.")
    pixels: PixelsRecord | None = Field(None, description="The final pixels.")
    identifier: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{16}$",
        description="What names the image: 64 bits in hex, made of the final pixels and of this "
        "record without `identifier` and `run`.",
    )
    environment: Environment = Field(description="The programs that made it.")
    run: RunRecord | None = Field(
        None, description="What differs between two runs of the same job; null inside files."
    )

    @property
    def record(self) -> Manifest:
        """What goes into files: the same for every run of the same job."""
        return self.model_copy(update={"run": None})

    def with_run(self, run: RunRecord) -> Manifest:
        """The manifest of one run; raises ValueError as `build_manifest` does."""
        scrubbed = RunRecord.model_validate(_scrub(run.model_dump(), "manifest.run"))
        return self.model_copy(update={"run": scrubbed})

    def document(self) -> Json:
        """The manifest as JSON values."""
        found: Json = self.model_dump(mode="json")
        return found

    def to_json(self) -> bytes:
        """The manifest as canonical JSON (RFC 8785)."""
        return canonical_json(self.document())


def build_manifest(
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, Any],
    stages: Mapping[str, Mapping[str, Any]],
    artifacts: Sequence[FileRecord],
    versions: Mapping[str, str],
    pixels: PixelsRecord | None = None,
) -> Manifest:
    """The record of this process's work.

    `stages` is the context's metadata by step without what differs from run to run, and `versions`
    the programs' by package name. Absolute paths and secrets are taken out of every value (see
    `scrub_text`), and entries whose name says that they hold a secret are left out; prompts stay
    as they are, less keys and private paths (see `scrub_prompt`).

    Raises ValueError for a value that JSON does not hold, naming the place.
    """
    document = {
        "schema": SCHEMA,
        "config": config,
        "inputs": inputs,
        "steps": list(stages),
        "stages": stages,
        "artifacts": [item.model_dump() for item in artifacts],
        "pixels": None if pixels is None else pixels.model_dump(),
        "environment": {
            "versions": {**versions, **_codecs()},
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "platform": _platform(),
        },
    }
    return Manifest.model_validate(_scrub(document, "manifest"))


def read_manifest(data: bytes | str) -> Manifest:
    """Read what `Manifest.to_json` wrote; raises ValueError for anything else."""
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
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error, "manifest"))) from None


def manifest_schema() -> Json:
    """The JSON schema of manifests and of the records inside files."""
    schema = Manifest.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@cache
def _codecs() -> Mapping[str, str]:
    found = {name: features.version(part) for part, name in _CODECS.items()}
    return {name: version for name, version in found.items() if version}


def _platform() -> str:
    """Without the release of the kernel, which makes no pixels and may tell whose machine it is."""
    library = "".join(platform.libc_ver())
    return " ".join(filter(None, (platform.system(), platform.machine(), library)))


def _scrub(value: Any, place: str) -> Any:
    """`value` as plain JSON data without paths and secrets; `place` is for the error."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _utf8(scrub_text(value))
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


@lru_cache(maxsize=1024)  # the same few hundred in every manifest
def _scrub_key(key: str) -> str:
    return _utf8(scrub_text(key))


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
        return {_utf8(scrub_prompt(key)): _scrub_prompts(item) for key, item in value.items()}
    if isinstance(value, str):
        return _utf8(scrub_prompt(value))
    return [_scrub_prompts(item) for item in value]


def _utf8(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 holds."""
    return text.encode("utf-8", "replace").decode()
