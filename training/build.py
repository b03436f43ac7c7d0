"""Makes every built-in model, in order, on whatever the machine has: `make models`.

Run `python -m training.build`. On a machine with a CUDA device it takes about eight minutes and
ends; there, up to three steps that do not wait for one another run at a time. On a CPU it goes
round: each round gives every model more time, exports what it has, and the next one goes on from
there, until it is stopped. Nothing is lost but what came after the last checkpoint (at most five
minutes): the same command goes on. With `--from-shipped` it goes on from the weights that ship, as
after a change of the scenes or their captions. No network is needed, and nothing but torch,
transformers, diffusers, safetensors, NumPy and Pillow; onnx for the files of detector and
upscalers, and peft for the LoRA: where one is missing, its step is left out and said so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import torch

from training.autoencoder import DECODER
from training.common import RUNS, add_from_shipped, load

ROUND_ON_CPU = 200.0
ROUND_ON_CUDA = 6.5
"""Minutes of the first round, of which each step that trains has its share."""
COUNT = 20_000
"""Square pictures of the text-to-image model."""
NEON = "night-neon"
AT_ONCE_ON_CUDA = 3
"""More would only share the device, and the great one would get less of it."""


@dataclass(frozen=True)
class Step:
    """One command: a module with its options, what it waits for, and when it is done."""

    name: str
    module: str
    #: Share of a round's minutes; 0 for what takes as long as it takes.
    share: float = 0.0
    options: tuple[str, ...] = ()
    #: Names of the steps whose results it reads.
    after: tuple[str, ...] = ()
    #: Written when the step has begun, or, where it has no share, when it is done.
    result: str = ""
    #: More options with a CUDA device, which is idle in small batches.
    on_cuda: tuple[str, ...] = ()
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
    Step("pictures", "training.data", options=("--size", "256"), result="poster-9x16.json"),
    Step(
        "neon",
        "training.data",
        options=("--name", NEON, "--style", NEON, "--count", "4800", "--held-out", "0"),
        result=f"{NEON}-9x16.json",
    ),
    Step("words", "training.text_encoder", 0.1, result="text_encoder.pt", once=True, begins=True),
    Step(
        "autoencoder",
        "training.autoencoder",
        0.18,
        ("--data", "poster", "--also", NEON),
        after=("pictures", "neon"),
        result="autoencoder.pt",
        on_cuda=("--batch", "96"),
        team=True,
        once=True,
        ships=True,
    ),
    Step(
        "examples",
        "training.examples",
        options=("--data", "poster"),
        after=("autoencoder",),
        result="poster-9x16.latents.npy",
    ),
    Step(
        "neon_examples",
        "training.examples",
        options=("--data", NEON),
        after=("autoencoder", "neon"),
        result=f"{NEON}-9x16.latents.npy",
    ),
    Step(
        "text_to_image",
        "training.text_to_image",
        0.55,
        ("--data", "poster"),
        after=("words", "examples"),
        result="text_to_image.pt",
        on_cuda=("--batch", "256", "--rate", "1.6e-3"),
        team=True,
        begins=True,
    ),
    Step(
        "lora",
        "training.lora",
        0.08,
        ("--style", NEON),
        after=("text_to_image", "neon_examples"),
        result="lora-night-neon.pt",
        on_cuda=("--batch", "128"),
        needs="peft",
    ),
    Step(
        "half_size",
        "training.half_size",
        options=("--data", "poster"),
        after=("autoencoder",),
        result="held_out.decoded.npy",
    ),
    Step(
        "judge",
        "training.judge",
        0.08,
        after=("half_size",),
        result="judge.pt",
        on_cuda=("--batch", "128"),
    ),
    Step(
        "detector",
        "training.detector",
        0.16,
        after=("half_size",),
        result="detector.pt",
        on_cuda=("--batch", "64"),
        needs="onnx",
    ),
    Step(
        "matting",
        "training.matting",
        0.16,
        after=("autoencoder",),
        result="matting.pt",
        on_cuda=("--batch", "64"),
        needs="onnx",
    ),
    *(
        Step(
            f"upscaler-{factor}x",
            "training.upscaler",
            share,
            ("--factor", str(factor)),
            after=after,
            result=f"upscaler-{factor}x.pt",
            on_cuda=("--batch", "32", "--workers", "7"),
            needs="onnx",
        )
        for factor, share, after in (
            (2, 0.15, ("autoencoder",)),
            (4, 0.3, ("autoencoder", "upscaler-2x")),  # it begins with the other's layers
        )
    ),
)
EXPORT = Step("export", "training.export", after=tuple(step.name for step in STEPS))


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


@dataclass(frozen=True)
class Round:
    """The steps of one round and what each of them is given."""

    minutes: float
    cuda: bool
    first: bool = True
    count: int = COUNT
    from_shipped: bool = False

    def steps(self) -> list[Step]:
        """What is still to be run, in order; prints what is left out."""
        return [step for step in (*STEPS, EXPORT) if self._is_due(step)]

    def _is_due(self, step: Step) -> bool:
        if self.from_shipped and step.ships:
            return False
        if step.needs and find_spec(step.needs) is None:
            print(f"{step.name} left out: the package {step.needs} is not installed", flush=True)
            return False
        return not ((step.once and not self.first) or is_done(step, step.share * self.minutes))

    def command(self, step: Step) -> list[str]:
        """A step as a command line."""
        start = [sys.executable, "-m"]
        options = [*step.options, *(step.on_cuda if self.cuda else ())]
        cores = os.cpu_count() or 1
        if step.team and not self.cuda and cores > 1:
            processes = min(cores, 4)
            start += ["torch.distributed.run", "--standalone"]
            start += ["--nproc-per-node", str(processes), "-m"]
            options += ["--threads", "1"]
        elif step.share:
            options += ["--threads", str(cores)]
        if step.module == "training.data":
            options += ["--workers", str(cores)]
        if step.name == "pictures":
            options += ["--count", str(self.count)]
        if step.share:
            options += ["--minutes", f"{step.share * self.minutes:.2f}"]
        if step.begins and self.from_shipped:
            options += ["--from-shipped"]
        return [*start, step.module, *options]


@dataclass
class Running:
    """Runs steps, each after those that it waits for, so many at a time."""

    work: Round
    at_once: int
    begun: dict[Step, tuple[float, subprocess.Popen[bytes]]] = field(default_factory=dict)

    def run(self, steps: Sequence[Step]) -> int:
        """Run them all; after one that fails none is begun, and its code is returned."""
        waiting, failed = list(steps), 0
        while self.begun or (waiting and not failed):
            held = {step.name for step in (*waiting, *self.begun)}
            ready = [step for step in waiting if not held.intersection(step.after)]
            if ready and not failed and len(self.begun) < self.at_once:
                waiting.remove(ready[0])
                self._begin(ready[0])
            else:
                time.sleep(0.1)
            failed = self._ended() or failed
        return failed

    def _begin(self, step: Step) -> None:
        words = self.work.command(step)
        print("$", *words[1:], flush=True)
        process = subprocess.Popen(words, cwd=Path(__file__).parent.parent)
        self.begun[step] = time.monotonic(), process

    def _ended(self) -> int:
        """Forget the steps that have ended; the code of one that failed, or 0."""
        failed = 0
        for step, (begun, process) in list(self.begun.items()):
            if (code := process.poll()) is not None:
                del self.begun[step]
                took = (time.monotonic() - begun) / 60
                print(
                    f"{step.name} {'failed' if code else 'done'} in {took:.1f} minutes", flush=True
                )
                failed = code or failed
        return failed


def main() -> int:
    """Run the steps; with `--rounds 1` once, else on a CPU for as long as it is left running."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cuda = torch.cuda.is_available()
    parser.add_argument(
        "--minutes", type=float, default=ROUND_ON_CUDA if cuda else ROUND_ON_CPU, help="of round 1"
    )
    parser.add_argument("--count", type=int, default=COUNT, help="square pictures to render")
    parser.add_argument("--rounds", type=int, default=1 if cuda else 100)
    parser.add_argument("--at-once", type=int, default=AT_ONCE_ON_CUDA if cuda else 1)
    add_from_shipped(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the first round's commands")
    arguments = parser.parse_args()
    for number in range(arguments.rounds):
        # A longer budget starts the learning rate high again, so each round doubles the last.
        minutes, first = arguments.minutes * 2**number, number == 0
        work = Round(minutes, cuda, first, arguments.count, arguments.from_shipped)
        if arguments.dry_run:
            for step in work.steps():
                print("$", *work.command(step)[1:])
            return 0
        if code := Running(work, arguments.at_once).run(work.steps()):
            print("stopped; the same command goes on from the last checkpoint", flush=True)
            return code
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from the last checkpoint")
