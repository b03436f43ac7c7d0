"""The things a scene can be about, each in one dominant colour; buildings and plants are here."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from training import figures
from training.canvas import Local
from training.palette import CREAM, GLASS, LAMP, RGB, SLATE, WOOD, darker, lighter, mix

Draw = Callable[[Local, RGB, bool, random.Random], None]


@dataclass(frozen=True)
class Subject:
    """How to draw a subject, its width over height, where it lives and its usual height."""

    draw: Draw
    aspect: float
    place: str
    height: float


def pane(at_night: bool) -> RGB:
    """Window colour: lamp light after dark, sky by day."""
    return LAMP if at_night else GLASS


def accent(colour: RGB) -> RGB:
    """A neutral partner that stands out from the dominant colour."""
    return SLATE if sum(colour) > 300 else CREAM


def house(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A gabled house with a shaded side wall, a door and lit windows."""
    _, plain, shade = pen.tones(colour)
    roof = mix(SLATE, (40, 30, 50), 0.2) if sum(colour) > 200 else (150, 120, 110)
    pen.rect(0.70, 0.08, 0.80, 0.36, darker(roof, 0.3))
    pen.rect(0.06, 0.44, 0.94, 1.0, plain)
    pen.rect(0.60, 0.44, 0.94, 1.0, shade)
    pen.polygon(((0.06, 0.46), (0.33, 0.10), (0.60, 0.46)), plain)
    pen.polygon(((0.33, 0.06), (0.86, 0.06), (1.0, 0.48), (0.60, 0.48)), roof)
    pen.line(((-0.01, 0.50), (0.33, 0.07), (0.61, 0.48)), lighter(roof, 0.15), 0.06)
    pen.rect(0.26, 0.66, 0.42, 1.0, CREAM if colour[0] + colour[1] < 460 else WOOD)
    for left, top in ((0.10, 0.56), (0.46, 0.56), (0.68, 0.62)):
        pen.rect(left - 0.015, top - 0.015, left + 0.135, top + 0.175, CREAM)
        pen.glow(left, top, left + 0.12, top + 0.16, pane(dark))


def castle(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A castle: a wall with a gate between two towers, a keep behind and flags."""
    light, plain, shade = pen.tones(colour)

    def tower(left: float, right: float, top: float, tone: RGB) -> None:
        pen.rect(left, top, right, 1.0, tone)
        tooth = (right - left + 0.06) / 5
        for i in (0, 2, 4):
            pen.rect(left - 0.03 + i * tooth, top - 0.09, left - 0.03 + (i + 1) * tooth, top, tone)
        pen.rect(left - 0.03, top - 0.035, right + 0.03, top + 0.03, tone)

    pen.line(((0.5, 0.0), (0.5, 0.2)), SLATE, 0.02)
    pen.polygon(((0.5, 0.0), (0.66, 0.045), (0.5, 0.09)), light if colour[0] < 220 else SLATE)
    tower(0.36, 0.64, 0.24, shade)
    pen.rect(0.12, 0.62, 0.88, 1.0, plain)
    tower(0.03, 0.27, 0.42, light)
    tower(0.73, 0.97, 0.42, plain)
    pen.oval(0.39, 0.68, 0.61, 0.9, darker(WOOD, 0.4))
    pen.rect(0.39, 0.79, 0.61, 1.0, darker(WOOD, 0.4))
    for u, v in ((0.12, 0.54), (0.82, 0.54), (0.47, 0.36)):
        pen.glow(u, v, u + 0.06, v + 0.10, LAMP if dark else darker(colour, 0.6))


def lighthouse(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A tapered tower with two white bands, a gallery, a shining lamp room and a domed roof."""
    _, plain, shade = pen.tones(colour)
    band = CREAM if sum(colour) < 640 else SLATE

    def slice_(top: float, bottom: float, tone: RGB) -> None:
        def edge(v: float) -> float:
            return 0.30 - 0.16 * (v - 0.28) / 0.72

        pen.polygon(
            (
                (edge(top), top),
                (1 - edge(top), top),
                (1 - edge(bottom), bottom),
                (edge(bottom), bottom),
            ),
            tone,
        )

    slice_(0.28, 1.0, plain)
    slice_(0.42, 0.54, band)
    slice_(0.70, 0.82, band)
    pen.polygon(((0.62, 0.28), (0.70, 0.28), (0.86, 1.0), (0.68, 1.0)), shade)
    pen.rect(0.42, 0.86, 0.58, 1.0, darker(WOOD, 0.3))
    pen.rect(0.18, 0.25, 0.82, 0.295, SLATE)
    pen.glow(0.32, 0.13, 0.68, 0.25, LAMP)
    pen.rect(0.48, 0.13, 0.52, 0.25, SLATE)
    pen.polygon(((0.24, 0.14), (0.5, 0.0), (0.76, 0.14)), shade if sum(colour) < 640 else SLATE)


def windmill(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A tapered mill with four lattice sails, a cap, a door and a window."""
    _, plain, shade = pen.tones(colour)
    pen.polygon(((0.36, 0.36), (0.64, 0.36), (0.78, 1.0), (0.22, 1.0)), plain)
    pen.polygon(((0.54, 0.36), (0.64, 0.36), (0.78, 1.0), (0.60, 1.0)), shade)
    pen.oval(0.33, 0.24, 0.67, 0.46, accent(colour))
    pen.rect(0.43, 0.80, 0.57, 1.0, WOOD)
    pen.glow(0.45, 0.56, 0.55, 0.66, pane(dark))
    turn = rng.uniform(0.3, 1.2)
    for quarter in range(4):
        angle = turn + quarter * math.pi / 2
        c, s = math.cos(angle), math.sin(angle)

        def reach(along: float, across: float, c: float = c, s: float = s) -> tuple[float, float]:
            return 0.5 + (c * along - s * across) * 0.40 / 0.42, 0.36 + (
                s * along + c * across
            ) * 0.40 / 0.42 * 0.85

        pen.polygon(
            (reach(0.08, 0.015), reach(0.42, 0.015), reach(0.42, 0.125), reach(0.08, 0.125)), CREAM
        )
        pen.line((reach(0, 0), reach(0.42, 0)), WOOD, 0.026)
    pen.disc(0.5, 0.36, 0.035, WOOD)


def tent(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A ridge tent with a lit front, a shaded side, an open flap and poles."""
    light, plain, shade = pen.tones(colour)
    pen.polygon(((0.38, 0.08), (0.80, 0.20), (1.0, 1.0), (0.70, 1.0)), shade)
    pen.polygon(((0.38, 0.08), (0.02, 1.0), (0.72, 1.0)), plain)
    pen.polygon(((0.38, 0.08), (0.02, 1.0), (0.22, 1.0)), light)
    pen.polygon(((0.38, 0.34), (0.26, 1.0), (0.52, 1.0)), LAMP if dark else darker(colour, 0.62))
    pen.line(((0.38, 0.0), (0.38, 0.10)), WOOD, 0.03)


def tree(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A broad-leaved tree: a forked trunk under a round crown in three tones."""
    light, plain, shade = pen.tones(colour)
    trunk = WOOD if abs(colour[0] - WOOD[0]) > 40 or colour[1] > 110 else darker(WOOD, 0.45)
    pen.polygon(((0.44, 0.55), (0.56, 0.55), (0.61, 1.0), (0.39, 1.0)), trunk)
    pen.oval(0.34, 0.16, 1.0, 0.72, shade)
    pen.oval(0.0, 0.20, 0.66, 0.74, plain)
    pen.oval(0.14, 0.0, 0.84, 0.60, plain)
    pen.oval(0.20, 0.06, 0.56, 0.36, light)
    pen.line(((0.5, 0.72), (0.5, 0.52), (0.38, 0.44)), trunk, 0.035)


def cactus(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A saguaro: a rounded column, two bent arms, a shaded side and ribs."""
    light, plain, shade = pen.tones(colour)

    def limb(u: float, half: float, top: float, bottom: float, tone: RGB) -> None:
        cap = half * pen.width / pen.height
        pen.rect(u - half, top + cap, u + half, bottom, tone)
        pen.oval(u - half, top, u + half, top + 2 * cap, tone)

    pen.rect(0.10, 0.50, 0.5, 0.62, plain)
    pen.rect(0.5, 0.42, 0.90, 0.54, shade)
    limb(0.13, 0.10, 0.24, 0.60, plain)
    limb(0.88, 0.10, 0.16, 0.52, shade)
    limb(0.5, 0.16, 0.0, 1.0, plain)
    pen.rect(0.58, 0.10, 0.66, 1.0, shade)
    for u in (0.40, 0.50):
        pen.line(((u, 0.12), (u, 0.96)), light, 0.016)


def flower(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A single large flower: eight petals around a disc, a stem and two leaves."""
    _, plain, shade = pen.tones(colour)
    stem = (44, 128, 70)
    pen.line(((0.5, 0.35), (0.5, 1.0)), stem, 0.045)
    pen.polygon(((0.5, 0.92), (0.12, 0.80), (0.06, 0.64), (0.36, 0.70)), stem)
    pen.polygon(((0.5, 0.86), (0.88, 0.74), (0.94, 0.58), (0.64, 0.64)), darker(stem, 0.2))
    reach = pen.width / pen.height
    for petal in range(8):
        angle = petal * math.pi / 4 + 0.2
        u, v = 0.5 + 0.31 * math.cos(angle), 0.31 + 0.31 * reach * math.sin(angle)
        pen.disc(u, v, 0.115, (plain, shade)[petal % 2])
    pen.disc(0.5, 0.31, 0.12, LAMP if sum(colour) < 470 or colour[2] > 100 else WOOD)
    pen.disc(
        0.48,
        0.29,
        0.06,
        lighter(LAMP, 0.4) if sum(colour) < 470 or colour[2] > 100 else lighter(WOOD, 0.3),
    )


SUBJECTS: dict[str, Subject] = {
    "house": Subject(house, 1.12, "ground", 0.42),
    "castle": Subject(castle, 1.10, "ground", 0.46),
    "lighthouse": Subject(lighthouse, 0.44, "ground", 0.60),
    "windmill": Subject(windmill, 0.86, "ground", 0.54),
    "tent": Subject(tent, 1.30, "ground", 0.36),
    "tree": Subject(tree, 0.86, "ground", 0.50),
    "cactus": Subject(cactus, 0.72, "ground", 0.48),
    "flower": Subject(flower, 0.66, "ground", 0.48),
    "person": Subject(figures.person, 0.48, "ground", 0.64),
    "cat": Subject(figures.cat, 0.86, "ground", 0.42),
    "bird": Subject(figures.bird, 1.25, "sky", 0.34),
    "car": Subject(figures.car, 1.80, "ground", 0.28),
    "sailboat": Subject(figures.sailboat, 0.92, "water", 0.50),
    "balloon": Subject(figures.balloon, 0.74, "sky", 0.50),
}
