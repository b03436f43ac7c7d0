"""A supersampled drawing surface in scene units: x right, y down.

A square scene is 0..1 in both directions. A wide one goes on to the right; a tall one goes on above
and, less far, below, so that what is small in a square is as small in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.palette import RGB, darker, lighter, multiply

Point = tuple[float, float]
Box = tuple[float, float, float, float]


ABOVE, BELOW = 0.7, 0.3
"""What a tall scene has more of than a square one: sky, and ground."""


@dataclass(frozen=True)
class View:
    """The part of the scene that the picture shows: its top-left corner and its shorter side.

    `width` and `height` are the picture's sides as multiples of the shorter one.
    """

    x: float = 0.0
    y: float = 0.0
    span: float = 1.0
    width: float = 1.0
    height: float = 1.0

    @classmethod
    def of_shape(cls, width: float, height: float) -> View:
        """The whole of a scene of this shape."""
        view = cls(width=width, height=height)
        return replace(view, y=view.top)

    @property
    def right(self) -> float:
        """The right edge of the whole scene; the left one is 0."""
        return self.width

    @property
    def top(self) -> float:
        """The upper edge of the whole scene."""
        return ABOVE * (1 - self.height)

    @property
    def bottom(self) -> float:
        """The lower edge of the whole scene."""
        return 1 + BELOW * (self.height - 1)

    def sides(self, size: int) -> tuple[int, int]:
        """Width and height in pixels of a picture whose shorter side has `size`."""
        return round(size * self.width), round(size * self.height)

    def box(self, box: Box, size: int) -> Box:
        """A box in scene units as pixels of a picture of this view."""
        k = size / self.span
        return (
            (box[0] - self.x) * k,
            (box[1] - self.y) * k,
            (box[2] - self.x) * k,
            (box[3] - self.y) * k,
        )


class Canvas:
    """Shapes in scene units, drawn large and reduced by an exact box filter at the end."""

    def __init__(self, size: int, view: View, supersampling: int) -> None:
        self.view = view
        self.supersampling = supersampling
        #: Supersampled pixels of one scene unit.
        self.scale = size * supersampling / view.span
        width, height = view.sides(size)
        self.image = Image.new("RGB", (width * supersampling, height * supersampling))
        self.pen = ImageDraw.Draw(self.image)
        self.right, self.top, self.bottom = view.right, view.top, view.bottom

    def to_pixels(self, point: Point) -> Point:
        """Scene units to supersampled pixels."""
        return (point[0] - self.view.x) * self.scale, (point[1] - self.view.y) * self.scale

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """A filled polygon."""
        self.pen.polygon([self.to_pixels(p) for p in points], fill=colour)

    def oval(self, box: Box, colour: RGB) -> None:
        """A filled ellipse inside a box."""
        (x0, y0), (x1, y1) = self.to_pixels(box[:2]), self.to_pixels(box[2:])
        self.pen.ellipse((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=colour)

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        """A line with rounded joints, its width in scene units."""
        pixels = max(1, round(width * self.scale))
        self.pen.line([self.to_pixels(p) for p in points], fill=colour, width=pixels, joint="curve")

    def gradient(self, stops: tuple[RGB, RGB, RGB], bottom: float) -> None:
        """Fill the picture with a vertical gradient from the top of the scene to `bottom`."""
        place = np.clip((self._rows() - self.top) / (bottom - self.top), 0, 1)
        table = np.stack(
            [np.interp(place, (0.0, 0.55, 1.0), [s[c] for s in stops]) for c in range(3)], axis=1
        )
        column = Image.fromarray(table.round().astype(np.uint8)[:, None, :])
        self.image.paste(column.resize(self.image.size, Image.Resampling.NEAREST))

    def veil(self, top: float, bottom: float, colour: RGB, strength: float) -> None:
        """Lay translucent mist over a horizontal band, densest in its middle."""
        place = np.clip((self._rows() - top) / (bottom - top), 0, 1)
        alpha = np.round(np.sin(place * math.pi) ** 0.7 * strength * 255).astype(np.uint8)
        mask = Image.fromarray(alpha[:, None]).resize(self.image.size, Image.Resampling.NEAREST)
        self.image.paste(colour, (0, 0, *self.image.size), mask)

    def _rows(self) -> NDArray[np.floating]:
        """The middle of every row of pixels, in scene units."""
        return self.view.y + (np.arange(self.image.height) + 0.5) / self.scale

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.reduce(self.supersampling)


class Local:
    """A subject's own coordinates (0..1 in both directions of its box) and its light."""

    def __init__(self, canvas: Canvas, box: Box, light: tuple[float, float, float]) -> None:
        self.canvas = canvas
        self.box = box
        self.light = light
        self.width = box[2] - box[0]
        self.height = box[3] - box[1]

    def at(self, u: float, v: float) -> Point:
        """Local to scene coordinates."""
        return self.box[0] + u * self.width, self.box[1] + v * self.height

    def area(self, u0: float, v0: float, u1: float, v1: float) -> Box:
        """A local box in scene coordinates."""
        return (*self.at(u0, v0), *self.at(u1, v1))

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """A filled polygon, lit."""
        self.canvas.polygon([self.at(*p) for p in points], multiply(colour, self.light))

    def rect(self, u0: float, v0: float, u1: float, v1: float, colour: RGB) -> None:
        """A filled rectangle, lit."""
        self.polygon(((u0, v0), (u1, v0), (u1, v1), (u0, v1)), colour)

    def oval(self, u0: float, v0: float, u1: float, v1: float, colour: RGB) -> None:
        """A filled ellipse, lit."""
        self.canvas.oval(self.area(u0, v0, u1, v1), multiply(colour, self.light))

    def disc(self, u: float, v: float, radius: float, colour: RGB) -> None:
        """A true circle; the radius is a share of the box's height."""
        x, y = self.at(u, v)
        r = radius * self.height
        self.canvas.oval((x - r, y - r, x + r, y + r), multiply(colour, self.light))

    def glow(self, u0: float, v0: float, u1: float, v1: float, colour: RGB) -> None:
        """A rectangle that shines by itself: the scene's light does not darken it."""
        self.canvas.polygon(
            [self.at(u0, v0), self.at(u1, v0), self.at(u1, v1), self.at(u0, v1)], colour
        )

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        """A line, lit; its width is a share of the box's height."""
        self.canvas.line(
            [self.at(*p) for p in points], multiply(colour, self.light), width * self.height
        )

    def tones(self, colour: RGB) -> tuple[RGB, RGB, RGB]:
        """Lit, plain and shaded tone of a colour."""
        return lighter(colour, 0.22), colour, darker(colour, 0.26)
