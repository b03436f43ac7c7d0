"""Colours of the scene world: ten subject colours and one harmonious palette per time of day."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (216, 44, 48),
    "orange": (242, 126, 30),
    "yellow": (252, 206, 44),
    "green": (46, 160, 82),
    "blue": (36, 104, 210),
    "purple": (130, 66, 180),
    "pink": (248, 130, 176),
    "white": (248, 246, 240),
    "black": (40, 40, 50),
    "brown": (134, 82, 48),
}

WOOD: RGB = (112, 74, 50)
SLATE: RGB = (74, 78, 104)
CREAM: RGB = (250, 240, 220)
GLASS: RGB = (150, 212, 236)
LAMP: RGB = (255, 224, 120)
SKINS: tuple[RGB, ...] = ((250, 212, 180), (232, 182, 142), (190, 130, 90), (132, 86, 60))
HAIRS: tuple[RGB, ...] = ((60, 40, 34), (36, 32, 40), (150, 92, 44), (214, 168, 88))


def mix(a: RGB, b: RGB, amount: float) -> RGB:
    """Blend `a` towards `b`; 0 gives `a`, 1 gives `b`."""
    red, green, blue = (round(p + (q - p) * amount) for p, q in zip(a, b, strict=True))
    return red, green, blue


def multiply(colour: RGB, light: tuple[float, float, float]) -> RGB:
    """Light a colour: scale each channel and clip to 0..255."""
    red, green, blue = (max(0, min(255, round(c * k))) for c, k in zip(colour, light, strict=True))
    return red, green, blue


def darker(colour: RGB, amount: float = 0.22) -> RGB:
    """The shaded plane of a colour, leaning to indigo as poster shadows do."""
    return mix(colour, (24, 18, 60), amount)


def lighter(colour: RGB, amount: float = 0.25) -> RGB:
    """The lit plane of a colour, leaning to warm white."""
    return mix(colour, (255, 250, 232), amount)


@dataclass(frozen=True)
class Palette:
    """Sky from top to horizon, haze, disc, clouds, and the light on ground and subjects."""

    sky: tuple[RGB, RGB, RGB]
    haze: RGB
    disc: RGB
    glow: RGB
    cloud: RGB
    ground_light: tuple[float, float, float]
    subject_light: tuple[float, float, float]


PALETTES: dict[str, Palette] = {
    "dawn": Palette(
        sky=((132, 150, 212), (226, 178, 206), (255, 218, 190)),
        haze=(238, 196, 202),
        disc=(255, 244, 212),
        glow=(255, 226, 204),
        cloud=(255, 232, 228),
        ground_light=(0.86, 0.78, 0.88),
        subject_light=(0.98, 0.94, 0.98),
    ),
    "day": Palette(
        sky=((74, 168, 230), (134, 204, 240), (208, 238, 244)),
        haze=(190, 224, 238),
        disc=(255, 236, 140),
        glow=(244, 240, 200),
        cloud=(255, 255, 255),
        ground_light=(1.0, 1.0, 1.0),
        subject_light=(1.0, 1.0, 1.0),
    ),
    "sunset": Palette(
        sky=((92, 44, 118), (222, 84, 92), (255, 186, 84)),
        haze=(242, 136, 92),
        disc=(255, 232, 140),
        glow=(255, 200, 110),
        cloud=(250, 150, 110),
        ground_light=(0.82, 0.58, 0.60),
        subject_light=(0.98, 0.86, 0.84),
    ),
    "night": Palette(
        sky=((12, 20, 60), (28, 46, 104), (62, 88, 152)),
        haze=(54, 78, 138),
        disc=(252, 246, 218),
        glow=(60, 80, 136),
        cloud=(72, 94, 152),
        ground_light=(0.38, 0.50, 0.74),
        subject_light=(0.76, 0.76, 0.88),
    ),
}
