"""What the text-to-image model learns from: latents, captions as tokens, and where subjects are.

Run `python -m training.examples --data NAME` after the autoencoder; it writes NAME.latents.npy and
NAME.tokens.npy for the sets of every shape. Delete them to renew them. In training all of it lies
on the device, so that a step waits for no other processor.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training import autoencoder, data
from training.autoencoder import SCALE
from training.captions import caption, with_strange_words
from training.common import RUNS, pick_device, reduced, set_parser, to_tensor
from training.data import PictureSet
from training.scenes import Scene, random_scene
from training.vocabulary import LENGTH, build_tokenizer

CAPTIONS = 12
"""How many captions each picture has."""
STRANGE, ONLY_STRANGE = 0.15, 0.01
"""The shares of captions with words that say nothing, and with none but those."""
EMPTY = 0.11
"""The share of captions that are empty, for classifier-free guidance."""
SUBJECT = 3.0
"""How much more a position inside a subject's box counts."""
BLOCK = 50
"""Pictures encoded at a time."""
CHUNK = 250
"""Pictures whose captions a worker writes at a time."""


@dataclass(frozen=True)
class Batch:
    """Examples of one shape."""

    #: (N, C, h, w)
    latents: torch.Tensor
    #: How much each position counts (N, 1, h, w), 1 on average.
    weights: torch.Tensor
    #: (N, 77), padded.
    tokens: torch.Tensor


class Examples:
    """All pictures of one shape, on the device."""

    def __init__(self, pictures: PictureSet, device: torch.device) -> None:
        self.name, self.device = pictures.name, device
        self.latents = torch.from_numpy(np.load(latents_of(pictures, device))).to(device)
        self.tokens = torch.from_numpy(np.load(tokens_of(pictures))).to(device)
        self.empty = torch.from_numpy(tokenize([""])[0]).to(device)
        height, width = self.latents.shape[2:]
        self.weights = torch.ones(len(self.latents), 1, height, width, dtype=torch.float16)
        for weights, boxes in zip(self.weights, pictures.boxes, strict=True):
            for _, box in boxes:
                x0, y0, x1, y1 = (side / SCALE for side in box)
                weights[:, int(y0) : math.ceil(y1), int(x0) : math.ceil(x1)] = SUBJECT
        self.weights = (self.weights / self.weights.mean((1, 2, 3), keepdim=True)).to(device)

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, count: int) -> Batch:
        """Random pictures, each with one of its captions or an empty one."""
        chosen = torch.randint(len(self), (count,), device=self.device)
        caption = torch.randint(CAPTIONS, (count,), device=self.device)
        tokens = self.tokens[chosen, caption]
        without = torch.rand(count, 1, device=self.device) < EMPTY
        return Batch(
            self.latents[chosen].float(),
            self.weights[chosen].float(),
            torch.where(without, self.empty, tokens).long(),
        )


def all_examples(name: str, device: torch.device) -> list[Examples]:
    """The pictures of every shape; ends the program where there are none."""
    found = [Examples(pictures, device) for pictures in data.load_all(name)]
    if not found:
        sys.exit(f"no pictures {name!r}: run python -m training.data --name {name} first")
    return found


@torch.no_grad()
def latents_of(pictures: PictureSet, device: torch.device) -> Path:
    """The file of a set's latents (N, C, h, w) in half precision; made where it is missing."""
    path = RUNS / f"{pictures.name}.latents.npy"
    if path.exists():
        return path
    model = autoencoder.trained(device).to(memory_format=torch.channels_last)
    found = []
    for first in range(0, len(pictures), BLOCK):
        batch = to_tensor(pictures.pictures[first : first + BLOCK], device) * 2 - 1
        with reduced(device):
            encoded = model.encoder(batch.contiguous(memory_format=torch.channels_last))
        found.append(encoded.half().cpu().numpy())
    return write(path, np.concatenate(found))


def tokens_of(pictures: PictureSet) -> Path:
    """The file of a set's captions (N, CAPTIONS, LENGTH) as tokens; made where it is missing."""
    path = RUNS / f"{pictures.name}.tokens.npy"
    if path.exists():
        return path
    jobs = [
        range(first, min(first + CHUNK, len(pictures))) for first in range(0, len(pictures), CHUNK)
    ]
    write_some = partial(write_captions, pictures.start, pictures.shape)
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        return write(path, np.concatenate(list(pool.map(write_some, jobs))))


def write_captions(start: int, shape: str, indices: Sequence[int]) -> NDArray[np.int16]:
    """Tokens (N, CAPTIONS, LENGTH) of some pictures' captions."""
    texts = []
    for index in indices:
        scene, rng = random_scene(start + index, shape), random.Random(start + index)
        texts += [text_of(scene, rng) for _ in range(CAPTIONS)]
    return tokenize(texts).reshape(len(indices), CAPTIONS, LENGTH)


def text_of(scene: Scene, rng: random.Random) -> str:
    """A caption, now and then with words that say nothing, so that these do no harm."""
    text = caption(scene, rng)
    if (roll := rng.random()) < ONLY_STRANGE:
        return with_strange_words("", rng)
    return with_strange_words(text, rng) if roll < STRANGE else text


def tokenize(texts: list[str]) -> NDArray[np.int16]:
    """Tokens (N, LENGTH), padded as the pipeline pads."""
    found = known_tokenizer()(
        texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="np"
    )
    tokens: NDArray[np.int16] = found.input_ids.astype(np.int16)
    return tokens


known_tokenizer = cache(build_tokenizer)


def write(path: Path, values: NDArray[np.generic]) -> Path:
    """Write a file so that it appears whole or not at all."""
    temporary = path.with_name(f"{path.stem}.part.npy")
    np.save(temporary, values)
    os.replace(temporary, path)
    return path


def main() -> None:
    """Make what is missing."""
    arguments = set_parser(__doc__).parse_args()
    sets = data.load_all(arguments.data)
    for pictures in sets:  # before a device is used: the workers are forks of this process
        tokens_of(pictures)
    device = pick_device(arguments.device, arguments.threads)
    for pictures in sets:
        latents_of(pictures, device)
    print(f"{sum(len(pictures) for pictures in sets)} pictures, {CAPTIONS} captions each")


if __name__ == "__main__":
    main()
