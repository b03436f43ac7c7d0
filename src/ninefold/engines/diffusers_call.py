"""Diffusion requests that share one call of a loaded diffusers pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ninefold.core.progress import PreviewMaker
from ninefold.engines.call_settings import (
    call_arguments,
    guidance_of,
    guided_by,
    negative_prompt_of,
    one_or_all,
    painting_at,
    steps_of,
    true_cfg_of,
    without_effect,
)
from ninefold.engines.control_call import ControlCall
from ninefold.engines.defects import damaged_addition, damaged_weight, defect_of, watched_decoding
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusion import (
    Generated,
    ImageToImage,
    Inpaint,
    TextToImage,
    task_of,
)
from ninefold.engines.embeddings import PromptPair, prompt_arguments
from ninefold.engines.ensemble import ends_early, handover_arguments, unfinished
from ninefold.engines.families import Family, Task
from ninefold.engines.generation_record import GenerationRecord, UsedEmbedding
from ninefold.engines.latent_start import LatentStart, denoising_pipe
from ninefold.engines.levers import set_levers
from ninefold.engines.loading import LoadedModel
from ninefold.engines.loras.applying import applied
from ninefold.engines.memory import encoders_leaving
from ninefold.engines.prepared_request import PreparedRequest, keeps_all
from ninefold.engines.previews import preview_maker
from ninefold.engines.reference_images import (
    encoded_as_loaded,
    reference_arguments,
    references_of,
)
from ninefold.engines.schedulers import build_scheduler, explain_errors, seed_steps
from ninefold.engines.seamless import seamless
from ninefold.engines.step_cache import StepCache, step_cache
from ninefold.engines.wrapped_methods import replaced_attribute, watch_steps
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Floats, Pixels

_TOO_FAINT = (
    "The mask is nowhere half white, and this model's inpainting takes less for black: nothing was "
    "painted. Make the mask white."
)
_NO_INPAINTING = (
    "This model has no inpainting; the source was changed as a whole and kept outside the mask."
)

#: Takes steps done, steps in all, and a preview for each request if there is one.
BatchReport = Callable[[int, int, Sequence[PreviewMaker | None]], None]


@dataclass
class DiffusersCall:
    """Prepared requests with all of `in_common`, on a model that this thread holds alone.

    One request is passed to diffusers as one would by hand; several as lists.
    """

    prepared: Sequence[PreparedRequest]
    model: LoadedModel
    report: BatchReport
    device: DeviceChoice
    control: ControlCall = field(default_factory=ControlCall)
    #: Names of `engines.levers.LEVERS` that it is run with.
    levers: Collection[str] = ()
    warnings: list[str] = field(default_factory=list)
    family: Family = field(init=False)
    #: Of each image, where another model goes on with them.
    latents: Sequence[Floats] = ()
    pipe: Any = field(init=False)
    #: What the pipeline itself starts from.
    begins: Task = field(init=False)
    #: Parameters of the pipeline's call.
    accepted: Mapping[str, inspect.Parameter] = field(init=False)
    #: As the model asks for it; 0 where it does not, or the pipeline cannot.
    guidance_rescale: float = field(init=False)
    #: Steps that took the prediction of the one before, as `quality` allows.
    steps_left_out: int = 0

    def __post_init__(self) -> None:
        """Pick the pipeline's form."""
        self.requests = [item.request for item in self.prepared]
        info = self.prepared[0].info
        self.family = info.family
        self.references = references_of(self.requests[0], self.family)
        task = "edit" if self.references else task_of(self.requests[0])
        self.pipe, self.begins = self.control.pipeline(self.model, task, info)
        self.accepted = inspect.signature(type(self.pipe).__call__).parameters
        can = "guidance_rescale" in self.accepted
        self.guidance_rescale = self.prepared[0].info.guidance_rescale if can else 0.0

    def run(self) -> list[Generated]:
        """Make the images; may be called again with the same outcome after it failed."""
        shared, pipe = self.requests[0], self.pipe
        if isinstance(shared, ImageToImage) and keeps_all(shared):
            sources = [item.image for item in self.requests if isinstance(item, ImageToImage)]
            return self._made([source.copy() for source in sources], 0, [None] * len(sources))
        set_levers(self.model.base, self.levers, self.model.levers)
        scheduler = build_scheduler(shared.scheduler, self.model.scheduler)
        explain_errors(scheduler, self.prepared[0].info.name)
        pipe.scheduler = denoising_pipe(pipe).scheduler = scheduler
        if "cpu_offload" in self.model.oom_steps and self.model.offloaded is not pipe:
            pipe.enable_model_cpu_offload()
            self.model.offloaded = pipe
        steps = self.model.oom_steps
        leaves = "encoders_leave" in steps and "cpu_offload" not in steps
        with (
            encoders_leaving(pipe, self.device.name, leaves),
            self.control.applied(pipe, self.model, shared),
            applied(pipe, self.prepared[0].loras, self.model.loras, self.warnings),
            seamless(pipe, shared.tiling),
        ):
            images, steps_run, defects = self._call()
        for request, image in zip(self.requests, images, strict=True):
            if isinstance(request, Inpaint):
                outside = request.mask <= 0
                image[outside] = request.image[outside]
        return self._made(images, steps_run, defects)

    def _call(self) -> tuple[list[Pixels], int, list[str | None]]:
        import torch

        shared, pipe = self.requests[0], self.pipe
        start = self._latent_start()
        ran: list[int] = []

        def total_steps() -> int:
            known: int = getattr(denoising_pipe(pipe), "num_timesteps", 0)
            if known or start is None:
                return known or len(denoising_pipe(pipe).scheduler.timesteps)
            return start.steps_run

        def on_step(latents: Any) -> None:
            ran.append(len(ran))
            total = total_steps()
            self.control.before_step(pipe, len(ran), total)
            self.report(min(len(ran), total), total, self._previews(latents))

        def callback(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step(tensors.get("latents"))
            return {}

        generators = [torch.Generator("cpu").manual_seed(item.seed) for item in self.requests]
        seed_steps(pipe.scheduler, one_or_all(generators))
        arguments = {
            **call_arguments(self.family, shared),
            **({} if start else _source(self.requests)),
            **self.control.arguments(self.accepted),
            "generator": one_or_all(generators),
            "callback_on_step_end": callback,
            **handover_arguments(pipe, self.requests),
            **reference_arguments(self.references, (shared.width, shared.height), self.accepted),
        }
        if "callback_on_step_end" not in self.accepted:
            watch_steps(denoising_pipe(pipe).scheduler, on_step)
        if self.guidance_rescale:  # else the pipeline's own default, which is not 0 in all
            arguments["guidance_rescale"] = self.guidance_rescale
        if true_cfg_of(self.family, shared) > 1 and not self._takes_true_cfg():
            self.warnings.append(
                f"{type(pipe).__name__} takes no true_cfg_scale; it and the negative prompt were "
                "left out."
            )
        try:
            apart = len(self.requests) > 1 and self.device.name == "cpu"
            with (
                self._prompts() as prompts,
                painting_at(pipe, self.family, shared.width, shared.height),
                guided_by(pipe, self.family, shared.guidance_scale),
                start.applied() if start else nullcontext(),
                encoded_as_loaded(pipe, self.references),
                _own_randomness(shared.seed, self.device),
                _decoding_apart(pipe, apart),
                watched_decoding(pipe) as finite,
                step_cache(denoising_pipe(pipe), shared.quality, total_steps) as cache,
            ):
                arguments |= prompts
                arguments |= start.arguments(one_or_all(generators)) if start else {}
                out = pipe(**{key: arguments[key] for key in arguments if key in self.accepted})
        finally:
            # A cancelled call leaves offloaded networks on the device.
            pipe.maybe_free_model_hooks()
        found = out.images if hasattr(out, "images") else out.image  # Kandinsky 5
        if ends_early(shared):
            images, self.latents = unfinished(pipe, found)
        else:
            images = [self._sized(image.convert("RGB")) for image in found]
        self._note_quality(cache)
        refused = getattr(out, "nsfw_content_detected", None) or ()
        name, damaged = self.prepared[0].info.name, partial(damaged_weight, pipe)
        defects = [
            defect_of(
                name,
                self.model.dtype,
                index,
                refused,
                finite,
                damaged,
                partial(damaged_addition, item.loras, item.inversions),
            )
            for index, item in enumerate(self.prepared)
        ]
        return images, len(ran) - self.steps_left_out, defects

    def _takes_true_cfg(self) -> bool:
        return self.family.guidance.true_cfg_argument in self.accepted

    def _sized(self, image: Any) -> Pixels:
        """An image at the size asked for, also of a pipeline that paints a size of its own."""
        pixels, size = np.array(image, dtype=np.uint8), self.requests[0]
        if image.size == (size.width, size.height):
            return pixels
        self.warnings.append(
            f"{type(self.pipe).__name__} painted {image.width}x{image.height}, which was resized "
            f"to {size.width}x{size.height}."
        )
        return resize(pixels, size.width, size.height)

    def _note_quality(self, cache: StepCache | None) -> None:
        self.steps_left_out = cache.left_out if cache is not None else 0
        if cache is None and self.requests[0].quality != "lossless":
            self.warnings.append(
                f"quality: this model has no network that is run step by step, so "
                f"{self.requests[0].quality} left nothing out."
            )

    def _prompts(self) -> AbstractContextManager[dict[str, Any]]:
        prompts = [
            PromptPair(
                item.request.prompt,
                negative_prompt_of(self.family, item.request),
                item.inversions,
            )
            for item in self.prepared
        ]
        first = self.prepared[0]
        return prompt_arguments(
            self.pipe,
            prompts,
            self.model.embeddings,
            self.warnings,
            state=first.loras,
            max_tokens=self.family.prompt_tokens or 0,
        )

    def _previews(self, latents: Any) -> list[PreviewMaker | None]:
        width, height = self.requests[0].width, self.requests[0].height
        if latents is None:
            return [None] * len(self.requests)
        rows = latents.split(1) if len(self.requests) > 1 else [latents]
        return [preview_maker(self.pipe, row, width, height) for row in rows]

    def _latent_start(self) -> LatentStart | None:
        """What has a pipeline that starts from text start from the sources."""
        sources = [item for item in self.requests if isinstance(item, ImageToImage)]
        if not sources:
            return None
        if self.begins in ("text", "edit"):
            return LatentStart(self.pipe, sources, steps_of(sources[0]))
        masked = [item for item in sources if isinstance(item, Inpaint)]
        if masked and self.begins == "image":
            self.warnings.append(_NO_INPAINTING)
        elif any(item.mask.max() < 0.5 for item in masked):
            self.warnings.append(_TOO_FAINT)
        return None

    def _made(
        self, images: Sequence[Pixels], steps_run: int, defects: Sequence[str | None]
    ) -> list[Generated]:
        latents: Sequence[Floats | None] = self.latents or [None] * len(images)
        return [
            Generated(image, self._record(item, steps_run), defect, rest)
            for item, image, defect, rest in zip(
                self.prepared, images, defects, latents, strict=True
            )
        ]

    def _record(self, item: PreparedRequest, steps_run: int) -> GenerationRecord:
        request = item.request
        ineffective = [
            *without_effect(
                item.info, request.negative_prompt, request.guidance_scale, request.true_cfg_scale
            ),
            *(text for entry in item.control for text in entry.warnings(steps_run)),
        ]
        return GenerationRecord(
            model=item.info.name,
            model_hash=item.info.hash,
            seed=request.seed,
            steps=steps_of(request) if steps_run else request.steps,
            steps_run=steps_run,
            guidance_scale=guidance_of(self.family, request),
            scheduler=request.scheduler,
            size=(request.width, request.height),
            device=self.device.name,
            dtype=self.model.dtype,
            loras=tuple(lora.record() for lora in item.loras),
            control=tuple(entry.record() for entry in item.control),
            embeddings=tuple(UsedEmbedding(each.name, each.hash) for each in item.inversions),
            guidance_rescale=self.guidance_rescale,
            true_cfg_scale=true_cfg_of(self.family, request) if self._takes_true_cfg() else 1.0,
            strength=request.strength if isinstance(request, ImageToImage) else None,
            quantization=item.info.quantization,
            levers=tuple(self.levers),
            quality=request.quality,
            tiling=request.tiling,
            steps_left_out=self.steps_left_out,
            runtime=self.device.facts(),
            batch_size=len(self.requests),
            oom_steps=tuple(self.model.oom_steps),
            warnings=tuple(dict.fromkeys([*item.warnings, *self.warnings, *ineffective])),
        )


@contextmanager
def _own_randomness(seed: int, device: DeviceChoice) -> Iterator[None]:
    """Seed what draws without being given a generator: some schedulers, some text encoders."""
    import torch

    devices = [torch.cuda.current_device()] if device.name == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _decoding_apart(pipe: Any, apart: bool) -> Iterator[None]:
    """Where `apart`, decode images one by one: at full size each fills a CPU's caches alone."""
    vae: Any = getattr(pipe, "vae", None)
    if not apart or not hasattr(vae, "use_slicing"):
        yield
        return
    with replaced_attribute(vae, "use_slicing", True):
        yield


def _source(requests: Sequence[TextToImage]) -> dict[str, Any]:
    from PIL import Image

    sources = [item for item in requests if isinstance(item, ImageToImage)]
    if not sources:
        return {}
    images = [Image.fromarray(np.ascontiguousarray(item.image)) for item in sources]
    arguments: dict[str, Any] = {"image": one_or_all(images), "strength": sources[0].strength}
    masks = [item.mask for item in sources if isinstance(item, Inpaint)]
    if masks:
        greys = [np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8) for mask in masks]
        arguments["mask_image"] = one_or_all([Image.fromarray(grey) for grey in greys])
    return arguments
