"""Trains the judge: it tells what a picture shows and where, and has features for a distance.

Run `python -m training.judge`; it resumes by itself and writes bench/judge.safetensors, by which
bench/quality.py measures the text-to-image model. It learns from rendered whole scenes alone,
half of them through the autoencoder, warped, blurred and noisy, so that it reads drawn pictures
as readily as clean ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from training import data, half_size
from training.common import (
    RUNS,
    channels_last,
    log,
    parser,
    pick_device,
    reduced,
    to_tensor,
)
from training.detector_loss import iou
from training.muon import Muon
from training.palette import COLOURS
from training.scenes import POSITIONS, TIMES, Scene, boxes
from training.settings import SETTINGS
from training.subjects import SUBJECTS
from training.train_loop import TrainLoop

CHECKPOINT = RUNS / "judge.pt"
SHIPPED = Path(__file__).parent.parent / "bench" / "judge.safetensors"
SIZE = 96
FEATURES = 128
RATE = 1e-3
PARTS: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "setting": tuple(SETTINGS),
    "time": TIMES,
    "position": tuple(POSITIONS),
}
"""What is judged, and the values of each part."""


class Block(nn.Module):
    """Convolution, batch norm, SiLU; with a shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.05)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        out: torch.Tensor = functional.silu(self.norm(self.conv(x)))
        return x + out if self.shortcut else out


class Judge(nn.Module):
    """Reads pictures: `features` first, then a head of logits a part, and `box_of`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Block(3, 24, 2),
            Block(24, 48, 2),
            Block(48, 48),
            Block(48, 72, 2),
            Block(72, 72),
            Block(72, 104, 2),
            Block(104, 104),
            nn.Conv2d(104, 24, 1),
            nn.SiLU(),
            # Places are kept apart up to here: a position is one of the parts.
            nn.Flatten(),
            nn.Linear(24 * (SIZE // 16) ** 2, FEATURES),
            nn.SiLU(),
        )
        self.heads = nn.ModuleDict(
            {part: nn.Linear(FEATURES, len(values)) for part, values in PARTS.items()}
        )
        self.place = nn.Linear(FEATURES, 4)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        """What the heads read (N, FEATURES), from pictures (N, 3, H, W) in 0..1 of any size."""
        small = functional.interpolate(
            pictures, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
        )
        out: torch.Tensor = self.body(small.contiguous(memory_format=torch.channels_last))
        return out

    def box_of(self, features: torch.Tensor) -> torch.Tensor:
        """The subject's box x0, y0, x1, y1 (N, 4) in 0..1 of the picture's sides."""
        x, y, width, height = self.place(features).float().sigmoid().unbind(1)
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return torch.stack(corners, dim=1)

    def verdicts_of(self, features: torch.Tensor) -> list[dict[str, str]]:
        """The likeliest value of every part, for each picture."""
        chosen = {part: head(features).argmax(1).tolist() for part, head in self.heads.items()}
        return [
            {part: PARTS[part][numbers[i]] for part, numbers in chosen.items()}
            for i in range(len(features))
        ]


def shipped(path: Path = SHIPPED) -> Judge:
    """The judge that ships with the benchmark, ready to judge."""
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return channels_last(judge.eval().requires_grad_(False))


def is_whole(scene: Scene) -> bool:
    """Whether a scene is one that the judge can judge: whole, and of one subject."""
    return scene.whole and scene.count == 1


def truth(scenes: list[Scene]) -> dict[str, torch.Tensor]:
    """The index of each scene's value of every part."""
    return {
        part: torch.tensor([values.index(getattr(scene, part)) for scene in scenes])
        for part, values in PARTS.items()
    }


@dataclass(frozen=True)
class Whole:
    """The whole scenes of a set, at half size, rendered and decoded, and their truth."""

    chosen: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    decoded: NDArray[np.uint8]
    truth: dict[str, torch.Tensor]
    #: The subject's corners (N, 4) in 0..1.
    boxes: torch.Tensor

    @classmethod
    def of(cls, name: str, device: torch.device) -> Whole:
        """Pick the whole scenes of a set."""
        source = data.load(name)
        pictures = half_size.plain(source, device)
        scenes = [source.scene(i) for i in range(len(source))]
        chosen = np.array([i for i, scene in enumerate(scenes) if is_whole(scene)])
        scenes = [scenes[i] for i in chosen]
        places = torch.tensor([boxes(scene, 256)[0][1] for scene in scenes]) / 256
        return cls(chosen, pictures, half_size.decoded(source, device), truth(scenes), places)


def damaged(
    pictures: torch.Tensor, places: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Warp, shift, blur or sharpen, tone and add noise: what a drawing may do and still be right.

    Takes and gives pictures (N, 3, H, W) and their subjects' boxes (N, 4), which shift alike.
    """
    count = len(pictures)

    def per_picture(low: float, high: float, channels: int = 1) -> torch.Tensor:
        values = rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32)
        return torch.from_numpy(values).to(pictures.device)

    pictures = functional.interpolate(
        pictures, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
    )
    bend = torch.from_numpy(rng.normal(0, 1, (count, 2, 6, 6)).astype(np.float32))
    bend = functional.interpolate(bend, size=(SIZE, SIZE), mode="bicubic", align_corners=True)
    shift = per_picture(-0.05, 0.05, 2)
    steps = torch.linspace(-1, 1, SIZE)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"))[None]
    bend = bend.to(pictures.device) * per_picture(0, 0.02)
    grid = (grid.to(pictures.device) + bend + shift).permute(0, 2, 3, 1)
    out = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=True)
    blurred = functional.avg_pool2d(functional.pad(out, (1, 1, 1, 1), mode="replicate"), 3, 1)
    out = out + per_picture(-0.8, 1.2) * (out - blurred)  # below 0 blurs, above 0 sharpens
    # Guidance overdoes contrast and saturation, and never evenly.
    centre, grey = out.mean((1, 2, 3), keepdim=True), out.mean(1, keepdim=True)
    out = centre + (out - centre) * per_picture(0.8, 1.3)
    out = out + (out - grey) * per_picture(-0.3, 0.4)
    out = out * per_picture(0.88, 1.1) * per_picture(0.97, 1.03, 3)
    out = (out + per_picture(0, 0.05) * torch.randn_like(out)).clamp(0, 1)
    # The grid spans 2 a side, and what it looks for further right comes to lie further left.
    return out, places - shift[:, :, 0, 0].repeat(1, 2).to(places.device) / 2


def batch_of(
    whole: Whole, count: int, rng: np.random.Generator, device: torch.device
) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Damaged pictures, half of them decoded, half of them mirrored, their truth and boxes."""
    decoded = int((whole.chosen < len(whole.decoded)).sum())
    first = rng.integers(0, len(whole.chosen), count - count // 2)
    second = rng.integers(0, decoded, count // 2)
    pictures = np.concatenate(
        (whole.pictures[whole.chosen[first]], whole.decoded[whole.chosen[second]])
    )
    rows = torch.from_numpy(np.concatenate((first, second)))
    wanted = {part: values[rows] for part, values in whole.truth.items()}
    batch = to_tensor(pictures, device)
    mirrored = torch.from_numpy(rng.random(count) < 0.5)
    batch = torch.where(mirrored.to(device).view(-1, 1, 1, 1), batch.flip(3), batch)
    last = len(PARTS["position"]) - 1  # left, center, right
    wanted["position"] = torch.where(mirrored, last - wanted["position"], wanted["position"])
    places = whole.boxes[rows]
    x0, y0, x1, y1 = places.unbind(1)
    places = torch.where(mirrored[:, None], torch.stack((1 - x1, y0, 1 - x0, y1), 1), places)
    batch, places = damaged(batch, places, rng)
    return batch, {part: v.to(device) for part, v in wanted.items()}, places.to(device)


@torch.no_grad()
def check(judge: Judge, whole: Whole, decoded: bool, device: torch.device) -> dict[str, float]:
    """The share of a set's whole scenes read right, by part, and the mean IoU of the boxes."""
    judge.eval()
    source = whole.decoded if decoded else whole.pictures
    right = dict.fromkeys([*PARTS, "iou"], 0.0)
    for first in range(0, len(whole.chosen), 64):
        chosen = whole.chosen[first : first + 64]
        features = judge.features(to_tensor(source[chosen], device))
        for part, head in judge.heads.items():
            hits = head(features).argmax(1).cpu() == whole.truth[part][first : first + 64]
            right[part] += float(hits.sum())
        ratio, _ = iou(judge.box_of(features).cpu(), whole.boxes[first : first + 64])
        right["iou"] += float(ratio.sum())
    judge.train()
    return {part: count / len(whole.chosen) for part, count in right.items()}


def ship(judge: Judge, path: Path = SHIPPED) -> None:
    """Write the judge's weights in half precision; the file appears whole or not at all."""
    temporary = path.with_suffix(".part")
    state = judge.cpu().state_dict()
    # The count of batches that a batch norm has seen does not act.
    kept = {
        name: (value.half() if value.is_floating_point() else torch.zeros_like(value)).contiguous()
        for name, value in state.items()
    }
    save_file(kept, temporary)
    temporary.chmod(0o644)
    os.replace(temporary, path)


def main() -> None:
    """Train within the wall-clock budget, then write the weights."""
    options = parser(__doc__, minutes=12, batch=64)
    options.set_defaults(data="poster")
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    torch.manual_seed(0)
    judge = channels_last(Judge().to(device)).train()
    matrices = [weight for weight in judge.body.parameters() if weight.ndim > 1]
    known = {id(weight) for weight in matrices}
    rest = [weight for weight in judge.parameters() if id(weight) not in known]
    optimisers = [Muon(matrices, lr=RATE), torch.optim.AdamW(rest, lr=RATE, weight_decay=0.01)]
    whole, held_out = (Whole.of(name, device) for name in (arguments.data, "held_out"))
    loop = TrainLoop(
        CHECKPOINT,
        arguments,
        device,
        {"judge": judge},
        optimisers,
        rate=RATE,
        weights=judge.parameters(),
    )
    rng = np.random.default_rng(loop.seed)
    while loop.running:
        batch, wanted, places = batch_of(whole, arguments.batch, rng, device)
        with reduced(device):
            features = judge.features(batch)
        logits = {part: head(features.float()) for part, head in judge.heads.items()}
        losses = [functional.cross_entropy(logits[part], wanted[part]) for part in PARTS]
        general = iou(judge.box_of(features.float()), places)[1]
        loss = torch.stack(losses).sum() + (1 - general).mean()
        loop.learn(loss)
        if loop.saved():
            log("judge_held_out", step=loop.step, **check(judge, held_out, False, device))
            log("judge_decoded", step=loop.step, **check(judge, held_out, True, device))
    if not loop.is_main:
        return
    ship(judge)
    final = shipped()
    for decoded in (False, True):
        figures = check(final.to(device), held_out, decoded, device)
        print(*(f"{part} {share:.3f}" for part, share in figures.items()), "decoded" * decoded)


if __name__ == "__main__":
    main()
