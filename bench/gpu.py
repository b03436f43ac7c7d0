"""How near diffusion models of full size come to what a GPU can do.

Run `python -m bench.gpu` on a machine with CUDA: random weights in bfloat16, so nothing is
downloaded. For each model, seconds for one image of 1024 x 1024 by plain diffusers and by the
engine, alternating in one process; the time that the networks' arithmetic takes at the rate of a
large product of matrices on this device (the bound); decoding alone; images of SDXL in batches of
1 to 8 at 512 and 1024; and what the stages of `full` take beside sampling.

`--dry-run` goes the same way with tiny models on whatever device there is, and checks that plain
diffusers and the engine paint the same bytes: exit code 1 where they do not. `--json FILE` keeps
the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu_models import CASES, Case, build, parameters
from ninefold import Pipeline, PipelineContext
from ninefold.config import PipelineConfig
from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusers_engine import DiffusersEngine, KnownModel
from ninefold.engines.diffusion import DIFFUSION, ModelInfo, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.families import family_of_class
from ninefold.engines.layouts import Layout
from ninefold.engines.loading import LoadedModel, quiet
from ninefold.engines.models import ModelFiles
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels

PROMPT = "a red house in the mountains at sunset, wide angle, soft light on the snow"
SEED = 7


class GivenModel(DiffusersEngine):
    """The engine, with one model that was made in memory."""

    def __init__(self, resources: EngineResources, case: Case, pipe: Any, side: int) -> None:
        super().__init__(resources)
        self.pipe = pipe
        parts = pipe.components

        def configs(part: str) -> Any:
            return dict(getattr(parts.get(part), "config", None) or {})

        family, _ = family_of_class(type(pipe).__name__).for_model(configs, case.name)
        multiple = pipe.vae_scale_factor * family.patch
        info = ModelInfo(
            name=case.name,
            hash="0" * 10,
            native_size=(side, side),
            size_multiple=multiple,
            max_size=4 * side,
            min_size=multiple,
            steps=case.steps,
            guidance_scale=case.guidance_scale,
            scheduler="default",
            latent_scale=pipe.vae_scale_factor,
            family=family,
        )
        class_name = type(pipe).__name__
        layout = Layout(class_name, (), {})
        files = ModelFiles(case.name, Path(case.name), (), class_name, family, "", layout)
        self._given = KnownModel(case.name, files, info)

    def _find(self, reference: str) -> KnownModel:
        return self._given

    def _load(self, known: KnownModel) -> LoadedModel:
        dtype = str(self.pipe.dtype).removeprefix("torch.")
        return LoadedModel(self.pipe, known.info.family, self.pipe.scheduler, dtype)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--models", help="names, separated by commas; by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=540, help="begin no model after so long")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.dry_run:
        print("No CUDA device here. --dry-run tries everything with tiny models.")
        return 2
    begun, figures, same = time.monotonic(), [], True
    rate = matrix_rate(device, 8192 if device == "cuda" else 512)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}: {rate / 1e12:.1f} TFLOP/s of a product of matrices")
    wanted = options.models.split(",") if options.models else [case.name for case in CASES]
    for case in (case for case in CASES if case.name in wanted):
        if time.monotonic() - begun > options.seconds:
            print(f"{case.name}: left out, no time")
            continue
        with quiet():
            found = measured(case, device, rate, options)
        same = same and found["identical"]
        figures.append(found)
    if options.json:
        options.json.write_text(json.dumps({"device": name, "models": figures}, indent=1))
    return 0 if same or not options.dry_run else 1


def measured(case: Case, device: str, rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model, printed as they come."""
    import torch

    sizes = ", ".join(f"{name} {count / 1e9:.2f}" for name, count in parameters(case).items())
    print(f"{case.name}: {sizes} (1e9 parameters at full size)", flush=True)
    full, side = not options.dry_run, 64 if options.dry_run else 1024
    pipe = build(case, device, full=full)
    settings = EngineSettings(device=device, dtype="bfloat16" if full else "float32")
    engine = GivenModel(EngineResources(settings), case, pipe, side)
    steps = case.steps if full else 3
    request = TextToImage(
        model=case.name,
        prompt=PROMPT,
        negative_prompt=case.negative_prompt,
        width=side,
        height=side,
        steps=steps,
        guidance_scale=case.guidance_scale,
        scheduler="default",
        seed=SEED,
    )

    def by_engine(number: int = 0) -> Pixels:
        return engine.run(numbered(request, number), SilentProgress()).image

    def by_hand(number: int = 0) -> Pixels:
        return plain(pipe, case, numbered(request, number))

    first, second = by_hand(), by_engine()  # warm
    times: dict[str, list[float]] = {"plain": [], "ninefold": []}
    for number in range(1, options.rounds + 1):
        times["plain"].append(timed(partial(by_hand, number), device))
        times["ninefold"].append(timed(partial(by_engine, number), device))
    operations = flops(by_hand)
    plain_s, ours = (statistics.median(times[name]) for name in ("plain", "ninefold"))
    found: dict[str, Any] = {
        "model": case.name,
        "plain": plain_s,
        "ninefold": ours,
        "ratio": statistics.median(
            a / b for a, b in zip(times["ninefold"], times["plain"], strict=True)
        ),
        "aim": case.aim,
        "tflop": operations / 1e12,
        "bound": operations / rate,
        "decode": decoding(pipe, side, device),
        "identical": bool(np.array_equal(first, second)),
    }
    print(
        f"  plain {plain_s:.3f} s, ninefold {ours:.3f} s (ratio {found['ratio']:.3f}, "
        f"aim {case.aim} s), bound {found['bound']:.3f} s ({found['bound'] / ours:.0%} of it), "
        f"decode {found['decode'] * 1000:.0f} ms, "
        f"same bytes {'yes' if found['identical'] else 'NO'}",
        flush=True,
    )
    if case is CASES[0]:
        found["batches"] = batches(pipe, case, request, device, (side // 2, side))
        found["beside_sampling"] = beside_sampling(engine, request, settings)
        print(f"  stages of full beside sampling: {found['beside_sampling']:.2f} s", flush=True)
    if device == "cuda":
        torch.cuda.empty_cache()
    return found


def numbered(request: TextToImage, number: int) -> TextToImage:
    """The request with a prompt that no call before had: the engine keeps embeddings."""
    return replace(request, prompt=f"{request.prompt}, number {number}")


def plain(pipe: Any, case: Case, request: TextToImage, images: int = 1, side: int = 0) -> Pixels:
    """The call as diffusers' documentation writes it."""
    import torch

    generators = [torch.Generator("cpu").manual_seed(SEED + index) for index in range(images)]
    guidance = "true_cfg_scale" if case.tiny == "qwen-image" else "guidance_scale"
    given: dict[str, Any] = {guidance: case.guidance_scale}
    if case.negative_prompt:
        given["negative_prompt"] = case.negative_prompt
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    made = pipe(
        prompt=request.prompt,
        width=side or request.width,
        height=side or request.height,
        num_inference_steps=request.steps,
        num_images_per_prompt=images,
        generator=generators if images > 1 else generators[0],
        **given,
    ).images[0]
    return np.asarray(made.convert("RGB"))


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds of wall time, the device's work included."""
    import torch

    begun = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def flops(run: Callable[[], object]) -> float:
    """Floating-point operations of all networks in a run, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def matrix_rate(device: str, side: int) -> float:
    """FLOP/s of a product of two square matrices, the best of ten."""
    import torch

    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return float(2 * side**3 / min(timed(lambda: a @ b, device) for _ in range(10)))


def decoding(pipe: Any, side: int, device: str) -> float:
    """Seconds to decode latents of one image, the median of five."""
    import torch

    vae = pipe.vae
    channels = getattr(vae.config, "latent_channels", None) or vae.config.z_dim
    cells = side // pipe.vae_scale_factor
    shape = (1, channels, *([1] if "QwenImage" in type(vae).__name__ else []), cells, cells)
    latents = torch.randn(shape, device=device, dtype=vae.dtype)
    with torch.no_grad():
        vae.decode(latents)
        return statistics.median(timed(lambda: vae.decode(latents), device) for _ in range(5))


def batches(
    pipe: Any, case: Case, request: TextToImage, device: str, sides: tuple[int, ...]
) -> dict[str, float]:
    """Seconds an image in batches of 1 to 8."""
    found: dict[str, float] = {}
    short = replace(request, steps=min(request.steps, 8))
    for side in sides:
        for count in (1, 2, 4, 8):

            def run(count: int = count, side: int = side) -> Pixels:
                return plain(pipe, case, short, count, side)

            run()
            found[f"{side}x{side} batch {count}"] = timed(run, device) / count
    line = ", ".join(f"{name} {seconds:.3f}" for name, seconds in found.items())
    print(f"  {short.steps} steps, seconds an image: {line}", flush=True)
    return found


def beside_sampling(engine: GivenModel, request: TextToImage, settings: EngineSettings) -> float:
    """Seconds of `full` outside the engine's calls of the model."""
    engines: EngineSet = build_engines(settings).with_engines(DIFFUSION, engine)
    spent = 0.0
    run = engine.run

    def counted(*args: Any) -> Any:
        nonlocal spent
        begun = time.perf_counter()
        try:
            return run(*args)
        finally:
            spent += time.perf_counter() - begun

    engine.run = counted  # type: ignore[assignment,method-assign]
    config = PipelineConfig.preset("full").with_values({"text_to_image.steps": request.steps}, "")
    pipeline: Pipeline = config.build(engines)
    with tempfile.TemporaryDirectory() as folder:
        context = PipelineContext(
            workdir=Path(folder), prompt=PROMPT, seed=SEED, model=request.model
        )
        begun = time.perf_counter()
        asyncio.run(pipeline.execute(context)).raise_for_error()
        return time.perf_counter() - begun - spent


if __name__ == "__main__":
    sys.exit(main())
