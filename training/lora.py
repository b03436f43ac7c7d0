"""Trains a LoRA that draws the poster model's world in another style.

Run `python -m training.lora --style night-neon` after the poster model, or on the one that ships,
and after its pictures: `python -m training.data --name night-neon --style night-neon --count 4800`.
From their latents it learns low-rank changes of the UNet's attention and convolutions; it resumes
by itself, and writes runs/NAME.safetensors.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file

from training import autoencoder, data, text_encoder
from training.common import RUNS, load, parser, pick_device
from training.examples import all_examples
from training.models import build_scheduler
from training.sample import PROMPTS, sample_sheet
from training.styles import STYLES
from training.text_to_image import CHECKPOINT, Poster, step_of
from training.train_loop import TrainLoop

RANK = 10
TARGETS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "proj_in",
    "proj_out",
    "ff.net.0.proj",
    "ff.net.2",
    "conv1",
    "conv2",
    "conv_shortcut",
    "conv_in",
    "conv_out",
)
RATE = 1.5e-3


def adapted(device: torch.device) -> Poster:
    """The trained poster model, or the one that ships, frozen, with an untrained adapter."""
    state = load(CHECKPOINT, False, device)
    poster = Poster(device)
    if state is None:
        poster.begin_from_shipped(taught=False)
    else:
        poster.load_state_dict(state["average"])
    add_adapter(poster)
    return poster


def add_adapter(poster: Poster) -> None:
    """Freeze the model and put an adapter, which does nothing yet, on its UNet."""
    poster.unet.requires_grad_(False)
    poster.text_encoder.requires_grad_(False)
    poster.unet.add_adapter(
        LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(TARGETS), init_lora_weights=True)
    )


@dataclass(frozen=True)
class Adapter:
    """The adapter of a model, as a part of a checkpoint."""

    poster: Poster

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Its weights alone."""
        weights: dict[str, torch.Tensor] = get_peft_model_state_dict(self.poster.unet)
        return weights

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Put its weights back."""
        set_peft_model_state_dict(self.poster.unet, state)


def write(poster: Poster, style: str) -> Path:
    """Write the adapter in half precision, as diffusers loads it, whole or not at all."""
    layers = {
        f"unet.{name}": value.half().cpu().contiguous()
        for name, value in get_peft_model_state_dict(poster.unet).items()
    }
    path, temporary = RUNS / f"{style}.safetensors", RUNS / f"{style}.part.safetensors"
    save_file(layers, temporary, {"format": "pt", "base_model": "poster", "license": "Apache-2.0"})
    temporary.chmod(0o644)
    os.replace(temporary, path)
    return path


def main() -> None:
    """Train within the wall-clock budget, then write the adapter."""
    options = parser(__doc__, minutes=10, batch=32)
    options.add_argument("--style", choices=tuple(STYLES), default="night-neon")
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    style, checkpoint = arguments.style, RUNS / f"lora-{arguments.style}.pt"
    sets = all_examples(style, device)
    torch.manual_seed(0)
    poster = adapted(device)
    trainable = [weight for weight in poster.unet.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=RATE, weight_decay=0.01)
    loop = TrainLoop(
        checkpoint,
        arguments,
        device,
        {"adapter": Adapter(poster)},
        [optimiser],
        rate=RATE,
        weights=trainable,
        clip=1.0,
    )
    alphas = build_scheduler().alphas_cumprod.to(device)
    rng = random.Random(loop.seed)
    torch.manual_seed(loop.seed)
    while loop.running:
        some = data.pick(sets, rng)
        loop.repeat(
            some.name,
            partial(step_of, poster, some, arguments.batch, text_encoder.LENGTH, alphas),
        )
        loop.saved()
    if not loop.is_main:
        return
    path = write(poster, style)
    print(f"{path.name}: {path.stat().st_size / 2**20:.2f} MiB")
    sample_sheet(
        poster.tokenizer,
        poster.text_encoder,
        poster.unet,
        autoencoder.trained(device),
        PROMPTS,
        RUNS / f"lora-{style}.png",
    )


if __name__ == "__main__":
    main()
