"""Measures levers and batches of a loaded model, by the calls that requests are fulfilled with."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusers_call import DiffusersCall
from ninefold.engines.diffusion import ModelInfo, TextToImage
from ninefold.engines.embeddings import PromptPair, chunk_count
from ninefold.engines.levers import set_levers, usable
from ninefold.engines.loading import LoadedModel
from ninefold.engines.memory import is_out_of_memory
from ninefold.engines.prepared_request import PreparedRequest
from ninefold.engines.tuning import Measured, Tuning, measure, tuned
from ninefold.imaging.types import Pixels

PROMPT = "a red house in the mountains at sunset"
BATCHES = (2, 4, 8, 16)


def tune(
    model: LoadedModel,
    info: ModelInfo,
    device: DeviceChoice,
    size: tuple[int, int],
    steps: int,
    rounds: int,
    report: Callable[[Measured], object],
) -> Tuning:
    """What pays for images of `size` (width, height); levers are left as they were."""
    before = frozenset(model.levers)

    def paint(levers: Collection[str], count: int = 1) -> Pixels:
        prepared = [_prepared(info, size, steps, seed) for seed in range(count)]
        call = DiffusersCall(prepared, model, lambda *_: None, device, levers=levers)
        return call.run()[0].image

    seconds = partial(_seconds, device)
    levers: list[Measured] = []
    batches: dict[int, float] = {}
    try:
        names = [lever.name for lever in usable(model.base, device.name)]
        for measured in measure(paint, names, seconds, rounds):
            report(measured)
            levers.append(measured)
        best = tuned(levers, {}).lossless
        stacks = chunk_count(model.base, PromptPair(PROMPT, "")) is not None
        batches[1] = min(seconds(lambda: paint(best))[0] for _ in range(rounds + 1))
        for count in BATCHES if stacks else ():
            try:
                paint(best, count)
                each = min(seconds(lambda: paint(best, count))[0] for _ in range(rounds)) / count  # noqa: B023
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                device.clear()
                break
            report(Measured(f"batch of {count}", each, batches[1], same_bytes=False))
            batches[count] = each
    finally:
        set_levers(model.base, before, model.levers)
    return tuned(levers, batches)


def _prepared(info: ModelInfo, size: tuple[int, int], steps: int, seed: int) -> PreparedRequest:
    request = TextToImage(
        model=info.name,
        prompt=PROMPT,
        negative_prompt="",
        width=size[0],
        height=size[1],
        steps=steps,
        guidance_scale=info.guidance_scale,
        scheduler=info.scheduler,
        seed=seed,
    )
    return PreparedRequest(request, info, ())


def _seconds(device: DeviceChoice, call: Callable[[], Any]) -> tuple[float, Any]:
    """What a call took, the device's work included, and what it returned."""
    begun = time.perf_counter()
    found = call()
    if device.name == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter() - begun, found
