"""Trains the 2x and 4x upscalers on rendered scenes, some as the autoencoder gives them back.

Run `python -m training.upscaler --factor 2`, then `--factor 4`; each resumes by itself and writes
runs/xN.onnx. One pair in three is a texture that is no scene.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training import autoencoder
from training.canvas import View
from training.common import (
    RUNS,
    channels_last,
    load,
    log,
    parser,
    pick_device,
    psnr,
    reduced,
    to_bytes,
    to_tensor,
)
from training.data import HELD_OUT
from training.muon import with_adamw
from training.onnx_export import export
from training.scenes import random_scene, render
from training.textures import texture
from training.train_loop import TrainLoop
from training.upscaler_net import Clipped, Upscaler

Bytes = NDArray[np.uint8]
RATE = 1e-3
SIDE = 512
"""Side in pixels of the large pictures; half of them show a quarter of a scene."""
RENDERS, DECODED = 800, 160
FIRST_SEED = 1_000_000
CROP = 40
"""Side in pixels of what is enlarged in training."""
TEXTURES, THROUGH_AUTOENCODER = 0.5, 0.1
"""Shares of a batch."""
FLOOR = 2e-5
"""Squared error, of 1, below which a crop is good enough: 47 dB."""
FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BILINEAR,
)


def large_pictures() -> Bytes:
    """Renders (RENDERS, SIDE, SIDE, 3), made once; every other shows a quarter of its scene.

    So a 4x upscaler sees its source both at the density of 128 px scenes and of 256 px ones.
    """
    path = RUNS / "large.npy"
    if not path.exists():
        temporary = path.with_name("large.part.npy")
        shape = (RENDERS, SIDE, SIDE, 3)
        out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
            for i, picture in enumerate(pool.map(large_picture, range(RENDERS), chunksize=10)):
                out[i] = picture
        out.flush()
        os.replace(temporary, path)
    loaded: Bytes = np.load(path, mmap_mode="r")
    return loaded


def large_picture(number: int) -> Bytes:
    """One of them."""
    scene, rng = random_scene(FIRST_SEED + number), random.Random(number)
    if number % 2:
        view = View(rng.uniform(0, 0.5), rng.uniform(0, 0.5), 0.5)
        scene = replace(scene, view=view)
    return np.asarray(render(scene, SIDE))


def shrunk(picture: Bytes, factor: int, rng: np.random.Generator) -> Bytes:
    """A picture reduced by one of the usual filters."""
    size = (picture.shape[1] // factor, picture.shape[0] // factor)
    return np.asarray(Image.fromarray(picture).resize(size, FILTERS[rng.integers(len(FILTERS))]))


class Pairs:
    """Aligned crops of large pictures and of the same reduced."""

    def __init__(self, factor: int, device: torch.device) -> None:
        self.factor = factor
        self.large = large_pictures()
        self.decoded = self.decode(device)

    @torch.no_grad()
    def decode(self, device: torch.device) -> list[Bytes]:
        """The first pictures reduced and through the autoencoder, as generated pictures are."""
        model = autoencoder.trained(device).to(memory_format=torch.channels_last)
        rng, made = np.random.default_rng(0), []
        for picture in self.large[:DECODED]:
            small = to_tensor(shrunk(picture, self.factor, rng)[None], device) * 2 - 1
            with reduced(device):
                latents = model.encoder(small.contiguous(memory_format=torch.channels_last)).float()
                latents = latents + 0.1 * float(rng.random()) * torch.randn_like(latents)
                made.append(to_bytes((model.decoder(latents).float() + 1) / 2)[0])
        return made

    def pair(self, rng: np.random.Generator) -> tuple[Bytes, Bytes]:
        """One crop and what it is to be enlarged from."""
        k, side = self.factor, CROP * self.factor
        roll = rng.random()
        if roll < TEXTURES:
            large = texture(side, rng)
            return large, shrunk(large, k, rng)
        if roll < TEXTURES + THROUGH_AUTOENCODER:
            number = int(rng.integers(len(self.decoded)))
            y, x = (int(v) for v in rng.integers(0, SIDE // k - CROP + 1, 2))
            large = self.large[number, y * k : y * k + side, x * k : x * k + side]
            return large, self.decoded[number][y : y + CROP, x : x + CROP]
        y, x = (int(v) for v in rng.integers(0, SIDE - side + 1, 2))
        large = self.large[int(rng.integers(len(self.large))), y : y + side, x : x + side]
        return large, shrunk(np.ascontiguousarray(large), k, rng)

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Large and small crops, flipped and turned."""
        larges, smalls = [], []
        for _ in range(count):
            turn, flip = int(rng.integers(4)), bool(rng.integers(2))
            large, small = (np.rot90(v[:, ::-1] if flip else v, turn) for v in self.pair(rng))
            larges.append(large)
            smalls.append(small)
        return to_tensor(np.stack(larges)), to_tensor(np.stack(smalls))


class Batches(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Batches without end; each worker process makes others."""

    def __init__(self, pairs: Pairs, count: int, seed: int) -> None:
        super().__init__()
        self.pairs, self.count, self.seed = pairs, count, seed

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            yield self.pairs.batch(self.count, rng)


@torch.no_grad()
def check(model: Upscaler, factor: int, device: torch.device) -> tuple[float, float, float]:
    """Held-out PSNR of the model and of Lanczos in dB, and the mean colour shift in 1/255."""
    ours, lanczos, shift = [], [], []
    rng = np.random.default_rng(0)
    for seed in range(HELD_OUT, HELD_OUT + 24):
        large = np.asarray(render(random_scene(seed), 128 * factor))
        small = shrunk(large, factor, rng)
        truth, source = (to_tensor(v[None], device) for v in (large, small))
        with reduced(device):
            output = model(source).float().clamp(0, 1)
        plain = Image.fromarray(small).resize((128 * factor,) * 2, Image.Resampling.LANCZOS)
        ours.append(psnr(truth, output))
        lanczos.append(psnr(truth, to_tensor(np.asarray(plain)[None], device)))
        shift.append(float((output.mean((2, 3)) - source.mean((2, 3))).abs().max()) * 255)
    return float(np.mean(ours)), float(np.mean(lanczos)), float(np.mean(shift))


def begin(model: Upscaler, device: torch.device) -> None:
    """Start a 4x upscaler from all but the last layer of the 2x one, where there is one."""
    other = RUNS / "upscaler-2x.pt"
    if model.factor == 4 and (state := load(other, False, device)) is not None:
        kept = {k: v for k, v in state["model"].items() if not k.startswith("tail.")}
        model.load_state_dict(kept, strict=False)


def export_onnx(model: Upscaler, path: Path) -> None:
    """Write the network with free height and width."""
    metadata = {"scale": str(model.factor), "task": "upscale", "license": "Apache-2.0"}
    clipped = Clipped(model.cpu().float().eval())
    export(clipped, 3, 64, path, ("input", "output"), ("height", "width"), metadata)


def main() -> None:
    """Train within the wall-clock budget, then export."""
    options = parser(__doc__, minutes=8, batch=16)
    options.add_argument("--factor", type=int, choices=(2, 4), required=True)
    options.add_argument(
        "--workers", type=int, default=0, help="processes that make pairs; 0: this one does"
    )
    arguments = options.parse_args()
    large_pictures()  # before a device is used: the workers are forks of this process
    device = pick_device(arguments.device, arguments.threads)
    name = f"upscaler-{arguments.factor}x"
    torch.manual_seed(0)
    model = channels_last(Upscaler(arguments.factor).to(device)).train()
    optimisers = with_adamw(model.parameters(), RATE, decay=0)
    pairs = Pairs(arguments.factor, device)
    loop = TrainLoop(
        RUNS / f"{name}.pt",
        arguments,
        device,
        {"model": model},
        optimisers,
        rate=RATE,
        weights=model.parameters(),
        clip=0.5,
    )
    if not loop.resumed:
        begin(model, device)
    batches = iter(
        DataLoader(
            Batches(pairs, arguments.batch, loop.seed),
            batch_size=None,
            num_workers=arguments.workers,
        )
    )
    while loop.running:
        large, small = (v.to(device, non_blocking=True) for v in next(batches))
        with reduced(device):
            output = model(small.contiguous(memory_format=torch.channels_last)).float()
        # A picture's decibels count, however small its error: a gradient as much as a wall of text.
        loss = ((output - large).square().mean((1, 2, 3)) + FLOOR).log().mean()
        loop.learn(loss)
        if loop.saved():
            ours, lanczos, shift = check(model, arguments.factor, device)
            log(f"{name}_held_out", step=loop.step, psnr=ours, lanczos=lanczos, shift=shift)
    if loop.is_main:
        export_onnx(model, RUNS / f"x{arguments.factor}.onnx")


if __name__ == "__main__":
    main()
