"""What every training script shares: device, wall-clock schedule, checkpoints and the loss log."""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed

RUNS = Path(__file__).parent / "runs"


def parser(description: str | None, minutes: float, batch: int) -> argparse.ArgumentParser:
    """The options that all training scripts take."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument(
        "--minutes", type=float, default=minutes, help="wall-clock budget, resumed time included"
    )
    options.add_argument("--batch", type=int, default=batch)
    options.add_argument("--device", default="auto", help="auto, cpu, cuda, mps ...")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--data", default="train", help="name of the picture set under runs/")
    options.add_argument("--fresh", action="store_true", help="ignore an existing checkpoint")
    return options


def pick_device(name: str, threads: int) -> torch.device:
    """`auto` takes CUDA where there is one."""
    torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


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


class Team:
    """The processes that train one model together: those that torchrun started, or this one."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        if self.size > 1:
            distributed.init_process_group("gloo")

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Let the first of the team through, then all others."""
        if self.rank:
            distributed.barrier()
        yield
        if self.size > 1 and not self.rank:
            distributed.barrier()

    def share(self, parameters: list[torch.nn.Parameter], values: list[float]) -> list[float]:
        """Average the gradients over the team in place, and return the averages of `values`."""
        if self.size == 1:
            return values
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor(values)])
        distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return [float(v) for v in flat[start:]]


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
    print(" ".join(f"{key} {value:.5g}" for key, value in values.items()), flush=True)


def to_tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (N, H, W, 3) of bytes as a float tensor (N, 3, H, W) in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


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
