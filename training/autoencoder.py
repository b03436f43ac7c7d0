"""Trains the poster model's autoencoder: 16x down, twelve latent channels of mean 0, deviation 1.

Run `python -m training.autoencoder`; it resumes by itself. The decoder sees slightly noisy latents,
so that it forgives what diffusion leaves in them. With `--decoder-only` it improves while latents
stay what they are, so a text-to-image model can be trained at the same time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import diffusers
import numpy as np
import torch
from torch.nn import functional

from training import data, shipped
from training.common import (
    RUNS,
    Team,
    add_from_shipped,
    load,
    log,
    parser,
    pick_device,
    psnr,
    reduced,
    sheet,
    to_bytes,
    to_tensor,
)
from training.muon import with_adamw
from training.train_loop import TrainLoop

CHECKPOINT = RUNS / "autoencoder.pt"
LATENT_NOISE = 0.12
WIDTH = 48
CHANNELS = 12
SCALE = 16
PICTURES = 8000
"""How many squares of a set are kept on the device."""
CROP = 96
"""Side of the crops that are trained on, in pixels."""
RATE = 2e-3
DECODER = "decoder"
"""The kind of a checkpoint whose decoder alone was trained on."""
AutoencoderTiny: Any = diffusers.AutoencoderTiny  # its package is only partly annotated


def build() -> Any:
    """The untrained autoencoder."""
    return AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 5,
        decoder_block_out_channels=(WIDTH,) * 5,
        num_encoder_blocks=(0, 1, 1, 2, 4),
        num_decoder_blocks=(4, 3, 2, 1, 1),
        latent_channels=CHANNELS,
        scaling_factor=1.0,
    )


def trained(device: torch.device) -> Any:
    """The autoencoder of the last checkpoint, or the one that ships, frozen."""
    model = build()
    state = load(CHECKPOINT, False, device)
    model.load_state_dict(shipped.autoencoder() if state is None else state["model"])
    return model.to(device).eval().requires_grad_(False)


def loss_of(model: Any, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstruction error, and how far the latents are from mean 0 and deviation 1."""
    with reduced(pictures.device):
        latents = model.encoder(pictures).float()
        output = model.decoder(latents + LATENT_NOISE * torch.randn_like(latents)).float()
    error = functional.mse_loss(output, pictures) + 0.1 * functional.l1_loss(output, pictures)
    deviation, mean = torch.std_mean(latents, dim=(0, 2, 3))
    return error, mean.square().mean() + (deviation - 1).square().mean() + 1e-3 * latents.pow(
        4
    ).mean()


def pictures_of(name: str, also: str | None) -> torch.Tensor:
    """The squares of a set (N, H, H, 3), and of another one a quarter as many."""
    sets = [data.load(name).pictures[:PICTURES]]
    if also:
        sets.append(data.load(also).pictures[: len(sets[0]) // 4])
    return torch.from_numpy(np.concatenate(sets))


def crops_of(pictures: torch.Tensor, count: int, side: int) -> torch.Tensor:
    """Random crops (count, 3, side, side) in 0..1 of square pictures (N, H, H, 3) of bytes."""
    device = pictures.device
    along = torch.arange(side, device=device)
    chosen = torch.randint(len(pictures), (count, 1, 1), device=device)
    y, x = torch.randint(pictures.shape[1] - side + 1, (2, count, 1), device=device) + along
    # Permuted, it is laid out channels last.
    return pictures[chosen, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2).float() / 255


def step_of(model: Any, pictures: torch.Tensor, count: int, side: int) -> torch.Tensor:
    """The loss over a batch of random crops."""
    error, drift = loss_of(model, crops_of(pictures, count, side) * 2 - 1)
    return error + 0.02 * drift


@torch.no_grad()
def check(model: Any, device: torch.device) -> tuple[float, float, float]:
    """Held-out PSNR in dB, latent mean (largest) and latent deviation (their mean)."""
    pictures = data.load("held_out").pictures
    batch = to_tensor(pictures[:64], device)
    with reduced(device):
        latents = model.encoder(batch * 2 - 1).float()
        output = (model.decoder(latents).float() + 1) / 2
    deviation, mean = torch.std_mean(latents, dim=(0, 2, 3))
    pairs = zip(pictures[:16], to_bytes(output[:16]), strict=True)
    sheet(np.concatenate([np.stack(pair) for pair in pairs]), 8, RUNS / "autoencoder.png")
    return psnr(batch, output.clamp(0, 1)), float(mean.abs().max()), float(deviation.mean())


def main() -> None:
    """Train within the wall-clock budget."""
    parse = parser(__doc__, minutes=11, batch=12)
    parse.add_argument("--also", help="another picture set: a fifth of what it learns from")
    parse.add_argument("--decoder-only", action="store_true", help="leave the encoder as it is")
    add_from_shipped(parse)
    parse.add_argument("--crop", type=int, default=CROP)
    parse.add_argument("--rate", type=float, default=RATE, help="a quarter for a trained decoder")
    options = parse.parse_args()
    device = pick_device(options.device, options.threads)
    pictures = pictures_of(options.data, options.also).to(device)
    torch.manual_seed(0)
    model = build().to(device, memory_format=torch.channels_last).train()
    model.encoder.requires_grad_(not options.decoder_only)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimisers = with_adamw(trainable, options.rate, decay=0.01)
    loop = TrainLoop(
        CHECKPOINT,
        options,
        device,
        {"model": model},
        optimisers,
        rate=options.rate,
        weights=trainable,
        clip=0.5,
        kind=DECODER if options.decoder_only else "",
        team=Team(),
    )
    if options.from_shipped and not loop.resumed:
        model.load_state_dict(shipped.autoencoder())
    torch.manual_seed(loop.seed)
    while loop.running:
        loop.repeat("crops", partial(step_of, model, pictures, options.batch, options.crop))
        if loop.saved():
            quality, mean, deviation = check(model, device)
            log(
                "autoencoder_held_out",
                step=loop.step,
                psnr=quality,
                latent_mean=mean,
                latent_deviation=deviation,
            )


if __name__ == "__main__":
    main()
