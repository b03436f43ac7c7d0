"""What made an image: filled in by diffusion engines, kept in metadata, read by attribute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ninefold.core.values import Json, Tiling


@dataclass(frozen=True)
class UsedLora:
    """A LoRA that acted, how strongly, and which weights it has."""

    name: str
    weight: float
    #: The hash of its weights, in hex.
    hash: str
    #: Of the text encoder, where it has another weight there.
    text_encoder_weight: float | None = None
    #: Strengths by block, one for all or one for each; empty where there are none.
    blocks: tuple[float, ...] = ()

    def to_json(self) -> Json:
        """The LoRA as JSON values."""
        found: Json = {"name": self.name, "weight": self.weight, "hash": self.hash}
        if self.text_encoder_weight is not None:
            found["text_encoder_weight"] = self.text_encoder_weight
        if self.blocks:
            found["blocks"] = list(self.blocks)
        return found

    @classmethod
    def from_json(cls, entry: Json) -> UsedLora:
        """Read what `to_json` wrote."""
        return cls(
            entry["name"],
            entry["weight"],
            entry["hash"],
            entry.get("text_encoder_weight"),
            tuple(entry.get("blocks", ())),
        )


@dataclass(frozen=True)
class UsedEmbedding:
    """A textual inversion that a prompt named."""

    name: str
    #: The SHA-256 of its file, in hex.
    hash: str


@dataclass(frozen=True, kw_only=True)
class UsedControl:
    """A picture that steered the painting, and the model that read it."""

    model: str
    #: The SHA-256 of its weights, in hex.
    hash: str
    #: `controlnet`, `t2i_adapter` or `ip_adapter`.
    kind: str
    #: SHA-256 of the file that the picture was made from, in hex.
    image: str
    strength: float
    #: The part of the steps in which it acted.
    start: float
    end: float
    #: What the picture shows, for a union model.
    mode: str | None = None
    #: How the picture was made of the file.
    preprocess: str = "none"

    def to_json(self) -> Json:
        """The entry as JSON values; what is as usual is left out."""
        found: Json = dict(vars(self))
        if self.mode is None:
            del found["mode"]
        if self.preprocess == "none":
            del found["preprocess"]
        return found


@dataclass(frozen=True, kw_only=True)
class GenerationRecord:
    """One diffusion pass: the model, how it was run, and what that took."""

    model: str
    #: The SHA-256 of its weights, in hex.
    model_hash: str
    #: None where several were used, as for the regions of a detailer.
    seed: int | None
    steps: int
    #: Of these, those that ran: fewer where the pass started from an image.
    steps_run: int
    guidance_scale: float
    #: A name of `engines.schedulers.NAMES`.
    scheduler: str
    #: Width and height in pixels.
    size: tuple[int, int]
    device: str
    dtype: str
    loras: tuple[UsedLora, ...] = ()
    control: tuple[UsedControl, ...] = ()
    embeddings: tuple[UsedEmbedding, ...] = ()
    #: Which edges of the image meet.
    tiling: Tiling = "none"
    guidance_rescale: float = 0.0
    #: Of classifier-free guidance beside the embedded one; 1 where there was none.
    true_cfg_scale: float = 1.0
    #: How far a source image might change, above 0 to 1; None where there was none.
    strength: float | None = None
    #: How its weights were stored where that is not as in its files.
    quantization: str = "none"
    #: Ways to run its networks faster that were measured to pay here.
    levers: tuple[str, ...] = ()
    #: What was allowed to be traded for speed, and how many steps were left out for it.
    quality: str = "lossless"
    steps_left_out: int = 0
    #: A model that went on at `handover`, a part of the schedule; None where there was none.
    refiner: str | None = None
    refiner_hash: str = ""
    handover: float = 1.0
    #: What its numbers hang on beside the model: `DeviceChoice.facts`.
    runtime: Mapping[str, Any] = field(default_factory=dict)
    #: Images that were made in the same call.
    batch_size: int = 1
    #: What was done to make room for it.
    oom_steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """JSON values for a stage's metadata; what is as usual is left out."""
        found: Json = {
            "model": self.model,
            "model_hash": self.model_hash,
            "seed": self.seed,
            "steps": self.steps,
            "steps_run": self.steps_run,
            "guidance_scale": self.guidance_scale,
            "scheduler": self.scheduler,
            "size": list(self.size),
            "device": self.device,
            "dtype": self.dtype,
            "loras": [lora.to_json() for lora in self.loras],
        }
        if self.control:
            found["control"] = [item.to_json() for item in self.control]
        if self.tiling != "none":
            found["tiling"] = self.tiling
        if self.embeddings:
            found["embeddings"] = [dict(vars(item)) for item in self.embeddings]
        if self.guidance_rescale:
            found["guidance_rescale"] = self.guidance_rescale
        if self.true_cfg_scale != 1:
            found["true_cfg_scale"] = self.true_cfg_scale
        if self.strength is not None:
            found["strength"] = self.strength
        if self.quantization != "none":
            found["quantization"] = self.quantization
        if self.levers:
            found["levers"] = list(self.levers)
        if self.quality != "lossless":
            found |= {"quality": self.quality, "steps_left_out": self.steps_left_out}
        if self.refiner is not None:
            found |= {
                "refiner": self.refiner,
                "refiner_hash": self.refiner_hash,
                "handover": self.handover,
            }
        if self.runtime:
            found["runtime"] = dict(self.runtime)
        if self.batch_size > 1:
            found["batch_size"] = self.batch_size
        if self.oom_steps:
            found["oom_steps"] = list(self.oom_steps)
        if self.warnings:
            found["warnings"] = list(self.warnings)
        return found

    @classmethod
    def from_json(cls, entry: Json) -> GenerationRecord | None:
        """Read a stage's metadata; None where the stage ran no diffusion model."""
        if not entry.keys() >= _ALWAYS:
            return None
        width, height = entry["size"]
        return cls(
            model=str(entry["model"]),
            model_hash=str(entry["model_hash"]),
            seed=entry.get("seed"),
            steps=int(entry["steps"]),
            steps_run=int(entry["steps_run"] if "steps_run" in entry else entry["steps"]),
            guidance_scale=entry["guidance_scale"],
            scheduler=str(entry["scheduler"]),
            size=(int(width), int(height)),
            device=str(entry.get("device", "")),
            dtype=str(entry.get("dtype", "")),
            loras=tuple(map(UsedLora.from_json, entry.get("loras", ()))),
            control=tuple(UsedControl(**item) for item in entry.get("control", ())),
            tiling=entry.get("tiling", "none"),
            embeddings=tuple(UsedEmbedding(**item) for item in entry.get("embeddings", ())),
            guidance_rescale=entry.get("guidance_rescale", 0.0),
            true_cfg_scale=entry.get("true_cfg_scale", 1.0),
            strength=entry.get("strength"),
            quantization=entry.get("quantization", "none"),
            levers=tuple(entry.get("levers", ())),
            quality=entry.get("quality", "lossless"),
            steps_left_out=entry.get("steps_left_out", 0),
            refiner=entry.get("refiner"),
            refiner_hash=str(entry.get("refiner_hash", "")),
            handover=float(entry.get("handover", 1)),
            runtime=entry.get("runtime", {}),
            batch_size=entry.get("batch_size", 1),
            oom_steps=tuple(entry.get("oom_steps", ())),
            warnings=tuple(entry.get("warnings", ())),
        )


#: What metadata says of every diffusion pass, and of nothing else.
_ALWAYS = frozenset({"model", "model_hash", "steps", "guidance_scale", "scheduler", "size"})


def passes(metadata: Mapping[str, Json]) -> dict[str, GenerationRecord]:
    """The diffusion passes that metadata tells of, by their steps' names, in order."""
    read = {name: GenerationRecord.from_json(entry) for name, entry in metadata.items()}
    return {name: record for name, record in read.items() if record is not None}
