"""What `verify` says of a file: one model for the command line, the API and Python."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ProvenanceVerdict(StrEnum):
    """What the marks of a file amount to."""

    INTACT = "intact"
    """Signed as made by ninefold, and unchanged since."""
    ALTERED = "altered"
    """Carries ninefold's marks, and is not as it was signed."""
    FOREIGN = "foreign"
    """Carries marks of another system."""
    UNPROVEN = "unproven"
    """Carries nothing that proves anything."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Part):
    """Something that is not as it should be, in words."""

    code: str = Field(description="C2PA's status code, or one of ninefold's own.")
    message: str = Field(description="What that means.")


class ActionReport(_Part):
    """Something that was done to the image, as its manifest says."""

    action: str = Field(description="C2PA's name of the action, such as `c2pa.created`.")
    stage: str | None = Field(None, description="The stage of ninefold's that did it.")
    when: str | None = Field(None, description="The time that the manifest gives, ISO 8601.")
    software: str | None = Field(None, description="The software that did it.")
    version: str | None = Field(None, description="The version of that software.")
    digital_source_type: str | None = Field(
        None, description="IPTC's digital source type, without its address."
    )
    description: str | None = None
    ingredients: list[str] = Field([], description="Titles of the models and images it used.")
    parameters: dict[str, Any] = Field({}, description="What the manifest says of how.")


class IngredientReport(_Part):
    """What the image was made from, as its manifest says."""

    title: str | None = None
    relationship: str | None = Field(
        None,
        description="`parentOf` for the image it was made from, `componentOf` for a part, "
        "`inputTo` for a model or reference.",
    )
    generator: str | None = Field(None, description="What made it, by its own manifest.")
    kind: str | None = Field(None, description="Of a model: what for, such as `diffusion`.")
    hash: str | None = Field(
        None,
        description="Of a model: its SHA-256 in hex; files of before hold its first ten digits.",
    )


class SignerReport(_Part):
    """Whose certificate signed."""

    organization: str | None = None
    common_name: str | None = None
    serial: str | None = None
    algorithm: str | None = None


class C2paReport(_Part):
    """The signed manifest of a file."""

    present: bool = Field(description="Whether the file holds a manifest.")
    valid: bool = Field(
        False,
        description="Whether signature, hashes and certificate hold; whose it is says `trusted`.",
    )
    trusted: bool = Field(
        False, description="Whether the certificate leads to one of the trust anchors that are set."
    )
    generator: str | None = Field(None, description="The program that the manifest names.")
    generator_version: str | None = None
    signer: SignerReport | None = None
    signed_at: str | None = Field(
        None, description="The time of the signature, by a time stamp that holds."
    )
    time_trusted: bool | None = Field(
        None, description="Whether that time stamp's authority is trusted; null without one."
    )
    identifier: str | None = Field(
        None, description="The identifier that ninefold's watermark should carry, 16 hex digits."
    )
    actions: list[ActionReport] = []
    ingredients: list[IngredientReport] = []
    problems: list[Finding] = []


class StoredManifestReport(_Part):
    """What this machine's manifest store says of the identifier in a watermark."""

    made_at: str | None = None
    stages: list[str] = []
    outputs: list[str] = Field([], description="Names of the files that were published.")
    same_file: bool = Field(
        False, description="Whether the file is one of them, by the SHA-256 of its bytes."
    )


class WatermarkReport(_Part):
    """ninefold's watermark in the pixels."""

    searched: bool = Field(description="Whether it was looked for.")
    found: bool = False
    payload: str | None = Field(None, description="The identifier in it, 16 hex digits.")
    manifest: Literal["same", "other", "stored", "unknown"] | None = Field(
        None,
        description="`same`: that of the file's own manifest. `other`: the file's manifest names "
        "another. `stored`: the file has none that names one, the manifest store has. `unknown`: "
        "no manifest is known.",
    )
    stored: StoredManifestReport | None = None
    note: str | None = Field(None, description="Why it was not looked for.")


class MarkReport(_Part):
    """Something unsigned that the file says of itself: anyone can write it."""

    kind: str = Field(description="Whose form it has, such as `iptc` or `comfyui`.")
    by_ninefold: bool = Field(description="Whether it names ninefold.")
    text: str = Field(description="What it says.")


class ProvenanceReport(_Part):
    """What can be said of where a file comes from, and why."""

    verdict: ProvenanceVerdict
    c2pa: C2paReport
    watermark: WatermarkReport
    marks: list[MarkReport] = []
    reasons: list[str] = Field(description="Why the verdict is what it is, in sentences.")
