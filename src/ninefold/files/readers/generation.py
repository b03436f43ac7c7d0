"""How an image was made, as its file says it: in the field's words, whichever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ninefold.prompts.conversion import Dialect


@dataclass(frozen=True)
class NamedModel:
    """A model as a file names it; empty where it does not say. A hash is hex digits in lower
    case."""

    name: str = ""
    hash: str = ""


@dataclass(frozen=True)
class UsedLora:
    """A LoRA; weights are None where the file names it alone."""

    name: str
    weight: float | None = None
    #: Where it differs from `weight`.
    text_encoder_weight: float | None = None
    hash: str = ""


@dataclass(frozen=True, kw_only=True)
class HiresPass:
    """An enlargement, and the diffusion pass over what it made; None where nothing is said."""

    factor: float | None = None
    width: int | None = None
    height: int | None = None
    upscaler: str = ""
    #: Denoising strength; None where nothing was painted over.
    strength: float | None = None
    #: Steps that ran.
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str = ""
    schedule: str = ""
    model: str = ""
    prompt: str = ""
    negative_prompt: str = ""


def two_scales(cfg: float | None, distilled: float | None) -> tuple[float | None, float | None]:
    """`guidance_scale` and `true_cfg_scale` of what tools call CFG and, of FLUX, distilled CFG."""
    if distilled is None:
        return cfg, None
    return distilled, cfg if cfg is not None and cfg > 1 else None


@dataclass(frozen=True)
class RefinerPass:
    """A model that took over at the part `switch` of the steps."""

    model: NamedModel
    switch: float | None = None


@dataclass(frozen=True, kw_only=True)
class DetailerPass:
    """Regions that were found and painted again; None where nothing is said."""

    detector: str
    classes: tuple[str, ...] = ()
    prompt: str = ""
    negative_prompt: str = ""
    confidence: float | None = None
    strength: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str = ""
    schedule: str = ""
    model: str = ""
    #: Pixels.
    dilate: int | None = None
    blur: float | None = None
    padding: int | None = None


@dataclass(frozen=True, kw_only=True)
class UsedControl:
    """A picture that steered the image; the picture itself is never in the file."""

    model: str
    preprocess: str = ""
    strength: float | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What a file says; texts are empty and numbers None where it says nothing."""

    tool: str
    version: str = ""
    dialect: Dialect = "a1111"
    #: As the file has them; a LoRA's tags are still in the text.
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    #: Of classifier-free guidance, where the other is a distilled model's; None where it was 1.
    true_cfg_scale: float | None = None
    #: In the tool's own words.
    sampler: str = ""
    schedule: str = ""
    #: Of the first pass, in pixels.
    width: int | None = None
    height: int | None = None
    #: Denoising strength over a source image.
    strength: float | None = None
    #: What the source image was called.
    source: str = ""
    model: NamedModel = NamedModel()
    vae: str = ""
    clip_skip: int | None = None
    tiling: bool = False
    variation_seed: int | None = None
    variation_strength: float | None = None
    loras: tuple[UsedLora, ...] = ()
    #: Textual inversions.
    embeddings: tuple[NamedModel, ...] = ()
    refiner: RefinerPass | None = None
    hires: HiresPass | None = None
    detailers: tuple[DetailerPass, ...] = ()
    controls: tuple[UsedControl, ...] = ()
    #: What else it says that bears on the image, in the tool's words.
    other: Mapping[str, str] = field(default_factory=dict)
    #: What it says that does not: versions, dates, hashes of prompts.
    facts: Mapping[str, str] = field(default_factory=dict)
    #: Our own record of how it was made.
    record: Mapping[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON values, without what the file does not say."""
        found: dict[str, Any] = _said(asdict(self))
        return found


def _said(value: Any) -> Any:
    if isinstance(value, Mapping):
        items = ((key, _said(item)) for key, item in value.items() if key != "dialect")
        return {key: item for key, item in items if item not in (None, "", False, {}, [])}
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    return value
