"""What lossless encoders cost and save.

Run `python bench/encoders.py`. It prints size and CPU time of files that keep every pixel: those
between stages, and those that are published. Packages that are not ours to need (zlib-ng,
imagecodecs for QOI) are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.figures import Figure, table
from ninefold.files.encode import Compression, encode
from ninefold.files.jxl import jxl_installed
from ninefold.files.png import write_png
from ninefold.imaging.tone import film_grain
from ninefold.imaging.types import Pixels

SIDES = (1024, 4096)
HERO = Path(__file__).resolve().parent.parent / "docs" / "images" / "hero.png"
ROUNDS = 3
Encoder = Callable[[Pixels], bytes]


def picture(side: int, *, grain: bool) -> Pixels:
    """A poster, smooth or with grain, which is what a photograph costs."""
    with Image.open(HERO) as image:
        square = image.convert("RGB").crop((0, 0, 256, 256))
        large = np.array(square.resize((side, side), Image.Resampling.LANCZOS))
    return film_grain(large, 0.12, seed=1) if grain else large


def encoders() -> Mapping[str, Encoder]:
    """Each by its name; what keeps every pixel alone."""
    found: dict[str, Encoder] = {
        "PNG, ours, fast": write_png,
        "PNG, ours, small": partial(write_png, small=True),
        "PNG, Pillow, level 1, run lengths": partial(
            _pillow, compress_level=1, compress_type=zlib.Z_RLE
        ),
        "PNG, Pillow, level 6": partial(_pillow, compress_level=6),
        "WebP lossless, fast": partial(
            encode, format="webp", lossless=True, compression=Compression.FAST
        ),
    }
    if jxl_installed():
        for compression in Compression:
            found[f"JPEG XL lossless, {compression.value}"] = partial(
                encode, format="jxl", lossless=True, compression=compression
            )
    if zlib_ng := _installed("zlib_ng.zlib_ng"):
        for level in (1, 2, 6):
            found[f"PNG, filter Sub, zlib-ng level {level}"] = partial(_sub, zlib_ng, level)
    if imagecodecs := _installed("imagecodecs"):
        found["QOI"] = imagecodecs.qoi_encode
    return found


def lossless() -> Iterator[Figure]:
    """Megabytes and milliseconds of CPU of every encoder and picture."""
    for side in SIDES:
        for grain in (False, True):
            shown = picture(side, grain=grain)
            kind = f"{side} {'grain' if grain else 'smooth'}"
            for name, encoder in encoders().items():
                times, size = [], 0
                for _ in range(ROUNDS):
                    began = time.process_time()
                    size = len(encoder(shown))
                    times.append(time.process_time() - began)
                yield Figure(kind, name, size / 1e6, unit="MB")
                yield Figure(kind, "", statistics.median(times) * 1000, unit="ms")


def _pillow(pixels: Pixels, **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def _sub(library: Any, level: int, pixels: Pixels) -> bytes:
    """The deflate stream of filter Sub on every row: all but a few bytes of a PNG file."""
    height, width, channels = pixels.shape
    filtered = np.ones((height, 1 + width * channels), np.uint8)
    filtered[:, 1:] = pixels.reshape(height, -1)
    filtered[:, 1 + channels :] -= pixels.reshape(height, -1)[:, :-channels]
    deflated: bytes = library.compress(filtered.data, level)
    return deflated


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def main() -> int:
    """Print the figures; 1 if any misses its target."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*")
    return table(parser, {"lossless": lossless}, parser.parse_args().parts)


if __name__ == "__main__":
    sys.exit(main())
