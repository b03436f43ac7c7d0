"""Trains the poster model: text encoder and UNet together, from scratch, on cached latents.

Run `python -m training.text_to_image --data small --minutes 25 --flat 1` and then, for the native
size, `python -m training.text_to_image --data train --minutes 45`. It resumes by itself; another
`--data` begins a new phase with a new budget on the same weights. Several processes train one model
under torchrun (`torchrun --nproc-per-node 2 -m training.text_to_image --threads 1`): on a CPU that
is busy with other work too, that is several times quicker than several threads in one process.
"""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training import autoencoder, text_encoder
from training.captions import caption
from training.common import RUNS, Budget, Team, load, log, parser, pick_device, save
from training.latents import Latents
from training.models import build_scheduler, build_text_encoder, build_unet
from training.muon import Muon
from training.sample import PROMPTS, sample_sheet
from training.scenes import random_scene
from training.vocabulary import build_tokenizer

CHECKPOINT = RUNS / "text_to_image.pt"
EMPTY_CAPTIONS = 0.11
NOISY = 0.6
"""Timesteps are drawn as 1000 times a uniform number to this power: 1 favours none."""


class Poster:
    """The networks being trained, and the running average of their weights that is exported."""

    def __init__(self, device: torch.device) -> None:
        self.tokenizer = build_tokenizer()
        self.text_encoder = text_encoder.trained(device) or build_text_encoder(self.tokenizer)
        self.unet = build_unet().to(device)
        self.text_encoder.to(device)
        self.average: dict[str, torch.Tensor] = {
            name: value.detach().clone() for name, value in self.weights().items()
        }

    def weights(self) -> dict[str, torch.Tensor]:
        """All trained weights under one flat naming."""
        parts = {"unet": self.unet, "text_encoder": self.text_encoder}
        return {
            f"{part}.{name}": value
            for part, model in parts.items()
            for name, value in model.state_dict().items()
        }

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Put flat weights back into the networks."""
        self.unet.load_state_dict({k[5:]: v for k, v in weights.items() if k.startswith("unet.")})
        self.text_encoder.load_state_dict(
            {k[13:]: v for k, v in weights.items() if k.startswith("text_encoder.")}
        )

    @torch.no_grad()
    def update_average(self, step: int) -> None:
        """Move the average towards the weights, every fourth step; it forgets faster early on."""
        if step % 4:
            return
        keep = min(0.992, (1 + step) / (60 + step))
        for name, value in self.weights().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)

    def embed(self, captions: list[str], length: int, device: torch.device) -> torch.Tensor:
        """Text embeddings (N, length, width), padded as the pipeline pads."""
        tokens = self.tokenizer(
            captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        embeddings: torch.Tensor = self.text_encoder(tokens.input_ids.to(device))[0]
        return embeddings


def build_optimisers(poster: Poster, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for matrices and kernels, AdamW for all else.

    From the same checkpoint, Muon came further in 75 steps than AdamW in 150.
    """
    matrices = [
        weight
        for model in (poster.unet, poster.text_encoder)
        for name, weight in model.named_parameters()
        if weight.ndim >= 2 and "embedding" not in name
    ]
    known = {id(weight) for weight in matrices}
    rest = [
        weight
        for model in (poster.unet, poster.text_encoder)
        for weight in model.parameters()
        if id(weight) not in known
    ]
    return [
        Muon(matrices, lr=rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def write_captions(seeds: list[int], rng: random.Random) -> list[str]:
    """One caption a scene, now and then an empty one for classifier-free guidance."""
    return [
        "" if rng.random() < EMPTY_CAPTIONS else caption(random_scene(seed), rng) for seed in seeds
    ]


def loss_of(
    poster: Poster, latents: torch.Tensor, captions: list[str], length: int, alphas: torch.Tensor
) -> torch.Tensor:
    """Mean squared error of v over random timesteps, more of them noisy than clean.

    The noisy ones decide what the picture shows; cleaning up the rest is learnt soon enough.
    """
    device = latents.device
    count = len(latents)
    spread = (torch.rand(1, device=device) + torch.arange(count, device=device) / count) % 1
    times = (spread**NOISY * 1000).long()
    noise = torch.randn_like(latents)
    signal, sigma = (
        alphas[times].sqrt().view(-1, 1, 1, 1),
        (1 - alphas[times]).sqrt().view(-1, 1, 1, 1),
    )
    with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
        text = poster.embed(captions, length, device)
        guess = poster.unet(signal * latents + sigma * noise, times, text, return_dict=False)[0]
    return functional.mse_loss(guess.float(), signal * noise - sigma * latents)


def main() -> None:
    """Train within the wall-clock budget."""
    options = parser(__doc__, minutes=45, batch=16)
    options.add_argument("--rate", type=float, default=8e-4)
    options.add_argument(
        "--flat",
        type=float,
        default=0.3,
        help="share of the budget before the rate decays; 1 keeps it",
    )
    options.add_argument("--sample-minutes", type=float, default=8)
    options.add_argument("--pictures", type=int, default=14_000, help="how many pictures to use")
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    team = Team()
    decoder = autoencoder.trained(device)
    with team.one_by_one():  # the first makes the cache file, the others open it
        latents = Latents(arguments.data, decoder, device)
    torch.manual_seed(0)  # all begin with the same weights
    poster = Poster(device)
    trainable = [*poster.unet.parameters(), *poster.text_encoder.parameters()]
    optimisers = build_optimisers(poster, arguments.rate)
    step, spent = 0, 0.0
    if (state := load(CHECKPOINT, arguments.fresh, device)) is not None:
        poster.load(state["weights"])
        poster.average = state["average"]
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        step = state["step"]
        spent = state["spent"] if state["data"] == arguments.data else 0.0
    budget = Budget(arguments.minutes, spent, warm_up=0.02, flat=arguments.flat)
    alphas = build_scheduler().alphas_cumprod.to(device)
    rng, picker = random.Random(step), np.random.default_rng([step, team.rank])
    torch.manual_seed(step * team.size + team.rank)
    progress = budget.progress
    saved = sampled = time.monotonic()
    losses: list[float] = []

    def snapshot() -> dict[str, Any]:
        return {
            "weights": poster.weights(),
            "average": poster.average,
            "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            "step": step,
            "spent": budget.spent,
            "data": arguments.data,
        }

    while progress < 1:
        chosen = picker.integers(0, min(len(latents), arguments.pictures), arguments.batch)
        captions = write_captions([latents.first_seed + int(i) for i in chosen], rng)
        length = 77 if rng.random() < 0.15 else text_encoder.LENGTH
        for group in (group for item in optimisers for group in item.param_groups):
            group["lr"] = arguments.rate * budget.scale_at(progress)
        loss = loss_of(poster, latents.take(chosen), captions, length, alphas)
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        mean_loss, progress = team.share(trainable, [loss.item(), budget.progress])
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        poster.update_average(step)
        losses.append(mean_loss)
        if team.rank:
            continue
        if step % 25 == 0:
            log(
                "text_to_image",
                step=step,
                seconds=budget.spent,
                loss=float(np.mean(losses)),
                rate=arguments.rate * budget.scale_at(progress),
            )
            losses.clear()
        if time.monotonic() - saved > 180 or progress >= 1:
            save(CHECKPOINT, snapshot())
            saved = time.monotonic()
        if time.monotonic() - sampled > arguments.sample_minutes * 60 or progress >= 1:
            current = poster.weights()
            kept = {name: value.clone() for name, value in current.items()}
            poster.load(poster.average)
            size = latents.pictures.shape[1]
            sample_sheet(
                poster.tokenizer,
                poster.text_encoder,
                poster.unet,
                decoder,
                PROMPTS,
                RUNS / f"samples_{step:06d}.png",
                size,
            )
            poster.load(kept)
            sampled = time.monotonic()


if __name__ == "__main__":
    main()
