"""What every training script shares: device, wall-clock schedule, checkpoints and the loss log."""

from __future__ import annotations

import argparse
import atexit
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed

RUNS = Path(__file__).parent / "runs"
Network = TypeVar("Network", bound=torch.nn.Module)


def set_parser(description: str | None, data: str = "poster") -> argparse.ArgumentParser:
    """The options of every script that takes a picture set and a device."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--data", default=data, help="name of the picture set under runs/")
    options.add_argument("--device", default="auto", help="auto, cpu, cuda, mps ...")
    options.add_argument("--threads", type=int, default=2)
    return options


def parser(description: str | None, minutes: float, batch: int) -> argparse.ArgumentParser:
    """The options that all training scripts take."""
    options = set_parser(description, data="train")
    options.add_argument(
        "--minutes", type=float, default=minutes, help="wall-clock budget, resumed time included"
    )
    options.add_argument("--batch", type=int, default=batch)
    options.add_argument("--fresh", action="store_true", help="ignore an existing checkpoint")
    return options


def add_from_shipped(options: argparse.ArgumentParser) -> None:
    """The option to begin with the weights that ship."""
    options.add_argument(
        "--from-shipped",
        action="store_true",
        help="where there is no checkpoint, begin with the weights that ship",
    )


def pick_device(name: str, threads: int) -> torch.device:
    """`auto` takes CUDA where there is one."""
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def reduces(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16: CUDA, and CPUs with AVX512-BF16 or AMX.

    Twice as fast on such a CPU; one that only emulates it would be twenty times slower.
    """
    return device.type == "cuda" or (
        device.type == "cpu"
        and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    )


def reduced(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where that is quicker."""
    return torch.autocast(device.type, torch.bfloat16, enabled=reduces(device))


def channels_last(model: Network) -> Network:
    """The same model with its kernels laid out as CPUs and tensor cores multiply fastest."""
    network: Any = model  # the annotation of `Module.to` knows no layouts
    network.to(memory_format=torch.channels_last)
    return model


class Budget:
    """Wall-clock training budget; the learning rate follows it and ends decayed on any machine."""

    def __init__(
        self, minutes: float, spent: float = 0.0, warm_up: float = 0.02, flat: float = 0.4
    ) -> None:
        self.seconds = minutes * 60
        self.before = spent
        self.begun = time.monotonic()
        self.warm_up = warm_up
        self.flat = flat

    @property
    def spent(self) -> float:
        """Seconds used, earlier runs included."""
        return self.before + time.monotonic() - self.begun

    @property
    def progress(self) -> float:
        """Share of the budget used, 0..1."""
        return min(1.0, self.spent / self.seconds)

    @property
    def scale(self) -> float:
        """The learning-rate factor now."""
        return self.scale_at(self.progress)

    def scale_at(self, p: float) -> float:
        """Learning-rate factor at progress 0..1: warm-up, flat, a half cosine down to 2 %."""
        if p < self.warm_up:
            return max(0.02, p / self.warm_up)
        if p < self.flat:
            return 1.0
        return 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * (p - self.flat) / (1 - self.flat)))


@dataclass(frozen=True)
class Meeting:
    """What a team knows after a meeting: steps taken since the last one, and its progress 0..1."""

    steps: int
    progress: float


class Team:
    """The processes that train one model together: those that torchrun started, or this one.

    Each takes steps of its own, and from time to time they meet and go on from the average of
    their weights, each counting by the steps it took. So one that gets less of the machine
    holds nobody up. A run ends at a meeting, never between two.
    """

    def __init__(self, every: float | None = None) -> None:
        """`every` so many seconds they meet: 120 if there are several, else 20."""
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.every = every or (120.0 if self.size > 1 else 20.0)
        self.steps = 0
        self.met = time.monotonic()
        if self.size > 1:
            distributed.init_process_group("gloo")
            # Threads of its own that still run when Python has ended abort the process.
            atexit.register(distributed.destroy_process_group)

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Let the first of the team through, then all others."""
        if self.rank:
            distributed.barrier()
        yield
        if self.size > 1 and not self.rank:
            distributed.barrier()

    @torch.no_grad()
    def step(self, weights: list[torch.nn.Parameter], progress: float) -> Meeting | None:
        """Count a step, and meet where it is time: `weights` become the team's average."""
        self.steps += 1
        if time.monotonic() - self.met < self.every and progress < 1:
            return None
        steps = self.steps
        if self.size > 1:
            own = torch.cat([weight.reshape(-1) for weight in weights]) * steps
            totals = torch.cat([own, torch.tensor([steps, progress * steps])])
            distributed.all_reduce(totals)
            steps = round(float(totals[-2]))
            progress = float(totals[-1]) / steps
            parts = torch.split(totals[:-2] / steps, [weight.numel() for weight in weights])
            for weight, part in zip(weights, parts, strict=True):  # in place: layouts stay
                weight.copy_(part.view(weight.shape))
        self.steps, self.met = 0, time.monotonic()
        return Meeting(steps, progress)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that it appears whole or not at all."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path: Path, fresh: bool, device: torch.device) -> dict[str, Any] | None:
    """The last checkpoint, or None where there is none or a fresh start is asked for."""
    if fresh or not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def log(name: str, **values: float) -> None:
    """Append one line to runs/NAME.csv and print it."""
    path = RUNS / f"{name}.csv"
    if not path.exists():
        path.write_text(",".join(values) + "\n")
    with path.open("a") as file:
        file.write(",".join(f"{value:.6g}" for value in values.values()) + "\n")
    print(f"{name}:", *(f"{key} {value:.5g}" for key, value in values.items()), flush=True)


def to_tensor(pictures: NDArray[np.uint8], device: torch.device | None = None) -> torch.Tensor:
    """Pictures (N, H, W, 3) of bytes as a float tensor (N, 3, H, W) in 0..1, on a device if any."""
    return torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 255


def to_bytes(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """A float tensor (N, 3, H, W) in 0..1 as pictures (N, H, W, 3) of bytes."""
    return (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB over a batch in 0..1."""
    error = (a - b).square().mean(dim=(1, 2, 3)).clamp_min(1e-10)
    return float((-10 * error.log10()).mean())


def sheet(pictures: NDArray[np.uint8], columns: int, path: Path) -> None:
    """Save pictures (N, H, W, 3) as one contact sheet."""
    from PIL import Image

    count, height, width, _ = pictures.shape
    rows = math.ceil(count / columns)
    page = Image.new("RGB", (columns * width, rows * height))
    for i, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (i % columns * width, i // columns * height))
    page.save(path)
