"""Trains the poster model: text encoder and UNet together, from scratch, on cached latents.

Run `python -m training.text_to_image --data poster --minutes 90`. It resumes by itself. Several
processes train one model under torchrun (`torchrun --nproc-per-node 2 -m training.text_to_image
--threads 1`): on a CPU that is quicker than several threads in one process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor

from training import autoencoder, data, shipped, text_encoder
from training.common import (
    RUNS,
    Team,
    add_from_shipped,
    channels_last,
    parser,
    pick_device,
    reduced,
)
from training.examples import Batch, Examples, all_examples
from training.models import build_scheduler, build_text_encoder, build_unet
from training.muon import Muon
from training.sample import PROMPTS, sample_sheet
from training.train_loop import TrainLoop
from training.vocabulary import LENGTH, build_tokenizer

CHECKPOINT = RUNS / "text_to_image.pt"
LONG = 0.15
"""The share of steps whose captions are padded to the full length, as a pipeline pads them."""
NOISY = 0.6
"""Timesteps are drawn as 1000 times a uniform number to this power: 1 favours none."""


class Poster:
    """The networks being trained."""

    def __init__(self, device: torch.device) -> None:
        self.tokenizer = build_tokenizer()
        self.text_encoder = text_encoder.trained(device) or build_text_encoder(self.tokenizer)
        self.unet = build_unet().to(device)
        self.text_encoder.to(device)
        if device.type == "cpu":
            # With so few positions, plain matrix products beat the fused attention.
            self.unet.set_attn_processor(AttnProcessor())
        else:
            channels_last(self.unet)

    def begin_from_shipped(self, taught: bool) -> None:
        """Take over the UNet that ships, and its text encoder unless one was taught since."""
        self.unet.load_state_dict(shipped.unet())
        if not taught:
            start = self.text_encoder.state_dict()
            self.text_encoder.load_state_dict(shipped.text_encoder(self.tokenizer, start))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All trained weights under one flat naming."""
        parts = {"unet": self.unet, "text_encoder": self.text_encoder}
        return {
            f"{part}.{name}": value
            for part, model in parts.items()
            for name, value in model.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put flat weights back into the networks."""
        self.unet.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith("unet.")})
        self.text_encoder.load_state_dict(
            {k[13:]: v for k, v in state.items() if k.startswith("text_encoder.")}
        )

    def embed(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        """Text embeddings (N, length, width) of padded tokens (N, 77)."""
        short = tokens[:, :length].clone()
        short[:, -1] = self.tokenizer.eos_token_id  # which also pads
        embeddings: torch.Tensor = self.text_encoder(short)[0]
        return embeddings


class Average:
    """The running average of a model's weights, which is what is exported."""

    def __init__(self, poster: Poster) -> None:
        self.poster = poster
        self.begin()

    def begin(self) -> None:
        """Begin with the weights as they are."""
        self.values = {k: v.detach().clone() for k, v in self.poster.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights, every fourth step; it forgets faster early on."""
        if step % 4:
            return
        keep = min(0.992, (1 + step) / (60 + step))
        moving = [(n, v) for n, v in self.poster.state_dict().items() if v.is_floating_point()]
        kept = [self.values[name] for name, _ in moving]
        torch._foreach_lerp_(kept, [value for _, value in moving], 1 - keep)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The average, under the names of the weights."""
        return self.values

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from another average."""
        self.values = state


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


def loss_of(poster: Poster, batch: Batch, length: int, alphas: torch.Tensor) -> torch.Tensor:
    """Weighted squared error of v over random timesteps, more of them noisy than clean.

    The noisy ones decide what the picture shows; cleaning up the rest is learnt soon enough.
    """
    latents, device, count = batch.latents, batch.latents.device, len(batch.latents)
    spread = (torch.rand(1, device=device) + torch.arange(count, device=device) / count) % 1
    times = (spread**NOISY * 1000).long()
    noise = torch.randn_like(latents)
    signal, sigma = (
        alphas[times].sqrt().view(-1, 1, 1, 1),
        (1 - alphas[times]).sqrt().view(-1, 1, 1, 1),
    )
    with reduced(device):
        text = poster.embed(batch.tokens, length)
        guess = poster.unet(signal * latents + sigma * noise, times, text, return_dict=False)[0]
    error: torch.Tensor = (guess.float() - (signal * noise - sigma * latents)).square()
    return (error * batch.weights).mean()


def step_of(
    poster: Poster, examples: Examples, count: int, length: int, alphas: torch.Tensor
) -> torch.Tensor:
    """The loss over a batch of random examples."""
    return loss_of(poster, examples.batch(count), length, alphas)


def main() -> None:
    """Train within the wall-clock budget."""
    options = parser(__doc__, minutes=90, batch=32)
    options.add_argument("--rate", type=float, default=1.2e-3)
    options.add_argument(
        "--flat",
        type=float,
        default=0.4,
        help="share of the budget before the rate decays; 1 keeps it",
    )
    add_from_shipped(options)
    options.add_argument("--sample-minutes", type=float, default=8)
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    team = Team()
    with team.one_by_one():  # the first makes the file where there is none, the others open it
        sets = all_examples(arguments.data, device)
    torch.manual_seed(0)  # all begin with the same weights
    poster = Poster(device)
    trainable = [*poster.unet.parameters(), *poster.text_encoder.parameters()]
    average = Average(poster)
    loop = TrainLoop(
        CHECKPOINT,
        arguments,
        device,
        {"weights": poster, "average": average},
        build_optimisers(poster, arguments.rate),
        rate=arguments.rate,
        weights=trainable,
        flat=arguments.flat,
        clip=1.0,
        team=team,
    )
    if arguments.from_shipped and not loop.resumed:
        poster.begin_from_shipped(taught=text_encoder.CHECKPOINT.exists())
        average.begin()
    alphas = build_scheduler().alphas_cumprod.to(device)
    rng = random.Random(loop.seed)
    torch.manual_seed(loop.seed)
    sampled = time.monotonic()
    while loop.running:
        length = LENGTH if rng.random() < LONG else text_encoder.LENGTH
        some = data.pick(sets, rng)
        loop.repeat(
            (some.name, length),
            partial(step_of, poster, some, arguments.batch, length, alphas),
        )
        average.update(loop.steps)
        if loop.saved() and (
            time.monotonic() - sampled > arguments.sample_minutes * 60 or not loop.running
        ):
            sampled = time.monotonic()
            draw_samples(poster, average, device, RUNS / f"samples_{loop.step:06d}.png")


def draw_samples(poster: Poster, average: Average, device: torch.device, path: Path) -> None:
    """A sheet by the averaged weights."""
    kept = {name: value.clone() for name, value in poster.state_dict().items()}
    poster.load_state_dict(average.values)
    decoder = autoencoder.trained(device)
    sample_sheet(poster.tokenizer, poster.text_encoder, poster.unet, decoder, PROMPTS, path)
    poster.load_state_dict(kept)


if __name__ == "__main__":
    main()
