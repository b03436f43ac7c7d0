"""Whether a process grows that switches between models, as jobs on four tiny ones do.

    python -m bench.model_switching [JOBS]

Prints the memory and the number of networks alive after every tenth part of the jobs. The first
part imports and warms what is needed once.
"""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from tests.tiny_models import tiny_model

MODELS = ("sd15", "sd2", "sdxl", "lcm")


def main(jobs: int) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu", memory_gb=1e-6)))
    with tempfile.TemporaryDirectory() as scratch:
        folders = [tiny_model(name, Path(scratch) / name) for name in MODELS]
        for job in range(1, jobs + 1):
            request = TextToImage(
                model=str(folders[job % len(folders)]),
                prompt=f"a house, number {job}",
                negative_prompt="",
                width=64,
                height=64,
                steps=1,
                guidance_scale=3.0,
                scheduler="default",
                seed=job,
            )
            engine.run(request, SilentProgress())
            if job % max(jobs // 10, 1) == 0:
                gc.collect()
                objects = gc.get_objects()
                alive = sum(issubclass(type(item), torch.nn.Module) for item in objects)
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                mebibytes = pages * resource.getpagesize() / (1 << 20)
                print(
                    f"{job:5} jobs  {mebibytes:7.1f} MiB  {alive} networks and layers", flush=True
                )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
