"""Comparing an image with the one that was made again, and what made either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ninefold.core.values import Json
from ninefold.files.manifest import Manifest
from ninefold.imaging.alpha import lay_on
from ninefold.imaging.likeness import psnr, ssim
from ninefold.imaging.types import Alpha, Pixels
from ninefold.reproduction.models import same_hash
from ninefold.reproduction.report import (
    LEAST_PSNR,
    LEAST_SSIM,
    Difference,
    ReproductionVerdict,
)

Layers = tuple[Pixels, Alpha | None]

#: SSIM needs so many pixels a side.
_SSIM_SIDE = 11
_WHITE = (255, 255, 255)
#: Facts of a stage that tell of the device.
_DEVICE = frozenset({"device", "dtype", "runtime", "levers", "quantization"})
#: The fact that lists steps taken to save memory.
_MEMORY = "oom_steps"


class Likeness:
    """How much two images are like one another."""

    def __init__(self, first: Layers, second: Layers) -> None:
        self.psnr: float | None = None
        self.ssim: float | None = None
        self.verdict = ReproductionVerdict.DIFFERENT
        if first[0].shape != second[0].shape:
            return
        if np.array_equal(first[0], second[0]) and np.array_equal(_alpha(first), _alpha(second)):
            self.verdict = ReproductionVerdict.IDENTICAL
            return
        seen = [_on_white(layers) for layers in (first, second)]
        alphas = [np.repeat(_alpha(layers)[..., None], 3, axis=2) for layers in (first, second)]
        self.psnr = min(psnr(*seen), psnr(*alphas))
        if min(first[0].shape[:2]) >= _SSIM_SIDE:
            self.ssim = min(ssim(*seen), ssim(*alphas))
        if self.psnr >= LEAST_PSNR and (self.ssim is None or self.ssim >= LEAST_SSIM):
            self.verdict = ReproductionVerdict.PERCEPTUALLY_EQUAL


def first_difference(before: Manifest, after: Manifest) -> str | None:
    """The first step whose files are others than the record's; None where all are the same."""
    made = {item.name: item.sha256 for item in after.artifacts}
    order = {step: number for number, step in enumerate(before.steps)}
    files = sorted(before.artifacts, key=lambda item: order.get(item.stage, len(order)))
    return next((item.stage for item in files if made.get(item.name) != item.sha256), None)


def environment_differences(before: Manifest, after: Manifest) -> Iterator[Difference]:
    """Programs and platform that are others than the record's."""
    was, now = before.environment, after.environment
    for name in sorted({*was.versions, *now.versions}):
        if was.versions.get(name) != now.versions.get(name):
            yield _difference("version", name, was.versions.get(name), now.versions.get(name))
    if was.python != now.python:
        yield _difference("version", "python", was.python, now.python)
    if was.platform != now.platform:
        yield _difference("platform", "platform", was.platform, now.platform)


def stage_differences(before: Manifest, after: Manifest) -> Iterator[Difference]:
    """What the stages did otherwise: devices, other facts, steps taken to save memory."""
    done = {} if after.run is None else after.run.stages
    for step in before.steps:
        if "outputs" in done.get(step, {}):  # a publisher, which made nothing of the image
            continue
        was, now = _flat(before.stages.get(step, {})), _flat(after.stages.get(step, {}))
        for name in dict.fromkeys((*was, *now)):
            if not _same(name, was.get(name), now.get(name)):
                kind = "device" if name.partition(".")[0] in _DEVICE else "fact"
                yield _difference(kind, f"{step}.{name}", was.get(name), now.get(name))
    if before.run is not None and after.run is not None:
        for step in before.steps:
            was_, now_ = (run.stages.get(step, {}).get(_MEMORY) for run in (before.run, after.run))
            if was_ != now_:
                yield _difference("memory", f"{step}.{_MEMORY}", was_, now_)


def _same(name: str, was: Any, now: Any) -> bool:
    """Whether two facts are equal, hashes also where one of them is the first digits."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return was.keys() == now.keys() and all(_same(key, was[key], now[key]) for key in was)
    if isinstance(was, list | tuple) and isinstance(now, list | tuple):
        pairs = zip(was, now, strict=False)
        return len(was) == len(now) and all(_same(name, *pair) for pair in pairs)
    if name.endswith(("hash", "hashes")) and isinstance(was, str) and isinstance(now, str):
        return same_hash(was, now)
    return bool(was == now)


def _difference(kind: Any, name: str, was: Any, now: Any) -> Difference:
    return Difference(kind=kind, name=name, was=_shown(was), now=_shown(now))


def _shown(value: Any) -> str | None:
    return None if value is None else str(value)[:200]


def _flat(entry: Json) -> dict[str, Any]:
    """The entry with its mappings laid open, by dotted names."""
    found: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": item for inner, item in _flat(dict(value)).items()}
        else:
            found[name] = value
    return found


def _alpha(layers: Layers) -> Alpha:
    pixels, alpha = layers
    return np.full(pixels.shape[:2], 255, np.uint8) if alpha is None else alpha


def _on_white(layers: Layers) -> Pixels:
    pixels, alpha = layers
    return pixels if alpha is None else lay_on(pixels, alpha, _WHITE)
