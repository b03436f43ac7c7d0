"""What an exported upscaler takes and gives, found by trying it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import ModelError
from ninefold.engines.enlarging import Planes
from ninefold.engines.onnx_session import OnnxModel

#: Least and greatest value of an image.
Range = tuple[float, float]

_UNIT, _BYTES, _SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)
_RANGES = (_UNIT, _BYTES, _SIGNED)
_NAMES = "0 to 1, 0 to 255 or -1 to 1"
#: What a model is tried on: a level from 0 to 1, height and width. Large enough for windowed
#: attention, and of three shapes, since a fixed output fits one of them.
_TRIALS = ((0.5, 1, 1), (0.0, 1, 2), (1.0, 2, 1))
_SIDE = 16
#: Sides that a network may want to be multiples of, and an odd size to find out by.
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_ODD = (17, 19)
_MAX_SCALE = 16
#: How far the mean may be off, as a part of the range; networks overshoot at borders.
_MOST_OFF = 0.35
#: A mean difference from which nothing can be clearly better.
_FAITHFUL = 0.02
#: By how much another range must reproduce a picture better to be taken for the model's.
_CLEARLY = 0.5


@dataclass(frozen=True)
class Form:
    """How a model takes and gives images."""

    scale: int
    channels: int
    takes: Range
    gives: Range
    #: What sides must be multiples of.
    multiple: int = 1
    #: Height and width of the one size that it takes, if there is one.
    size: tuple[int, int] | None = None


def enlarged(model: OnnxModel, form: Form, planes: Planes) -> Planes:
    """Channels x height x width, 0 to 1, `scale` times as large; raises `ModelError`."""
    output = _run(model, planes, form.takes)
    height, width = planes.shape[1:]
    if output.shape[1:] != (height * form.scale, width * form.scale):
        raise ModelError(
            f"{model.name}: expected {width}x{height} to become {form.scale} times as large, got "
            f"{output.shape[2]}x{output.shape[1]}."
        )
    return _to_unit(output, form.gives)


def find_form(model: OnnxModel) -> Form:
    """What keeps plain images about as bright, and reproduces a smooth one best.

    Raises `ModelError` where the model is no upscaler: where it does not enlarge three shapes by
    one whole number from 2 to 16, or no range of values keeps their brightness.
    """
    channels = model.input_shape[1] or 3
    if model.others:
        raise ModelError(
            f"{model.name}: expected one input, the image, got also {', '.join(model.others)}. "
            "Export the model anew."
        )
    fixed = model.input_shape[2], model.input_shape[3]
    if (fixed[0] is None) != (fixed[1] is None):
        fixed = fixed[0] or fixed[1], fixed[1] or fixed[0]
    size = None if fixed[0] is None or fixed[1] is None else (fixed[0], fixed[1])
    multiple = 1 if size is not None else _multiple(model, channels)
    possible = (_BYTES,) if model.dtype == "uint8" else _RANGES
    found: list[tuple[float, Form]] = []
    seen: list[str] = []
    for takes in possible:
        try:
            scale, gives, off = _plain(model, channels, takes, size, multiple)
        except ModelError:
            if takes is possible[0]:
                raise
            continue  # values that it was not made for
        seen.append(f"off by {off:.2g} of the range for {takes[0]:g} to {takes[1]:g}")
        if off <= _MOST_OFF:
            form = Form(scale, channels, takes, gives, multiple, size)
            found.append((_error(model, form), form))
            if found[-1][0] < _FAITHFUL:
                break
    if not found:
        raise ModelError(
            f"{model.name}: expected a plain image to stay about as bright, in values from "
            f"{_NAMES}, got it {', '.join(seen)}. Export the model anew, or choose another."
        )
    first, best = found[0], min(found, key=lambda item: item[0])
    return best[1] if best[0] < _CLEARLY * first[0] else first[1]


def _multiple(model: OnnxModel, channels: int) -> int:
    """The least that sides must be multiples of; raises `ModelError` where nothing works."""
    failures: list[ModelError] = []
    for multiple in _MULTIPLES:
        height, width = (-(-side // multiple) * multiple for side in _ODD)
        try:
            _run(model, np.full((channels, height, width), 0.5, np.float32), _UNIT)
        except ModelError as error:
            failures.append(error)
        else:
            return multiple
    raise failures[0]


def _plain(
    model: OnnxModel, channels: int, takes: Range, size: tuple[int, int] | None, multiple: int
) -> tuple[int, Range, float]:
    """The factor by which plain images grow, and the range in which they stay nearest to their
    level, with how far off they are at worst."""
    scales: set[int] = set()
    means: list[tuple[float, float]] = []
    for level, height, width in _sizes(size, multiple):
        output = _run(model, np.full((channels, height, width), level, np.float32), takes)
        high, wide = output.shape[1:]
        scales.add(high // height)
        if (high, wide) != (high // height * height, high // height * width) or len(scales) > 1:
            raise ModelError(
                f"{model.name}: expected whole-number magnification, got {wide}x{high} from "
                f"{width}x{height}."
            )
        if not 2 <= high // height <= _MAX_SCALE:
            raise ModelError(
                f"{model.name}: expected an upscaler, which makes {width}x{height} 2 to "
                f"{_MAX_SCALE} times as large, got {wide}x{high}. Choose another model."
            )
        means.append((level, float(output.mean())))

    def off(gives: Range) -> float:
        return max(abs((mean - gives[0]) / (gives[1] - gives[0]) - level) for level, mean in means)

    gives = min(_RANGES, key=off)
    return scales.pop(), gives, off(gives)


def _sizes(size: tuple[int, int] | None, multiple: int) -> Iterator[tuple[float, int, int]]:
    side = max(_SIDE, multiple)
    for level, down, across in _TRIALS:
        yield (level, down * side, across * side) if size is None else (level, *size)


def _error(model: OnnxModel, form: Form) -> float:
    """How far a smooth picture is from what it was, made small again."""
    height, width = form.size or (2 * max(_SIDE, form.multiple),) * 2
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(down / (5 + c)) * np.cos(across / (7 - c)) for c in range(form.channels)]
    planes = np.stack(waves).astype(np.float32) * 0.4 + 0.5
    large = enlarged(model, form, planes)
    small = large.reshape(large.shape[0], height, form.scale, width, form.scale).mean((2, 4))
    return float(np.abs(small - planes[: len(small)]).mean()) + 1e-4


def _run(model: OnnxModel, planes: Planes, takes: Range) -> Planes:
    """The output as channels x height x width, in the model's own range."""
    low, high = takes
    output = model.run((planes * np.float32(high - low) + np.float32(low))[None])
    channels = (1,) if planes.shape[0] == 1 else (3, 4) if planes.shape[0] == 4 else (3,)
    if output.ndim == 4 and output.shape[0] == 1:
        axes = (3, 1) if model.nhwc else (1, 3)
        for axis in axes:
            if output.shape[axis] in channels:
                return _first(output, axis)
    expected = "1 x 1" if planes.shape[0] == 1 else "1 x 3"
    raise ModelError(
        f"{model.name}: expected an output of {expected} x height x width, got {output.shape}."
    )


def _first(output: NDArray[np.float32], axis: int) -> Planes:
    image: Planes = output[0] if axis == 1 else output[0].transpose(2, 0, 1)
    return image


def _to_unit(planes: Planes, gives: Range) -> Planes:
    if gives == _UNIT:
        return planes
    return (planes - np.float32(gives[0])) / np.float32(gives[1] - gives[0])
