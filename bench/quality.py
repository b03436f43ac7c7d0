"""What the built-in models are worth, recomputed from the weights that ship.

Run `python bench/quality.py`, at most 15 minutes on two cores; parts may be named.

text_to_image  300 held-out prompts that name a subject, its colour, a setting, a time of day and
               a position, one seed each, 20 steps, judged by bench/judge.safetensors; that judge's
               own accuracy on held-out renders; and the Frechet distance between the judge's
               features of the generated pictures and of as many renders, beside that of two sets
               of renders (`--images 2000` for the full number, which takes longer).
detector       mAP at IoU 0.5 on 500 held-out renders, and on 200 of the generated pictures. Those
               are labelled without the renderer: the class is the prompt's, where the judge sees it
               too, and the box is the judge's, another network whose boxes on renders are checked.
upscaler       200 held-out renders reduced by four usual filters, and ten textures that training
               knows nothing of, against Lanczos. Edges: the PSNR of the pictures' gradients.
matting        IoU on 500 held-out renders and on 200 generated pictures; bench/matting.py says how.

Prints a table; exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # training/ is not installed

from bench import detection, enlargement, matting
from bench.figures import Figure, table
from bench.judged import COUNT, Generated
from ninefold.engines.defaults import build_engines
from ninefold.engines.matting import MATTING
from ninefold.engines.settings import EngineSettings

BATCH = 8


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", help="text_to_image, detector, upscaler, matting; all if none"
    )
    parser.add_argument("--images", type=int, default=COUNT, help="generated for the distance")
    parser.add_argument("--guidance", type=float, help="the model's own if not given")
    options = parser.parse_args()
    engines = build_engines(EngineSettings(max_batch=BATCH))
    generated = Generated(engines.diffusion, options.guidance, max(0, options.images - COUNT))
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "text_to_image": generated.figures,
        "detector": lambda: detection.figures(engines.detection, generated),
        "upscaler": lambda: enlargement.figures(engines.upscaling),
        "matting": lambda: matting.figures(engines[MATTING], generated),
    }
    return table(parser, parts, options.parts)


if __name__ == "__main__":
    sys.exit(main())
