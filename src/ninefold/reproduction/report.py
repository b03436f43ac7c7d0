"""What came of making an image again."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ninefold.engines.hashing import SHORT_HASH

#: From here on two images are perceptually equal: noise this low is not seen (PSNR, in dB), and
#: their structure is the same (SSIM). Other processors and kernels stay well above; a JPEG of
#: quality 75 falls below.
LEAST_PSNR, LEAST_SSIM = 40.0, 0.98


class ReproductionVerdict(StrEnum):
    """How much the image that was made again is like the one before."""

    IDENTICAL = "identical"
    """Every pixel is the same."""
    PERCEPTUALLY_EQUAL = "perceptually_equal"
    """Nobody sees a difference."""
    DIFFERENT = "different"


class Difference(BaseModel):
    """Something that is not as it was when the image was made."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["version", "platform", "model", "input", "device", "fact", "memory"] = Field(
        description="What it is: a program's version, the platform, a model of any kind, an input "
        "file, a device or its kernels, another fact of a stage, or a step taken to save memory."
    )
    name: str = Field(description="Which one.")
    was: str | None = Field(description="As recorded; null where it was not there.")
    now: str | None = Field(description="As it is here; null where it is not there.")

    def __str__(self) -> str:
        # Of files and models these are hashes, of which people compare the first digits.
        digits = SHORT_HASH if self.kind in ("input", "model") else None
        was, now = (value and value[:digits] for value in (self.was, self.now))
        return f"{self.name}: was {was or 'not there'}, now {now or 'not there'}"


class ReproductionReport(BaseModel):
    """The answer to whether an image can be made again."""

    model_config = ConfigDict(frozen=True)

    verdict: ReproductionVerdict = Field(description="How much the images are like one another.")
    psnr: float | None = Field(
        None, description="Peak signal-to-noise ratio in dB; null for equal images, or unmeasured."
    )
    ssim: float | None = Field(
        None, description="Structural similarity, at most 1; null where it was not measured."
    )
    same_final_pixels: bool | None = Field(
        description="Whether the final pixels, before watermark and encoding, are those of the "
        "record; null where it does not say."
    )
    first_difference: str | None = Field(
        None, description="The first step whose files are not those of the record."
    )
    differences: tuple[Difference, ...] = Field(
        (), description="What is not as it was when the image was made."
    )
    reasons: tuple[str, ...] = Field((), description="Why the verdict is what it is.")
    outputs: tuple[str, ...] = Field((), description="The new final files, where they were kept.")
