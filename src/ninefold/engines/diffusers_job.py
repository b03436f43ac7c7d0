"""One diffusion request, carried out on a loaded diffusers pipeline."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ninefold.core.errors import ModelError
from ninefold.core.progress import Progress
from ninefold.engines.base import Generated, ImageToImage, Inpaint, ModelInfo, TextToImage
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.embeddings import prompt_arguments
from ninefold.engines.loading import LoadedModel
from ninefold.engines.loras import LoraFile, applied
from ninefold.engines.previews import preview_maker
from ninefold.engines.schedulers import build_scheduler
from ninefold.imaging.types import Pixels

_NO_INPAINTING = (
    "This model has no inpainting; the source was changed as a whole and kept outside the mask."
)


@dataclass
class DiffusersJob:
    """A checked request on a model that this thread holds alone."""

    request: TextToImage
    info: ModelInfo
    loras: tuple[LoraFile, ...]
    model: LoadedModel
    progress: Progress
    device: DeviceChoice
    warnings: list[str] = field(default_factory=list)
    pipe: Any = field(init=False)

    def __post_init__(self) -> None:
        """Pick the pipeline's form; raises `ModelError` where the family has none."""
        self.pipe = self._pick()

    def run(self) -> Generated:
        """Make the image; may be called again with the same outcome after it failed."""
        request, pipe = self.request, self.pipe
        if isinstance(request, ImageToImage) and _keeps_all(request):
            return Generated(request.image.copy(), self._record(0))
        pipe.scheduler = build_scheduler(request.scheduler, self.model.scheduler)
        if "cpu_offload" in self.model.oom_steps and self.model.offloaded is not pipe:
            pipe.enable_model_cpu_offload()
            self.model.offloaded = pipe
        with applied(pipe, self.loras):
            image, steps_run = self._call()
        if isinstance(request, Inpaint):
            outside = request.mask <= 0
            image[outside] = request.image[outside]
        return Generated(image, self._record(steps_run))

    def _call(self) -> tuple[Pixels, int]:
        import torch

        request, pipe = self.request, self.pipe
        ran: list[int] = []
        prompts = prompt_arguments(pipe, request.prompt, request.negative_prompt)
        self.warnings += prompts.warnings
        accepted = inspect.signature(type(pipe).__call__).parameters

        def on_step(_: Any, index: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            ran.append(index)
            total = getattr(pipe, "num_timesteps", 0) or request.steps
            preview = preview_maker(pipe, tensors.get("latents"), request.width, request.height)
            self.progress.step(min(index + 1, total), total, preview)
            return {}

        arguments = {
            **prompts.arguments,
            **_guidance(accepted, request.guidance_scale),
            **_source(request),
            "width": request.width,
            "height": request.height,
            "num_inference_steps": _steps(request),
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "callback_on_step_end": on_step,
        }
        try:
            out = pipe(**{key: value for key, value in arguments.items() if key in accepted})
        finally:
            # A cancelled call leaves offloaded networks on the device.
            pipe.maybe_free_model_hooks()
        return np.array(out.images[0].convert("RGB"), dtype=np.uint8), len(ran)

    def _pick(self) -> Any:
        if not isinstance(self.request, ImageToImage):
            return self.model.form("text")
        if isinstance(self.request, Inpaint):
            if (pipe := self.model.form("inpaint")) is not None:
                return pipe
            self.warnings.append(_NO_INPAINTING)
        if (pipe := self.model.form("image")) is None:
            raise ModelError(
                f"{self.info.name} makes images from text only. Choose another model for the "
                "stages that start from an image, or leave them out."
            )
        return pipe

    def _record(self, steps_run: int) -> dict[str, Any]:
        request = self.request
        record: dict[str, Any] = {
            "model": self.info.name,
            "model_hash": self.info.hash,
            "seed": request.seed,
            "steps": request.steps,
            "steps_run": steps_run,
            "guidance_scale": request.guidance_scale,
            "scheduler": request.scheduler,
            "size": [request.width, request.height],
            "device": self.device.name,
            "dtype": self.model.dtype,
            "loras": [lora.record() for lora in self.loras],
        }
        if isinstance(request, ImageToImage):
            record["strength"] = request.strength
        if self.model.oom_steps:
            record["oom_steps"] = list(self.model.oom_steps)
        if self.warnings:
            record["warnings"] = list(dict.fromkeys(self.warnings))
        return record


def _keeps_all(request: ImageToImage) -> bool:
    return request.strength <= 0 or (isinstance(request, Inpaint) and not request.mask.any())


def _steps(request: TextToImage) -> int:
    if not isinstance(request, ImageToImage):
        return request.steps
    # diffusers runs int(steps * strength) of the steps and refuses to run none.
    return max(request.steps, math.ceil(1 / request.strength))


def _guidance(accepted: Mapping[str, inspect.Parameter], scale: float) -> dict[str, float]:
    # QwenImage and its like keep `guidance_scale` for distilled models, and take this instead.
    own = accepted.get("guidance_scale")
    if "true_cfg_scale" in accepted and (own is None or own.default is None):
        return {"true_cfg_scale": scale}
    return {"guidance_scale": scale}


def _source(request: TextToImage) -> dict[str, Any]:
    from PIL import Image

    if not isinstance(request, ImageToImage):
        return {}
    source: dict[str, Any] = {
        "image": Image.fromarray(np.ascontiguousarray(request.image)),
        "strength": request.strength,
    }
    if isinstance(request, Inpaint):
        grey = np.round(np.clip(request.mask, 0, 1) * 255).astype(np.uint8)
        source["mask_image"] = Image.fromarray(grey)
    return source
