"""What A1111's clients get back: images with their infotext, and what made them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from ninefold._version import __version__
from ninefold.core.values import Json
from ninefold.engines.generation_record import GenerationRecord, passes
from ninefold.engines.hashing import SHORT_HASH
from ninefold.files.a1111 import sampling_fields
from ninefold.files.embed import read_parameters
from ninefold.files.infotext import Infotext, format_infotext, parse_infotext
from ninefold.files.opening import OWN_LIMITS
from ninefold.inspection import FileDescription
from ninefold.jobs import Job
from ninefold.server.blocking_requests import warnings_of
from ninefold.server.sdapi.schemas import Img2ImgRequest, Processing
from ninefold.server.sdapi.sessions import timestamp


class ImagesAnswer(BaseModel):
    """Images in base64, the request's parameters, and as JSON text what made them."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


class ExtrasAnswer(BaseModel):
    """An enlarged image."""

    html_info: str
    image: str


class ExtrasBatchAnswer(BaseModel):
    """Enlarged images."""

    html_info: str
    images: list[str]


class PngInfoAnswer(BaseModel):
    """The text of an image."""

    info: str = Field(description="The infotext as it is.")
    items: dict[str, Any]
    parameters: dict[str, Any] = Field(description="Its settings by name.")


class ProgressAnswer(BaseModel):
    """How far a request is."""

    progress: float
    eta_relative: float = Field(description="Seconds that remain, about.")
    state: dict[str, Any]
    current_image: str | None = Field(description="A preview in base64.")
    textinfo: str | None


@dataclass(frozen=True)
class FinishedImage:
    """An image that was made, as its file holds it."""

    job: Job
    file: bytes

    @property
    def infotext(self) -> str:
        """The text inside the file."""
        return read_parameters(self.file, OWN_LIMITS) or ""

    @property
    def base64(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.file).decode("ascii")


def images_answer(
    request: Processing,
    found: Sequence[FinishedImage],
    settings: GenerationRecord,
    warnings: Sequence[str],
    started: float,
) -> ImagesAnswer:
    """The answer of txt2img and img2img; fewer images than asked for where it was interrupted."""
    return ImagesAnswer(
        images=[image.base64 for image in found] if request.send_images else [],
        parameters=_parameters(request),
        info=json.dumps(_info(request, found, settings, warnings, started), ensure_ascii=False),
    )


def png_info(found: FileDescription) -> PngInfoAnswer:
    """What an image's text says; `Size` also as its two numbers, as A1111 gives it. What is no
    infotext becomes some, as A1111 does it for NovelAI."""
    info = found.infotext
    text = found.parameters
    parameters: dict[str, Any] = {}
    if info is not None:
        parameters = {"Prompt": info.prompt, "Negative prompt": info.negative_prompt}
        parameters |= info.fields
        if (size := info.size) is not None:
            parameters |= {"Size-1": size[0], "Size-2": size[1]}
        if found.own_infotext is None:
            text = format_infotext(info)
    items = {"parameters": text} if text else {}
    return PngInfoAnswer(info=text, items=items, parameters=parameters)


def warnings_for(found: Sequence[FinishedImage], warnings: Sequence[str]) -> list[str]:
    """What was asked for and not done, and what the stages warned of, once each."""
    from_stages = (text for image in found for text in warnings_of(image.job))
    return list(dict.fromkeys([*warnings, *from_stages]))


def _parameters(request: Processing) -> dict[str, Any]:
    document = request.model_dump(mode="json")
    if isinstance(request, Img2ImgRequest) and not request.include_init_images:
        document |= {"init_images": None, "mask": None}
    return document


def _info(
    request: Processing,
    found: Sequence[FinishedImage],
    settings: GenerationRecord,
    warnings: Sequence[str],
    started: float,
) -> dict[str, Any]:
    """A1111's `info`, complete whatever was made, and `warnings` and `job_ids` of ours."""
    texts = [parse_infotext(image.infotext) for image in found]
    entries = [
        {"prompt": text.prompt, "negative_prompt": text.negative_prompt, **_stage(image, "prompt")}
        for image, text in zip(found, texts, strict=True)
    ]
    first = entries[0] if entries else request.model_dump(include={"prompt", "negative_prompt"})
    seeds = [_seed(image, text) for image, text in zip(found, texts, strict=True)]
    made = _first_pass(found[0]) if found else None
    made = made or settings
    first_seed = seeds[0] if seeds else -1 if request.seed is None else request.seed
    return {
        "prompt": first["prompt"],
        "all_prompts": [entry["prompt"] for entry in entries],
        "negative_prompt": first["negative_prompt"],
        "all_negative_prompts": [entry["negative_prompt"] for entry in entries],
        "seed": first_seed,
        "all_seeds": seeds,
        "subseed": first_seed,
        "all_subseeds": seeds,
        "subseed_strength": 0,
        "width": made.size[0],
        "height": made.size[1],
        "sampler_name": sampling_fields(made)["Sampler"],
        "cfg_scale": made.guidance_scale,
        "steps": made.steps,
        "batch_size": request.batch_size,
        "restore_faces": bool(request.restore_faces),
        "face_restoration_model": None,
        "sd_model_name": made.model,
        "sd_model_hash": made.model_hash[:SHORT_HASH],
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": request.denoising_strength,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [image.infotext for image in found],
        "styles": [],
        "job_timestamp": timestamp(started),
        "clip_skip": 1,
        "is_using_inpainting_conditioning": False,
        "version": f"ninefold {__version__}",
        "job_ids": [image.job.id for image in found],
        "warnings": warnings_for(found, warnings),
    }


def _stage(image: FinishedImage, name: str) -> Json:
    return image.job.metadata.get(name, {})


def _first_pass(image: FinishedImage) -> GenerationRecord | None:
    """The first diffusion pass; None where the image was not painted."""
    return next(iter(passes(image.job.metadata).values()), None)


def _seed(image: FinishedImage, text: Infotext) -> int:
    """The seed of an image; that of a job that never drew one is in what its file says."""
    seed = image.job.seed
    found = text.fields.get("Seed", "")
    return seed if seed is not None else int(found) if found.isdigit() else -1
