"""Two models that share one schedule: a base, and a refiner that goes on with its latents.

An ensemble of experts, as SDXL's base and refiner are (https://arxiv.org/abs/2307.01952, 2.5): the
image is not decoded between them, and no noise is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ninefold.core.errors import ContractError
from ninefold.core.progress import PartialProgress, Progress
from ninefold.engines.autoencoders import decoded
from ninefold.engines.diffusion import Generated, LatentsToImage, ModelInfo, TextToImage
from ninefold.engines.generation_record import GenerationRecord
from ninefold.imaging.types import Floats, Pixels

Run = Callable[[TextToImage, Progress], Generated]


def ensemble_problems(base: ModelInfo, refiner: ModelInfo) -> Iterator[str]:
    """Whether `refiner` can go on with what `base` began."""
    if not base.family.hands_over:
        yield (
            f"{base.name} ({base.family.name}) hands nothing over to a refiner. Leave it out, or "
            "put the refiner stage after this one."
        )
    elif refiner.family.hands_over != base.family.hands_over:
        yield (
            f"{refiner.name} ({refiner.family.name}) cannot go on with latents of {base.name} "
            f"({base.family.name}). Choose a model of the same kind."
        )


def run_ensemble(request: TextToImage, run: Run, progress: Progress) -> Generated:
    """Run both parts of a request with a `refiner`, each by `run`; raises what that raises.

    LoRAs, control and references act on the base.
    """
    first = run(replace(request, refiner=""), PartialProgress(progress, 0, 2))
    if first.latents is None:
        raise ContractError(f"{request.model} handed no latents over to {request.refiner}.")
    given = {item.name: getattr(request, item.name) for item in fields(TextToImage)}
    own = {"model": request.refiner, "refiner": "", "loras": (), "control": (), "references": ()}
    rest = LatentsToImage(**{**given, **own}, latents=first.latents)
    second = run(rest, PartialProgress(progress, 1, 2))
    return replace(second, record=_joined(first.record, second.record, request.handover))


def ends_early(request: TextToImage) -> bool:
    """Whether another model goes on with what it gives."""
    return request.handover < 1 and not isinstance(request, LatentsToImage)


def handover_arguments(pipe: Any, requests: Sequence[TextToImage]) -> dict[str, Any]:
    """What diffusers is passed for the two parts; nothing for a request that runs alone."""
    import torch

    if ends_early(requests[0]):
        return {"denoising_end": requests[0].handover, "output_type": "latent"}
    rows = [item.latents for item in requests if isinstance(item, LatentsToImage)]
    if not rows:
        return {}
    latents = torch.from_numpy(np.stack(rows)).to(pipe.dtype)
    return {"image": latents, "denoising_start": requests[0].handover}


def unfinished(pipe: Any, latents: Any) -> tuple[list[Pixels], list[Floats]]:
    """What is to be seen of latents (N, channels, h, w), and the latents, of each image."""
    rows = list(latents.float().cpu().numpy())
    return [decoded(pipe, latents[index : index + 1]) for index in range(len(rows))], rows


def _joined(base: GenerationRecord, refiner: GenerationRecord, handover: float) -> GenerationRecord:
    """One record: the base's, with what the refiner did."""
    return replace(
        base,
        steps_run=base.steps_run + refiner.steps_run,
        steps_left_out=base.steps_left_out + refiner.steps_left_out,
        oom_steps=tuple(dict.fromkeys((*base.oom_steps, *refiner.oom_steps))),
        refiner=refiner.model,
        refiner_hash=refiner.model_hash,
        handover=handover,
        warnings=tuple(dict.fromkeys((*base.warnings, *refiner.warnings))),
    )
