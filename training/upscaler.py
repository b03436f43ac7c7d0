"""Trains the 2x and 4x upscalers on rendered scenes, plain and as the autoencoder gives them back.

Run `python -m training.upscaler --factor 2`, then `--factor 4`; each resumes by itself and writes
runs/xN.onnx.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from training import autoencoder
from training.common import RUNS, Budget, load, log, parser, pick_device, psnr, save, to_tensor
from training.data import HELD_OUT
from training.onnx_export import export
from training.scenes import random_scene, render

WIDTH, BLOCKS = 40, 4


class Residual(nn.Module):
    """Two convolutions around an activation, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape out."""
        out: torch.Tensor = x + self.body(x)
        return out


def cubic_kernel(factor: int) -> torch.Tensor:
    """Catmull-Rom weights (factor * factor, 1, 5, 5) of each output pixel inside a source pixel."""
    rows = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        x = (torch.arange(-2, 3) - offset).abs()
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        row = torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros(())))
        rows.append(row / row.sum())
    table = torch.stack(rows)
    return torch.einsum("ik,jl->ijkl", table, table).reshape(factor * factor, 1, 5, 5)


class Upscaler(nn.Module):
    """Pictures (N, 3, h, w) to (N, 3, h*s, w*s): a fixed cubic enlargement plus learned detail.

    The enlargement keeps mean colours by construction and is plain convolution, so it is as fast as
    the rest; the untrained network is exactly that enlargement.
    """

    kernel: torch.Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", cubic_kernel(factor).repeat(3, 1, 1, 1))
        self.head = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.body = nn.Sequential(*(Residual(WIDTH) for _ in range(BLOCKS)), nn.LeakyReLU(0.1))
        self.tail = nn.Conv2d(WIDTH, 3 * factor * factor, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge; the result may leave 0..1 slightly."""
        padded = functional.pad(pictures, (2, 2, 2, 2), mode="replicate")
        base = functional.conv2d(padded, self.kernel, groups=3)
        detail = self.tail(self.body(self.head(pictures - 0.5)))
        return functional.pixel_shuffle(base + detail, self.factor)


class Clipped(nn.Module):
    """The upscaler as it is exported: output clipped to 0..1."""

    def __init__(self, model: Upscaler) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge and clip."""
        out: torch.Tensor = self.model(pictures).clamp(0, 1)
        return out


FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BILINEAR,
)


def pair(
    seed: int, size: int, factor: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One scene large, and reduced by one of the usual filters."""
    large = render(random_scene(seed), size, supersampling=2)
    small = large.resize((size // factor, size // factor), FILTERS[int(rng.integers(len(FILTERS)))])
    return np.asarray(large), np.asarray(small)


class Pairs:
    """A store of rendered pairs that is renewed bit by bit, cut into random crops."""

    def __init__(self, factor: int, rng: np.random.Generator, decoder: Any) -> None:
        self.factor, self.rng, self.decoder = factor, rng, decoder
        self.seed = int(rng.integers(1_000_000, 2_000_000))
        self.store: list[tuple[torch.Tensor, torch.Tensor]] = []

    @torch.no_grad()
    def renew(self) -> None:
        """Render one more pair; a third go through the autoencoder, as generated pictures do."""
        self.seed += 1
        small_size = int(self.rng.choice((96, 128, 128, 192)))
        large, small = (
            to_tensor(p[None])
            for p in pair(self.seed, small_size * self.factor, self.factor, self.rng)
        )
        if self.decoder is not None and self.rng.random() < 0.35:
            latents = self.decoder.encoder(small * 2 - 1)
            decoded = (self.decoder.decoder(latents + 0.08 * torch.randn_like(latents)) + 1) / 2
            small = small + (decoded.clamp(0, 1) - small) * float(self.rng.uniform(0.4, 1.0))
        self.store.append((large, small))
        del self.store[:-160]

    def batch(self, count: int, crop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random aligned crops, flipped and turned."""
        larges, smalls = [], []
        for number in self.rng.integers(0, len(self.store), count):
            large, small = self.store[number]
            y, x = self.rng.integers(0, small.shape[2] - crop + 1, 2)
            k = self.factor
            a, b = (
                large[..., y * k : (y + crop) * k, x * k : (x + crop) * k],
                small[..., y : y + crop, x : x + crop],
            )
            turn, flip = int(self.rng.integers(4)), bool(self.rng.integers(2))
            a, b = (torch.rot90(v.flip(3) if flip else v, turn, (2, 3)) for v in (a, b))
            larges.append(a)
            smalls.append(b)
        return torch.cat(larges), torch.cat(smalls)


@torch.no_grad()
def check(model: Upscaler, factor: int, device: torch.device) -> tuple[float, float, float]:
    """Held-out PSNR of the model and of Lanczos in dB, and the mean colour shift in 1/255."""
    ours, lanczos, shift = [], [], []
    rng = np.random.default_rng(0)
    for seed in range(HELD_OUT, HELD_OUT + 32):
        large, small = pair(seed, 128 * factor, factor, rng)
        truth = to_tensor(large[None]).to(device)
        output = model(to_tensor(small[None]).to(device)).clamp(0, 1)
        plain = np.asarray(
            Image.fromarray(small).resize((128 * factor,) * 2, Image.Resampling.LANCZOS)
        )
        ours.append(psnr(truth, output))
        lanczos.append(psnr(truth, to_tensor(plain[None]).to(device)))
        shift.append(
            float(
                (output.mean((2, 3)) - to_tensor(small[None]).to(device).mean((2, 3))).abs().max()
            )
            * 255
        )
    return float(np.mean(ours)), float(np.mean(lanczos)), float(np.mean(shift))


def main() -> None:
    """Train within the wall-clock budget, then export."""
    options = parser(__doc__, minutes=8, batch=8)
    options.add_argument("--factor", type=int, choices=(2, 4), required=True)
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    name = f"upscaler-{arguments.factor}x"
    checkpoint = RUNS / f"{name}.pt"
    model = Upscaler(arguments.factor).to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=1e-4
    )
    step, spent = 0, 0.0
    if (state := load(checkpoint, arguments.fresh, device)) is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    decoder = autoencoder.trained(torch.device("cpu")) if autoencoder.CHECKPOINT.exists() else None
    pairs = Pairs(arguments.factor, np.random.default_rng(step), decoder)
    for _ in range(24):
        pairs.renew()
    budget = Budget(arguments.minutes, spent, flat=0.3)
    last = time.monotonic()
    while budget.progress < 1:
        if step % 3 == 0:
            pairs.renew()
        large, small = (v.to(device) for v in pairs.batch(arguments.batch, 32))
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * budget.scale
        loss = functional.l1_loss(output := model(small), large) + functional.mse_loss(
            output, large
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimiser.step()
        step += 1
        if step % 100 == 0:
            log(name, step=step, seconds=budget.spent, loss=loss.item())
        if time.monotonic() - last > 120 or budget.progress >= 1:
            last = time.monotonic()
            save(
                checkpoint,
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "spent": budget.spent,
                },
            )
            ours, lanczos, shift = check(model, arguments.factor, device)
            log(f"{name}_held_out", step=step, psnr=ours, lanczos=lanczos, shift=shift)
    metadata = {"scale": str(arguments.factor), "task": "upscale", "license": "Apache-2.0"}
    export(
        Clipped(model.cpu().eval()),
        3,
        64,
        RUNS / f"x{arguments.factor}.onnx",
        ("input", "output"),
        ("height", "width"),
        metadata,
    )


if __name__ == "__main__":
    main()
