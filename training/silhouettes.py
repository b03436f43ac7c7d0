"""Exact masks of the subjects in rendered scenes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from training.canvas import Box, Canvas, Local, Point, View
from training.palette import PALETTES, RGB
from training.scenes import Scene, footing, subject_boxes
from training.settings import Place
from training.subjects import SUBJECTS


class Silhouette(Canvas):
    """Draws every shape in one value of grey, whatever colour it is asked for."""

    def __init__(self, size: int, view: View, supersampling: int) -> None:
        super().__init__(size, view, supersampling)
        self.image = Image.new("L", self.image.size)
        self.pen = ImageDraw.Draw(self.image)
        #: What the next shapes are filled with, 0..255.
        self.value = 0

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """A filled polygon."""
        super().polygon(points, self.value)  # type: ignore[arg-type]

    def oval(self, box: Box, colour: RGB) -> None:
        """A filled ellipse inside a box."""
        super().oval(box, self.value)  # type: ignore[arg-type]

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        """A line with rounded joints, its width in scene units."""
        super().line(points, self.value, width)  # type: ignore[arg-type]


def subject_mask(scene: Scene, size: int, supersampling: int = 3) -> Image.Image:
    """The coverage of each pixel by the scene's subjects, 0..255; all 0 in a bare landscape.

    It has the size of `render(scene, size)`. The shadow or island below a subject does not belong
    to it; rain, snow and fog in front of it do not make holes.
    """
    canvas = Silhouette(size, scene.view, supersampling)
    palette, subject = PALETTES[scene.time], SUBJECTS.get(scene.subject)
    place = Place(canvas, palette, random.Random(), scene.weather == "snow", scene.time == "night")
    for box in subject_boxes(scene):
        assert subject is not None  # a scene without one has no boxes
        canvas.value = 0
        footing(place, scene, box, subject.place)  # the shadow of a near one hides a far one
        canvas.value = 255
        subject.draw(
            Local(canvas, box, palette.subject_light),
            (0, 0, 0),
            scene.time in ("night", "sunset"),
            scene.rng("subject", "drawing"),
        )
    return canvas.finish()
