"""The small frozen records that travel in a context."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainSerializer, SerializationInfo, ValidationInfo


def _relative(path: Path, info: SerializationInfo) -> str:
    workdir = (info.context or {}).get("workdir")
    return path.relative_to(workdir).as_posix() if workdir else str(path)


def _absolute(path: Path, info: ValidationInfo) -> Path:
    workdir = (info.context or {}).get("workdir")
    if workdir is None:
        return path
    whole = Path(workdir) / path
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"expected a path inside the working folder, got {str(path)!r}")
    return whole


#: A file in a context's working folder: absolute in memory, relative to the folder in JSON.
WorkPath = Annotated[Path, AfterValidator(_absolute), PlainSerializer(_relative)]


#: Modes of an image record.
OPAQUE_MODE, ALPHA_MODE = "RGB", "RGBA"


#: JSON values, as metadata holds them.
Json = dict[str, Any]


@dataclass(frozen=True)
class OriginalFile:
    """A file as a caller gave it, kept for the marks in it that say where it comes from."""

    path: WorkPath
    media_type: str
    #: Of its bytes, in hex.
    sha256: str


@dataclass(frozen=True)
class ImageRecord:
    """An image by reference: its file, and what made it."""

    path: WorkPath
    width: int
    height: int
    #: Pillow's name of the pixel format: `RGB`, or `RGBA` where a part is transparent.
    mode: str
    #: Of the file's bytes, in hex.
    sha256: str
    #: The stage that wrote it, or `input`.
    made_by: str
    #: What was given, where that carries a manifest of its own (C2PA).
    original: OriginalFile | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


@dataclass(frozen=True)
class Artifact:
    """A file that a stage made."""

    name: str
    path: WorkPath
    stage: str
    media_type: str
    sha256: str


#: Which edges of an image meet, so that it can be laid beside itself.
Tiling = Literal["none", "x", "y", "both"]


@dataclass(frozen=True)
class Lora:
    """A low-rank adaptation and how strongly it acts (1.0 is as trained)."""

    name: str
    weight: float = 1.0
    #: Of its part in the text encoder; None where that is as strong as the rest.
    text_encoder_weight: float | None = None
    #: Strengths by block of the network, as `lbw=` of a tag writes them; empty for none.
    blocks: str = ""

    def to_json(self) -> Json:
        """What metadata says of it; what is as usual is left out."""
        found: Json = {"name": self.name, "weight": self.weight}
        if self.text_encoder_weight is not None:
            found["text_encoder_weight"] = self.text_encoder_weight
        if self.blocks:
            found["blocks"] = self.blocks
        return found


@dataclass(frozen=True)
class Region:
    """A part of the image that the detailer painted again."""

    label: str
    #: Confidence of the detector, 0 to 1; 1 for a given mask.
    score: float
    #: Left, top, right, bottom in pixels, right and bottom exclusive.
    box: tuple[int, int, int, int]
    prompt: str
    seed: int
    #: The crop that was painted again, before and after.
    before: Artifact
    after: Artifact
    negative_prompt: str = ""
    #: LoRAs of its own prompt, beside those of the whole image.
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True)
class Seams:
    """Where tiles met in an image of `width` x `height` pixels."""

    width: int
    height: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Attempt:
    """One round of generation that the inspector judged."""

    seed: int
    decision: str
    score: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the inspector found."""

    decision: Literal["pass", "warn", "fail"]
    #: 0 (unusable) to 1 (nothing to complain of).
    score: float
    reasons: tuple[str, ...] = ()
    measures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """A final file."""

    name: str
    path: WorkPath
    format: str
    media_type: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Failure:
    """Why a run stopped."""

    message: str
    #: The step that failed; None where no stage was running.
    stage: str | None = None
    #: Class name of the exception.
    kind: str = "NinefoldError"
    #: True where the caller can mend it, False where it is a bug or the machine.
    user_error: bool = False
    #: True where the same may succeed later: out of memory, a device or a disk in trouble.
    transient: bool = False
    #: The traceback of a bug; empty for all else.
    trace: str = ""

    def __str__(self) -> str:
        if self.stage is None or self.message.startswith(f"{self.stage}:"):
            return self.message
        return f"{self.stage}: {self.message}"
