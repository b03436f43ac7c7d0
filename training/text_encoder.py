"""Teaches the text encoder what captions say, before any picture: the scene's parts, from text.

Run `python -m training.text_encoder`. Pictures alone teach it too, but far more slowly: a UNet
whose text means nothing yet learns to do without.
"""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from training import shipped
from training.captions import caption
from training.common import (
    RUNS,
    Budget,
    add_from_shipped,
    load,
    log,
    parser,
    pick_device,
    reduced,
    save,
)
from training.models import TEXT_WIDTH, build_text_encoder
from training.palette import COLOURS
from training.scenes import COUNTS, POSITIONS, SIZES, TIMES, WEATHERS, Scene, random_scene
from training.settings import SETTINGS
from training.subjects import SUBJECTS
from training.vocabulary import build_tokenizer

CHECKPOINT = RUNS / "text_encoder.pt"
LENGTH = 26
CHECKED = 2000

PARTS: dict[str, tuple[str | bool | int, ...]] = {
    "subject": ("", *SUBJECTS),
    "colour": tuple(COLOURS),
    "position": tuple(POSITIONS),
    "setting": tuple(SETTINGS),
    "time": TIMES,
    "weather": WEATHERS,
    "size": tuple(SIZES),
    "close_up": (False, True),
    "count": COUNTS,
}
"""What a caption may say of a scene, and the values of each part."""


class Reader(nn.Module):
    """The text encoder with one linear head a part, over the mean of its token states."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder: CLIPTextModel = build_text_encoder(tokenizer)
        self.heads = nn.ModuleDict(
            {part: nn.Linear(TEXT_WIDTH, len(values)) for part, values in PARTS.items()}
        )

    def forward(self, captions: list[str]) -> dict[str, torch.Tensor]:
        """Logits (N, values) of every part."""
        tokens = self.tokenizer(
            captions, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        states = self.text_encoder(tokens.input_ids.to(self.heads["time"].weight.device))[0]
        return {part: head(states.mean(1)) for part, head in self.heads.items()}


def truth(scenes: list[Scene], part: str) -> torch.Tensor:
    """The index of each scene's value of a part."""
    return torch.tensor([PARTS[part].index(getattr(scene, part)) for scene in scenes])


def loss_of(reader: Reader, scenes: list[Scene], rng: random.Random) -> torch.Tensor:
    """Mean cross-entropy over the parts; what a caption leaves out costs the same for all."""
    device = next(reader.parameters()).device
    with reduced(device):
        logits = reader([caption(scene, rng) for scene in scenes])
    losses = [
        functional.cross_entropy(logits[part].float(), truth(scenes, part).to(device))
        for part in PARTS
    ]
    return torch.stack(losses).mean()


def main() -> None:
    """Train within the wall-clock budget."""
    options = parser(__doc__, minutes=3, batch=96)
    add_from_shipped(options)
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    torch.manual_seed(0)
    reader = Reader(build_tokenizer()).to(device)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=1e-3, weight_decay=0.01)
    budget, rng, step = Budget(arguments.minutes), random.Random(0), 0
    if (state := load(CHECKPOINT, arguments.fresh, device)) is not None:
        reader.load_state_dict(state["reader"])
    elif arguments.from_shipped:
        reader.text_encoder.load_state_dict(
            shipped.text_encoder(reader.tokenizer, reader.text_encoder.state_dict())
        )
    while budget.progress < 1:
        scenes = [random_scene(rng.randrange(10_000_000)) for _ in range(arguments.batch)]
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * budget.scale
        loss = loss_of(reader, scenes, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        if step % 50 == 0:
            log("text_encoder", step=step, seconds=budget.spent, loss=loss.item())
    save(CHECKPOINT, {"reader": reader.state_dict()})
    with torch.no_grad():
        held_out = [random_scene(10_000_000 + i) for i in range(CHECKED)]
        logits = reader([caption(scene, rng) for scene in held_out])
        for part, values in logits.items():
            right = (values.argmax(1).cpu() == truth(held_out, part)).float().mean()
            print(f"{part}: {float(right):.3f}")


def trained(device: torch.device) -> CLIPTextModel | None:
    """The text encoder of the last checkpoint; None where there is none."""
    state = load(CHECKPOINT, False, device)
    if state is None:
        return None
    reader = Reader(build_tokenizer())
    reader.load_state_dict(state["reader"])
    return reader.text_encoder.to(device)


if __name__ == "__main__":
    main()
