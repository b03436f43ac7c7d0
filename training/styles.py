"""Other ways to draw the same scenes: what the LoRAs that ship are made from."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from PIL import ImageDraw

from training.canvas import Box, Canvas, Point, View
from training.palette import RGB, mix

NIGHT: RGB = (14, 8, 34)


class Neon(Canvas):
    """Glowing tubes in the dark: each shape is a dim pane with a bright outline and its halo."""

    #: Widths of halo and tube in scene units, and their opacity of 255.
    TUBE = ((0.034, 40), (0.022, 80), (0.012, 255))

    def __init__(self, size: int, view: View, supersampling: int) -> None:
        super().__init__(size, view, supersampling)
        self.pen = ImageDraw.Draw(self.image, "RGBA")  # so that halos let the ground through

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """A pane and the tube around it."""
        pixels = [self.to_pixels(point) for point in points]
        self.pen.polygon(pixels, fill=pane(colour))
        for width, opacity in self.TUBE:
            rgba = (*tube(colour), opacity)
            self.pen.line([*pixels, pixels[0]], fill=rgba, width=self._wide(width), joint="curve")

    def oval(self, box: Box, colour: RGB) -> None:
        """An elliptic pane and its tube."""
        corners = (*self.to_pixels(box[:2]), *self.to_pixels(box[2:]))
        self.pen.ellipse(corners, fill=pane(colour))
        for width, opacity in self.TUBE:
            self.pen.ellipse(corners, outline=(*tube(colour), opacity), width=self._wide(width))

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        """A tube alone, however wide the painted line is."""
        pixels = [self.to_pixels(point) for point in points]
        for wide, opacity in self.TUBE:
            rgba = (*tube(colour), opacity)
            self.pen.line(pixels, fill=rgba, width=self._wide(wide), joint="curve")

    def gradient(self, stops: tuple[RGB, RGB, RGB], bottom: float) -> None:
        """The sky as a faint glow above the horizon."""
        top, middle, low = (tube(stop) for stop in stops)
        dim = (mix(NIGHT, top, 0.02), mix(NIGHT, middle, 0.12), mix(NIGHT, low, 0.4))
        super().gradient(dim, bottom)

    def _wide(self, width: float) -> int:
        return max(1, round(width * self.scale))


def tube(colour: RGB) -> RGB:
    """A colour at full strength; greys become a cold white."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    strong = min(1.0, saturation * 2.2) if saturation > 0.12 else 0.25
    r, g, b = colorsys.hsv_to_rgb(hue, strong, 0.55 + 0.45 * value)
    return round(r * 255), round(g * 255), round(b * 255)


def pane(colour: RGB) -> RGB:
    """What a shape's inside keeps of its colour."""
    return mix(NIGHT, tube(colour), 0.16)


STYLES: dict[str, type[Canvas]] = {"night-neon": Neon}
