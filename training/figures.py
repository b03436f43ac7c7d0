"""People, animals and vehicles, each drawn into its box in one dominant colour."""

from __future__ import annotations

import random

from training.canvas import Local
from training.palette import (
    CREAM,
    GLASS,
    HAIRS,
    LAMP,
    RGB,
    SKINS,
    SLATE,
    WOOD,
    darker,
    lighter,
    mix,
)

FACE_BOX = (0.18, 0.10, 0.82, 0.46)
"""The face inside a person's box, hat and hair included."""

INK: RGB = (34, 28, 44)


def person(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A standing person with a big readable face, in a coat and a hat of the dominant colour."""
    light, plain, shade = pen.tones(colour)
    skin, hair = SKINS[rng.randrange(len(SKINS))], HAIRS[rng.randrange(len(HAIRS))]
    trousers = SLATE if sum(colour) > 230 else (150, 140, 150)
    pen.rect(0.33, 0.76, 0.48, 0.98, trousers)
    pen.rect(0.52, 0.76, 0.67, 0.98, darker(trousers, 0.2))
    pen.oval(0.24, 0.94, 0.49, 1.0, INK)
    pen.oval(0.51, 0.94, 0.76, 1.0, INK)
    pen.line(((0.30, 0.50), (0.13, 0.70)), plain, 0.075)
    pen.line(((0.70, 0.50), (0.87, 0.70)), shade, 0.075)
    pen.disc(0.12, 0.72, 0.035, skin)
    pen.disc(0.88, 0.72, 0.035, skin)
    pen.polygon(((0.34, 0.44), (0.66, 0.44), (0.78, 0.80), (0.22, 0.80)), plain)
    pen.polygon(((0.56, 0.44), (0.66, 0.44), (0.78, 0.80), (0.60, 0.80)), shade)
    if rng.random() < 0.5:
        pen.rect(0.19, 0.22, 0.81, 0.47, hair)
    pen.oval(0.17, 0.08, 0.83, 0.42, hair)
    pen.oval(0.20, 0.0, 0.80, 0.32, plain)
    pen.oval(0.22, 0.13, 0.78, 0.46, skin)
    face(pen, skin)
    pen.rect(0.20, 0.125, 0.80, 0.20, plain)
    pen.rect(0.10, 0.18, 0.90, 0.22, shade)
    pen.oval(0.28, 0.02, 0.52, 0.12, light)


def face(pen: Local, skin: RGB) -> None:
    """Eyes, cheeks, a nose and a smile."""
    for u in (0.385, 0.615):
        pen.oval(u - 0.07, 0.245, u + 0.07, 0.325, (255, 255, 255))
        pen.oval(u - 0.042, 0.255, u + 0.042, 0.322, INK)
    for u in (0.30, 0.70):
        pen.oval(u - 0.06, 0.335, u + 0.06, 0.38, mix(skin, (236, 90, 90), 0.35))
    pen.oval(0.465, 0.315, 0.535, 0.355, darker(skin, 0.18))
    pen.oval(0.39, 0.345, 0.61, 0.425, (176, 44, 60))
    pen.rect(0.37, 0.335, 0.63, 0.378, skin)
    pen.oval(0.465, 0.315, 0.535, 0.355, darker(skin, 0.18))


def cat(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A sitting cat seen from the front, tail curled to one side."""
    light, plain, shade = pen.tones(colour)
    if sum(colour) < 160:
        light, shade = lighter(colour, 0.3), lighter(colour, 0.12)
    pen.line(((0.62, 0.95), (0.88, 0.92), (0.96, 0.74), (0.90, 0.58)), shade, 0.085)
    pen.disc(0.90, 0.57, 0.042, shade)
    pen.oval(0.18, 0.42, 0.78, 1.06, plain)
    pen.oval(0.34, 0.56, 0.62, 1.02, light)
    pen.oval(0.20, 0.90, 0.46, 1.0, light)
    pen.oval(0.50, 0.90, 0.76, 1.0, light)
    pen.polygon(((0.16, 0.30), (0.17, 0.0), (0.42, 0.14)), plain)
    pen.polygon(((0.80, 0.30), (0.79, 0.0), (0.54, 0.14)), plain)
    pen.polygon(((0.21, 0.20), (0.22, 0.07), (0.34, 0.14)), (240, 150, 160))
    pen.polygon(((0.75, 0.20), (0.74, 0.07), (0.62, 0.14)), (240, 150, 160))
    pen.oval(0.12, 0.10, 0.84, 0.56, plain)
    eye = (250, 226, 110) if colour[1] < 180 or colour[2] > 120 else (70, 160, 110)
    for u in (0.33, 0.63):
        pen.oval(u - 0.09, 0.24, u + 0.09, 0.39, eye)
        pen.oval(u - 0.035, 0.25, u + 0.035, 0.38, INK)
    pen.oval(0.34, 0.38, 0.62, 0.53, light)
    pen.polygon(((0.43, 0.40), (0.53, 0.40), (0.48, 0.46)), (226, 100, 120))


def bird(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A flying bird seen from the side: raised wings, a round body, a tail and a beak."""
    light, plain, shade = pen.tones(colour)
    beak = (250, 176, 40) if abs(colour[1] - 150) > 40 or colour[2] > 80 else (90, 70, 70)
    pen.polygon(((0.52, 0.62), (0.74, 0.0), (0.88, 0.10), (0.66, 0.66)), shade)
    pen.polygon(((0.30, 0.62), (0.0, 0.46), (0.02, 0.66), (0.10, 0.80), (0.34, 0.76)), shade)
    pen.oval(0.18, 0.46, 0.78, 0.98, plain)
    pen.oval(0.56, 0.34, 0.88, 0.74, plain)
    pen.oval(0.34, 0.68, 0.72, 0.97, light)
    pen.polygon(((0.86, 0.46), (1.0, 0.56), (0.86, 0.62)), beak)
    pen.disc(0.75, 0.49, 0.06, (255, 255, 255))
    pen.disc(0.76, 0.49, 0.035, INK)
    pen.polygon(
        ((0.34, 0.64), (0.30, 0.02), (0.46, 0.08), (0.56, 0.36), (0.58, 0.66)),
        mix(plain, shade, 0.5),
    )
    pen.polygon(((0.34, 0.64), (0.30, 0.02), (0.40, 0.30)), light)


def car(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A small rounded car seen from the side."""
    light, plain, shade = pen.tones(colour)
    pen.polygon(((0.18, 0.46), (0.32, 0.04), (0.68, 0.04), (0.84, 0.46)), plain)
    pen.polygon(((0.27, 0.42), (0.36, 0.13), (0.49, 0.13), (0.49, 0.42)), GLASS)
    pen.polygon(
        ((0.53, 0.42), (0.53, 0.13), (0.65, 0.13), (0.75, 0.42)), mix(GLASS, (255, 255, 255), 0.3)
    )
    pen.oval(0.0, 0.38, 0.24, 0.86, plain)
    pen.oval(0.76, 0.38, 1.0, 0.86, plain)
    pen.rect(0.10, 0.40, 0.90, 0.82, plain)
    pen.rect(0.04, 0.66, 0.96, 0.84, shade)
    pen.rect(0.14, 0.40, 0.86, 0.46, light)
    pen.oval(0.90, 0.48, 0.99, 0.66, LAMP)
    for u in (0.24, 0.76):
        pen.disc(u, 0.80, 0.20, (40, 38, 50))
        pen.disc(u, 0.80, 0.09, (206, 210, 220))


def sailboat(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A sailboat: a big sail and a jib in the dominant colour over a two-toned hull."""
    light, plain, shade = pen.tones(colour)
    pen.line(((0.46, 0.0), (0.46, 0.82)), WOOD, 0.028)
    pen.polygon(((0.50, 0.03), (0.96, 0.70), (0.50, 0.70)), plain)
    pen.polygon(((0.50, 0.40), (0.755, 0.40), (0.96, 0.70), (0.50, 0.70)), shade)
    pen.polygon(((0.42, 0.12), (0.42, 0.70), (0.08, 0.70)), light)
    hull = CREAM if sum(colour) < 600 else WOOD
    pen.polygon(((0.0, 0.77), (1.0, 0.77), (0.84, 1.0), (0.16, 1.0)), hull)
    pen.polygon(((0.0, 0.77), (1.0, 0.77), (0.96, 0.83), (0.04, 0.83)), shade)


def balloon(pen: Local, colour: RGB, dark: bool, rng: random.Random) -> None:
    """A hot-air balloon: an envelope of gores in three tones, ropes and a basket."""
    light, plain, shade = pen.tones(colour)
    pen.line(((0.30, 0.62), (0.42, 0.88)), WOOD, 0.014)
    pen.line(((0.70, 0.62), (0.58, 0.88)), WOOD, 0.014)
    for inset, tone in ((0.0, plain), (0.16, light), (0.33, plain)):
        pen.oval(inset, 0.0, 1 - inset, 0.70, tone)
    pen.polygon(((0.08, 0.46), (0.92, 0.46), (0.60, 0.78), (0.40, 0.78)), plain)
    pen.polygon(((0.22, 0.50), (0.78, 0.50), (0.57, 0.78), (0.43, 0.78)), light)
    pen.polygon(((0.36, 0.50), (0.64, 0.50), (0.54, 0.78), (0.46, 0.78)), plain)
    pen.polygon(((0.80, 0.50), (0.92, 0.46), (0.60, 0.78), (0.565, 0.78)), shade)
    pen.rect(0.40, 0.86, 0.60, 1.0, WOOD)
    pen.rect(0.39, 0.85, 0.61, 0.885, lighter(WOOD, 0.3))
