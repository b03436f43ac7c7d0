"""Flat poster scenes from a specification: one frozen value in, one picture and its boxes out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from PIL import Image

from training.canvas import Box, Canvas, Local, View
from training.figures import FACE_BOX
from training.palette import COLOURS, PALETTES, darker, mix, multiply
from training.settings import RISE, SETTINGS, Place, glitter, sky, water
from training.subjects import SUBJECTS

POSITIONS = {"left": 0.25, "center": 0.5, "right": 0.75}
TIMES = tuple(PALETTES)
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")
SIZES = {"small": 0.70, "medium": 1.0, "large": 1.32}
GROUPS = {2: ((0.28, 0.72), 0.86), 3: ((0.18, 0.5, 0.82), 0.72)}
"""By how many subjects there are: where each stands, and its size beside one that is alone."""
COUNTS = (1, *GROUPS)
CLASSES = (*SUBJECTS, "face")
SHAPES = {
    "square": (1.0, 1.0),
    "5x4": (1.25, 1.0),
    "4x5": (1.0, 1.25),
    "3x2": (1.5, 1.0),
    "2x3": (1.0, 1.5),
    "16x9": (1.75, 1.0),
    "9x16": (1.0, 1.75),
}
"""Width and height of pictures as multiples of the shorter side."""
LAYERS = ("landscape", "sky", "subject")
VARIANTS = 3
"""How many ways there are to draw each layer. Few of them are learnt in hours, not days."""


@dataclass(frozen=True)
class Scene:
    """Everything that decides a picture; without a `subject` it is a bare landscape."""

    seed: int
    subject: str
    colour: str
    position: str = "center"
    setting: str = "field"
    time: str = "day"
    weather: str = "clear"
    size: str = "medium"
    close_up: bool = False
    face: bool = False
    count: int = 1
    view: View = field(default_factory=View)

    @property
    def whole(self) -> bool:
        """Whether it shows what it is about, and its surroundings, uncropped."""
        return bool(self.subject) and not self.close_up and self.view.span == 1.0

    def rng(self, layer: str, part: str = "") -> random.Random:
        """The random numbers of one part of a layer.

        They depend on nothing else in the scene: the same hills return under every sky, so a model
        learns the layers one by one and not each combination of them. Where a subject stands is
        the same in every variant: position and size words say it all.
        """
        variant = 0 if part == "box" else self.seed // VARIANTS ** LAYERS.index(layer) % VARIANTS
        return random.Random(f"{layer} {part} {variant}")


def random_scene(seed: int, shape: str = "square") -> Scene:
    """The scene of a seed: mostly whole scenes, some close-ups, faces, crops, bare landscapes.

    `shape` is one of SHAPES; crops are square, and whole in any other.
    """
    rng = random.Random(seed)
    setting, time = rng.choice(tuple(SETTINGS)), rng.choice(TIMES)
    weather = rng.choices(WEATHERS, (50, 17, 14, 14, 5))[0]
    if setting == "desert" and weather == "snow":
        weather = "clear"
    kind = rng.choices(("whole", "close_up", "face", "crop", "landscape"), (70, 12, 5, 5, 8))[0]
    scene = Scene(
        seed=seed,
        subject=""
        if kind == "landscape"
        else "person"
        if kind == "face"
        else rng.choice(tuple(SUBJECTS)),
        colour=rng.choice(tuple(COLOURS)),
        position=rng.choice(tuple(POSITIONS)) if kind in ("whole", "crop") else "center",
        setting=setting,
        time=time,
        weather=weather,
        size=rng.choices(tuple(SIZES), (22, 50, 28))[0] if kind in ("whole", "crop") else "medium",
        close_up=kind in ("close_up", "face"),
        face=kind == "face",
    )
    if kind == "whole" and (count := rng.choices(COUNTS, (74, 16, 10))[0]) > 1:
        size = "medium" if scene.size == "large" else scene.size  # there is no room for large ones
        scene = replace(scene, position="center", size=size, count=count)
    if shape != "square":
        return replace(scene, view=View.of_shape(*SHAPES[shape]))
    return zoomed(scene, rng) if kind == "crop" else scene


def zoomed(scene: Scene, rng: random.Random) -> Scene:
    """The same scene through a smaller view, two times in three around its subject."""
    span = rng.uniform(0.4, 0.75)
    x, y = rng.uniform(0, 1 - span), rng.uniform(0, 1 - span)
    if rng.random() < 0.67:
        (box,) = subject_boxes(scene)
        x = (box[0] + box[2]) / 2 - span / 2 + rng.uniform(-0.12, 0.12)
        y = (box[1] + box[3]) / 2 - span / 2 + rng.uniform(-0.12, 0.12)
    view = View(min(max(x, 0.0), 1 - span), min(max(y, 0.0), 1 - span), span)
    return replace(scene, view=view)


def subject_boxes(scene: Scene) -> list[Box]:
    """The box of each subject in scene units, the farthest first; none in a bare landscape."""
    if not scene.subject:
        return []
    return _group(scene) if scene.count > 1 else [_alone(scene)]


def _group(scene: Scene) -> list[Box]:
    """Boxes side by side, every other one a little farther away, or higher in the sky."""
    rng, subject = scene.rng("subject", "box"), SUBJECTS[scene.subject]
    middles, scale = GROUPS[scene.count]
    aside = (scene.view.right - 1) / 2
    room = 0.94 * (middles[1] - middles[0])
    height = min(subject.height * SIZES[scene.size] * scale, room / subject.aspect)
    half = height * subject.aspect / 2
    if subject.place == "sky":
        back = 0.16
        bottom = RISE * scene.view.top + max(0.5, height + back + 0.03)
    else:
        back, bottom = 0.04, rng.uniform(0.85, 0.91)
    bottoms = [bottom - back * (number % 2) for number in range(scene.count)]
    found = [
        (aside + middle - half, bottom - height, aside + middle + half, bottom)
        for middle, bottom in zip(middles, bottoms, strict=True)
    ]
    return sorted(found, key=lambda box: box[3])


def _alone(scene: Scene) -> Box:
    rng, view = scene.rng("subject", "box"), scene.view
    subject = SUBJECTS[scene.subject]
    if scene.face:
        height = rng.uniform(1.75, 2.3)
        middle = view.right / 2 + rng.uniform(-0.05, 0.05)
        top = RISE * view.top + rng.uniform(0.02, 0.14)
        return (
            middle - height * subject.aspect / 2,
            top,
            middle + height * subject.aspect / 2,
            top + height,
        )
    if scene.close_up:
        height = min(rng.uniform(0.78, 0.94), rng.uniform(0.84, 0.96) / subject.aspect)
        middle = view.right / 2 + rng.uniform(-0.03, 0.03)
        bottom = (view.top + view.bottom + height) / 2 + rng.uniform(-0.02, 0.03)
        return (
            middle - height * subject.aspect / 2,
            bottom - height,
            middle + height * subject.aspect / 2,
            bottom,
        )
    height = subject.height * SIZES[scene.size] * rng.uniform(0.95, 1.05)
    half = height * subject.aspect / 2
    middle = POSITIONS[scene.position] * view.right + rng.uniform(-0.035, 0.035)
    middle = min(max(middle, half + 0.015), view.right - half - 0.015)
    if subject.place == "sky":
        top = RISE * view.top + rng.uniform(0.07, max(0.09, 0.62 - height))
        return middle - half, top, middle + half, top + height
    bottom = rng.uniform(0.85, 0.91)
    return middle - half, bottom - height, middle + half, bottom


def boxes(scene: Scene, size: int) -> list[tuple[str, Box]]:
    """Class names and visible boxes in pixels, without what the view cuts to under a third.

    `size` is the picture's shorter side.
    """
    width, height = scene.view.sides(size)
    found: list[tuple[str, Box]] = []
    for whole in subject_boxes(scene):
        found.append((scene.subject, whole))
        if scene.subject == "person":
            across, down = whole[2] - whole[0], whole[3] - whole[1]
            u0, v0, u1, v1 = FACE_BOX
            place = (
                whole[0] + u0 * across,
                whole[1] + v0 * down,
                whole[0] + u1 * across,
                whole[1] + v1 * down,
            )
            found.append(("face", place))
    kept: list[tuple[str, Box]] = []
    for name, box in found:
        x0, y0, x1, y1 = scene.view.box(box, size)
        cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
        share = max(0.0, cut[2] - cut[0]) * max(0.0, cut[3] - cut[1]) / ((x1 - x0) * (y1 - y0))
        if share > (0.33 if not scene.face else 0.2):
            kept.append((name, cut))
    return kept


def render(
    scene: Scene, size: int, supersampling: int = 3, style: type[Canvas] = Canvas
) -> Image.Image:
    """Draw a scene as an RGB picture; the same scene gives the same pixels.

    `size` is the picture's shorter side; the scene's view gives its shape. `style` is how shapes
    are drawn: flat, or as training/styles.py has it.
    """
    rng, sky_rng = scene.rng("landscape", "horizon"), scene.rng("sky", "disc")
    palette, subject = PALETTES[scene.time], SUBJECTS.get(scene.subject)
    canvas = style(size, scene.view, supersampling)
    place = Place(canvas, palette, rng, scene.weather == "snow", scene.time == "night")

    def layer(name: str, part: str) -> Place:
        return replace(place, rng=scene.rng(name, part))

    horizon = rng.uniform(0.58, 0.64) if not scene.close_up else rng.uniform(0.66, 0.74)
    sides = {"left": (0.74,), "right": (0.26,), "center": (0.2, 0.8)}[scene.position]
    disc_x = sky_rng.choice(sides) * canvas.right + sky_rng.uniform(-0.06, 0.06)
    low, rise = scene.time in ("dawn", "sunset"), RISE * canvas.top
    disc_y = horizon - sky_rng.uniform(0.10, 0.17) if low else rise + sky_rng.uniform(0.15, 0.24)
    sky(layer("sky", "clouds"), scene.weather, (disc_x, disc_y), horizon)
    shines = scene.weather in ("clear", "cloudy")
    if scene.close_up:
        backdrop(layer("landscape", "ground"), scene.setting, horizon)
    else:
        SETTINGS[scene.setting](layer("landscape", "ground"), horizon)
        if scene.setting == "sea" and shines:
            glitter(layer("sky", "glitter"), disc_x, horizon)
    if scene.weather == "fog":
        canvas.veil(horizon - 0.28, 1.05, palette.haze, 0.62)
    if subject is not None:
        found = subject_boxes(scene)
        if subject.place == "water" and scene.setting != "sea":
            shore = found[0][3] - (0.12 if scene.close_up else 0.09)
            water(layer("landscape", "footing"), shore)
        dark = scene.time in ("night", "sunset")
        for box in found:
            footing(place, scene, box, subject.place)
            subject.draw(
                Local(canvas, box, palette.subject_light),
                COLOURS[scene.colour],
                dark,
                scene.rng("subject", "drawing"),
            )
    if scene.weather == "fog":
        canvas.veil(0.74, 1.12, palette.haze, 0.38)
    precipitation(layer("sky", "precipitation"), scene.weather)
    return canvas.finish()


def backdrop(place: Place, setting: str, horizon: float) -> None:
    """The plain ground of a close-up: one hill or a sheet of water in the setting's colour."""
    if setting == "sea":
        water(place, horizon)
        return
    colours = {
        "mountains": (86, 120, 116),
        "desert": (242, 196, 122),
        "field": (122, 178, 70),
        "forest": (62, 116, 72),
        "city": (150, 150, 166),
    }
    place.hills(horizon + 0.02, 0.05, 0.7, place.ground(colours[setting], 0.2))
    place.hills(horizon + 0.12, 0.05, 0.5, place.ground(colours[setting]))


def footing(place: Place, scene: Scene, box: Box, where: str) -> None:
    """What a subject stands on: its shadow, an island at sea, or the gleam around a boat."""
    canvas, bottom, width = place.canvas, box[3], box[2] - box[0]
    middle = (box[0] + box[2]) / 2
    if where == "water":
        tone = mix(multiply((30, 122, 172), place.palette.ground_light), (255, 255, 255), 0.25)
        canvas.oval(
            (middle - width * 0.55, bottom - 0.025, middle + width * 0.55, bottom + 0.03), tone
        )
    elif where == "ground":
        if scene.setting == "sea" and not scene.face:
            sand = place.ground((236, 206, 146))
            canvas.oval(
                (
                    middle - width * 0.5 - 0.16,
                    bottom - 0.055,
                    middle + width * 0.5 + 0.16,
                    bottom + 0.14,
                ),
                darker(sand, 0.2),
            )
            canvas.oval(
                (
                    middle - width * 0.5 - 0.15,
                    bottom - 0.06,
                    middle + width * 0.5 + 0.15,
                    bottom + 0.11,
                ),
                sand,
            )
            shade = darker(sand, 0.22)
        else:
            shade = darker(place.ground((110, 120, 96)), 0.3)
        canvas.oval(
            (middle - width * 0.56, bottom - 0.022, middle + width * 0.62, bottom + 0.026), shade
        )


def precipitation(place: Place, weather: str) -> None:
    """Slanted rain or drifting flakes in front of everything."""
    canvas, rng = place.canvas, place.rng
    if weather == "rain":
        tone = mix(place.palette.haze, (226, 238, 255), 0.6)
        for _ in range(place.all_over(34)):
            x, y = (
                rng.uniform(-0.02, canvas.right + 0.05),
                rng.uniform(canvas.top - 0.05, canvas.bottom),
            )
            canvas.line(((x, y), (x - 0.03, y + 0.095)), tone, 0.011)
    elif weather == "snow":
        for _ in range(place.all_over(40)):
            x, y = place.x(), rng.uniform(canvas.top, canvas.bottom)
            r = rng.choice((0.010, 0.013, 0.018))
            canvas.oval((x - r, y - r, x + r, y + r), (250, 252, 255))
