"""The watermark: what is seen of it, what it survives, and how long it takes.

Run `python bench/watermark.py`; `--count` takes fewer pictures, `--posters FOLDER` pictures that
were generated before (PNG) in place of new ones, `--rivagan FOLDER` the two ONNX files of
invisible-watermark (`pip install --no-deps --target FOLDER invisible-watermark`), whose 32 bits are
then read after the same changes.

Pictures are 512 pixels a side: generated posters enlarged by the built-in upscaler as the preset
`standard` does, textures in equal shares of `bench/textures.py` and `training/textures.py`, and
`bench/photographs.py`. A picture counts as right if all 64 bits are.

posters, textures, photographs   PSNR, change on flat areas, the share that is right by change
unmarked                         watermarks found where there are none
speed                            seconds to embed and to find, and memory

Prints a table; exit code 1 if a figure misses its target.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # training/ is not installed

import numpy as np
from PIL import Image, ImageFilter

from bench.figures import Figure, table
from bench.photographs import photograph
from bench.textures import TEXTURES
from ninefold.imaging.likeness import psnr
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Pixels
from ninefold.imaging.watermark.embedding import embed
from ninefold.imaging.watermark.finding import find
from ninefold.imaging.watermark.plane import activity, plane_of
from training.textures import texture

SIZE = 512
COUNTS = {"posters": 500, "textures": 200, "photographs": 50, "unmarked": 10_000}
Random = np.random.Generator


def encoded(image: Pixels, form: str, quality: int) -> Pixels:
    """The image after lossy compression."""
    file = BytesIO()
    Image.fromarray(image).save(file, form, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def scaled(image: Pixels, factor: float, method: Any = "lanczos") -> Pixels:
    """The image at another size."""
    height, width = image.shape[:2]
    return resize(image, round(width * factor), round(height * factor), method)


def cropped(image: Pixels, part: float, rng: Random) -> Pixels:
    """A piece of `part` of the sides, from anywhere."""
    height, width = (round(side * part) for side in image.shape[:2])
    top, left = (
        int(rng.integers(0, f - p + 1)) for f, p in zip(image.shape, (height, width), strict=False)
    )
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def levels(image: Pixels, contrast: float, brightness: float) -> Pixels:
    """The image with other contrast around mid-grey, and other brightness."""
    changed = (image.astype(np.float32) - 128) * contrast + 128 + 255 * brightness
    shown: Pixels = np.rint(np.clip(changed, 0, 255)).astype(np.uint8)
    return shown


def _frame(image: Pixels) -> Pixels:
    side = image.shape[0] // 8
    return np.pad(image, ((side, side), (side, side), (0, 0)), constant_values=240)


Change = Callable[[Pixels, Random], Pixels]
#: Those that at least 99 of 100 pictures must survive.
ASKED: dict[str, Change] = {
    "nothing": lambda image, rng: image,
    "JPEG 75": lambda image, rng: encoded(image, "JPEG", 75),
    "WebP 60": lambda image, rng: encoded(image, "WEBP", 60),
    "half size": lambda image, rng: scaled(image, 0.5),
    "1.5 times": lambda image, rng: scaled(image, 1.5, "bicubic"),
    "crop to 75 %": lambda image, rng: cropped(image, 0.75, rng),
    "crop to 75 %, half size, JPEG 80": lambda image, rng: encoded(
        scaled(cropped(image, 0.75, rng), 0.5), "JPEG", 80
    ),
    "brightness +15 %": lambda image, rng: levels(image, 1, 0.15),
    "brightness -15 %": lambda image, rng: levels(image, 1, -0.15),
    "contrast +15 %": lambda image, rng: levels(image, 1.15, 0),
    "contrast -15 %": lambda image, rng: levels(image, 0.85, 0),
    "blur by 1 pixel": lambda image, rng: np.asarray(
        Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))
    ),
    "resampled as in a screenshot": lambda image, rng: scaled(image, 0.83, "bilinear"),
}
#: For information.
BEYOND: dict[str, Change] = {
    "crop to 50 %": lambda image, rng: cropped(image, 0.5, rng),
    "JPEG 50": lambda image, rng: encoded(image, "JPEG", 50),
    "crop to 75 %, WebP 60": lambda image, rng: encoded(cropped(image, 0.75, rng), "WEBP", 60),
    "JPEG 70 twice, at 0.8 times": lambda image, rng: encoded(
        encoded(scaled(image, 0.8), "JPEG", 70), "JPEG", 70
    ),
    "stretched by 3 %": lambda image, rng: resize(
        image, image.shape[1] * 103 // 100, image.shape[0]
    ),
    "framed": lambda image, rng: _frame(image),
    "mirrored": lambda image, rng: np.ascontiguousarray(image[:, ::-1]),
    "turned by a quarter": lambda image, rng: np.ascontiguousarray(np.rot90(image)),
    "turned by 1 degree": lambda image, rng: np.asarray(
        Image.fromarray(image).rotate(1, Image.Resampling.BICUBIC)
    ),
    "grey": lambda image, rng: np.asarray(Image.fromarray(image).convert("L").convert("RGB")),
}


def identifier_of(part: str, number: int) -> bytes:
    """The identifier that a picture is given."""
    return hashlib.sha256(f"{part} {number}".encode()).digest()[:8]


def textures(count: int) -> Iterator[Pixels]:
    """Half of each kind; those of bench/textures.py as pieces of larger ones."""
    kinds = list(TEXTURES.values())
    for number in range(count):
        if number % 2:
            yield texture(SIZE, np.random.default_rng(number))
        else:
            rng = np.random.default_rng(number)
            whole = kinds[number // 2 % len(kinds)](SIZE + 128)
            top, left = (int(v) for v in rng.integers(0, 129, 2))
            yield np.ascontiguousarray(whole[top : top + SIZE, left : left + SIZE])


def posters(folder: Path | None, count: int) -> Iterator[Pixels]:
    """From a folder, or made anew."""
    if folder is not None:
        for path in sorted(folder.glob("*.png"))[:count]:
            yield np.asarray(Image.open(path).convert("RGB"))
        return
    from bench.judged import Generated
    from ninefold.engines.defaults import build_engines
    from ninefold.engines.settings import EngineSettings

    engines = build_engines(EngineSettings())
    generated = Generated(engines.diffusion, None, max(0, count - 300))
    for picture in generated.pictures[:count]:
        yield engines.upscaling.upscale("2x", picture)


def survival(part: str, pictures: Iterator[Pixels], rivals: Rivals) -> Iterator[Figure]:
    """PSNR, change on flat areas, and what is read after each change."""
    names = [*ASKED, *BEYOND]
    right: dict[str, int] = dict.fromkeys(names, 0)
    likeness, flat, count = [], [], 0
    for number, image in enumerate(pictures):
        identifier = identifier_of(part, number)
        marked, rng = embed(image, identifier), np.random.default_rng(number)
        likeness.append(psnr(image, marked))
        flat += flat_change(image, marked)
        rivals.take(image)
        for name, change in (ASKED | BEYOND).items():
            found = find(change(marked, rng))
            right[name] += found is not None and found.identifier == identifier
            if name in ASKED:
                rivals.read(name, change, rng)
        count += 1
    yield Figure(part, f"least PSNR of {count}", min(likeness), 40, unit="dB")
    yield Figure(part, "median PSNR", statistics.median(likeness), unit="dB")
    if flat:
        middle = statistics.median(flat)
        yield Figure(part, "median change on flat areas", middle, 1.0, at_most=True, unit="of 255")
    for name in names:
        target = 0.99 if name in ASKED else None
        yield Figure(part, name, right[name] / count, target)
    yield from rivals.figures(part)


def flat_change(image: Pixels, marked: Pixels) -> list[float]:
    """Root mean square of the change where the picture is flat, in levels; nothing without such."""
    quiet = activity(plane_of(image)) < 0.3
    if quiet.mean() < 0.05:
        return []
    mask = np.asarray(Image.fromarray(quiet).resize(image.shape[1::-1], Image.Resampling.NEAREST))
    change = (marked.astype(np.float32) - image)[mask]
    return [float(np.sqrt(np.mean(np.square(change))))]


class Rivals:
    """RivaGAN on the same pictures; without its files, nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._models: list[Any] = []
        if folder is not None:
            import onnxruntime

            self._models = [
                onnxruntime.InferenceSession(str(next(folder.rglob(f"rivagan_{name}.onnx"))))
                for name in ("encoder", "decoder")
            ]
        self._bits = np.random.default_rng(32).integers(0, 2, 32).astype(np.float32)
        self._clear()

    def _clear(self) -> None:
        self._marked: Pixels | None = None
        self._right: dict[str, list[float]] = {}
        self._likeness: list[float] = []

    def take(self, image: Pixels) -> None:
        """Mark a picture."""
        if not self._models:
            return
        frame = _as_frame(image)
        (out,) = self._models[0].run(None, {"frame": frame, "data": self._bits[None]})
        values = (np.clip(out[0, :, 0], -1, 1).transpose(1, 2, 0) + 1) * 127.5
        self._marked = np.ascontiguousarray(values.astype(np.uint8)[..., ::-1])
        self._likeness.append(psnr(image, self._marked))

    def read(self, name: str, change: Change, rng: Random) -> None:
        """Read it after a change."""
        if self._marked is None:
            return
        (out,) = self._models[1].run(None, {"frame": _as_frame(change(self._marked, rng))})
        right = (out[0] > 0.52) == (self._bits > 0.5)
        self._right.setdefault(name, []).append(float(right.mean()))

    def figures(self, part: str) -> Iterator[Figure]:
        """The share of pictures whose 32 bits are all right, and of bits."""
        if self._right:
            median = statistics.median(self._likeness)
            yield Figure(part, "RivaGAN: median PSNR", median, unit="dB")
        for name, shares in self._right.items():
            whole = sum(share == 1 for share in shares) / len(shares)
            yield Figure(part, f"RivaGAN: {name}", whole)
            yield Figure(part, f"RivaGAN: {name}, bits", statistics.mean(shares))
        self._clear()


def _as_frame(image: Pixels) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What RivaGAN's networks take: 1 x 3 x 1 x height x width, blue first, -1 to 1."""
    frame = image[..., ::-1].astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None, :, None])


def unmarked(pictures: Sequence[Pixels], count: int) -> Iterator[Figure]:
    """Pieces of pictures, turned and mirrored at random, without a watermark."""
    found = 0
    for number in range(count):
        rng = np.random.default_rng(number)
        image = pictures[number % len(pictures)]
        piece = cropped(image, float(rng.uniform(0.3, 1)), rng)
        piece = np.rot90(piece, int(rng.integers(4)))[:, :: int(rng.choice((-1, 1)))]
        found += find(np.ascontiguousarray(piece)) is not None
    yield Figure("unmarked", f"watermarks found in {count}", found, 0, at_most=True)


def speed() -> Iterator[Figure]:
    """Medians of three."""
    for side, most in ((1024, 0.5), (4096, 3.0)):
        image = np.tile(photograph(512, 0), (side // 512, side // 512, 1))
        seconds = _seconds(partial(embed, image, b"ninefold"))
        yield Figure("speed", f"embed {side} x {side}", seconds, most, at_most=True, unit="s")
        if side == 1024:
            marked = embed(image, b"ninefold")
            for name, picture in (("marked", cropped(marked, 0.8, np.random.default_rng(1))),
                                  ("unmarked", image)):  # fmt: skip
                seconds = _seconds(partial(find, picture))
                yield Figure("speed", f"find, {name}", seconds, 1.0, at_most=True, unit="s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Figure("speed", "peak memory of all this", peak, unit="MB")


def _seconds(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="those to measure; all by default")
    parser.add_argument("--count", type=int, help="at most so many pictures of each part")
    parser.add_argument("--posters", type=Path, help="a folder of generated pictures")
    parser.add_argument("--rivagan", type=Path, help="where invisible-watermark was unpacked")
    args = parser.parse_args(arguments)
    counts = {name: min(count, args.count or count) for name, count in COUNTS.items()}
    rivals = Rivals(args.rivagan)

    def drawn(count: int) -> Iterator[Pixels]:
        return (photograph(SIZE, number) for number in range(count))

    def clean() -> Iterator[Figure]:
        some = min(200, counts["unmarked"])
        made = [*posters(args.posters, some), *textures(some), *drawn(some // 4)]
        return unmarked(made, counts["unmarked"])

    made = posters(args.posters, counts["posters"])
    parts: dict[str, Callable[[], Iterator[Figure]]] = {
        "posters": lambda: survival("posters", made, rivals),
        "textures": lambda: survival("textures", textures(counts["textures"]), rivals),
        "photographs": lambda: survival("photographs", drawn(counts["photographs"]), rivals),
        "unmarked": clean,
        "speed": speed,
    }
    return table(parser, parts, args.parts)


if __name__ == "__main__":
    sys.exit(main())
