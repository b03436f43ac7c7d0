"""Makes every built-in model, in order, on whatever the machine has: `make models`.

Run `python -m training.all`. On a machine with a CUDA device it takes about 22 minutes and ends.
On a CPU it goes round: each round gives every model more time, exports what it has, and the next
one goes on from there, until it is stopped. Nothing is lost but what came after the last checkpoint
(at most five minutes): the same command goes on. With `--from-shipped` it goes on from the weights
that ship, as after a change of the scenes or their captions. No network is needed, and nothing but
torch, transformers, diffusers, safetensors, NumPy and Pillow; onnx for the files of detector and
upscalers, and peft for the LoRA: where one is missing, its step is left out and said so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from training.autoencoder import DECODER
from training.common import RUNS, add_from_shipped, load

ROUND_ON_CPU = 300.0
ROUND_ON_CUDA = 22.0
"""Minutes of the first round."""
COUNT = 20_000
"""Pictures of the text-to-image model."""


@dataclass(frozen=True)
class Step:
    """One command: a module with its options, and when it is done."""

    module: str
    #: Share of a round's minutes; 0 for what takes as long as it takes.
    share: float = 0.0
    options: tuple[str, ...] = ()
    #: Written when the step has begun, or, where it has no share, when it is done.
    result: str = ""
    #: Several processes of one thread are quicker on a CPU than several threads.
    team: bool = False
    #: Trained in the first round alone, since others build on what it gives.
    once: bool = False
    needs: str = ""
    #: With `--from-shipped`: left out, since what ships serves ...
    ships: bool = False
    #: ... or begun with what ships.
    begins: bool = False


STEPS = (
    Step("training.data", options=("--size", "256"), result="poster.json"),
    Step(
        "training.autoencoder",
        0.14,
        ("--data", "poster"),
        "autoencoder.pt",
        team=True,
        once=True,
        ships=True,
    ),
    Step("training.latents", options=("--data", "poster")),
    Step("training.text_encoder", 0.03, result="text_encoder.pt", once=True, begins=True),
    Step(
        "training.text_to_image",
        0.53,
        ("--data", "poster"),
        "text_to_image.pt",
        team=True,
        begins=True,
    ),
    Step("training.halves", options=("--data", "poster"), result="held_out.decoded.npy"),
    Step("training.judge", 0.05, result="judge.pt"),
    Step("training.detector", 0.08, result="detector.pt", needs="onnx"),
    Step("training.upscaler", 0.06, ("--factor", "2"), "upscaler-2x.pt", needs="onnx"),
    Step("training.upscaler", 0.06, ("--factor", "4"), "upscaler-4x.pt", needs="onnx"),
    Step("training.lora", 0.05, ("--style", "night-neon"), "lora-night-neon.pt", needs="peft"),
    Step("training.export"),
)


def is_done(step: Step, minutes: float) -> bool:
    """Whether a step has had its time, by the checkpoint that it keeps."""
    path = RUNS / step.result
    if not step.result or not path.exists():
        return False
    if not step.share:
        return True
    state = load(path, False, torch.device("cpu")) or {}
    # A checkpoint that does not count its time was written at the end.
    return float(state.get("spent", minutes * 60)) >= minutes * 60 or (
        step.once and state.get("kind") == DECODER
    )


def command(step: Step, minutes: float, cuda: bool, count: int, from_shipped: bool) -> list[str]:
    """The step as a command line."""
    start = [sys.executable, "-m"]
    options = [*step.options]
    cores = os.cpu_count() or 1
    if step.team and not cuda and cores > 1:
        processes = min(cores, 4)
        start += ["torch.distributed.run", "--standalone"]
        start += ["--nproc-per-node", str(processes), "-m"]
        options += ["--threads", "1"]
    elif step.share:
        options += ["--threads", str(cores)]
    if step.module == "training.data":
        options += ["--workers", str(cores), "--count", str(count)]
    if step.share:
        options += ["--minutes", f"{minutes:.2f}"]
    if step.begins and from_shipped:
        options += ["--from-shipped"]
    return [*start, step.module, *options]


def plan(
    minutes: float,
    cuda: bool,
    first: bool = True,
    count: int = COUNT,
    from_shipped: bool = False,
) -> Iterator[list[str]]:
    """The commands of a round that are still to be run, in order; tells what is left out."""
    for step in STEPS:
        if from_shipped and step.ships:
            continue
        if step.needs and find_spec(step.needs) is None:
            print(f"{step.module} left out: the package {step.needs} is not installed", flush=True)
        elif not ((step.once and not first) or is_done(step, step.share * minutes)):
            yield command(step, step.share * minutes, cuda, count, from_shipped)


def main() -> int:
    """Run the steps; with `--rounds 1` once, else on a CPU for as long as it is left running."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    parser.add_argument(
        "--minutes", type=float, default=ROUND_ON_CUDA if cuda else ROUND_ON_CPU, help="of round 1"
    )
    parser.add_argument("--count", type=int, default=COUNT, help="pictures to render")
    parser.add_argument("--rounds", type=int, default=1 if cuda else 100)
    add_from_shipped(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the first round's commands")
    arguments = parser.parse_args()
    for number in range(arguments.rounds):
        # A longer budget starts the learning rate high again, so each round doubles the last.
        minutes, first = arguments.minutes * 2**number, number == 0
        for words in plan(minutes, cuda, first, arguments.count, arguments.from_shipped):
            print("$", *words[1:], flush=True)
            if arguments.dry_run:
                continue
            begun = time.monotonic()
            code = subprocess.run(words, check=False, cwd=Path(__file__).parent.parent).returncode
            print(f"done in {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
            if code:
                print("stopped; the same command goes on from the last checkpoint", flush=True)
                return code
        if arguments.dry_run:
            break
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from the last checkpoint")
