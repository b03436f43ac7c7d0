"""The places a scene can be set in: sky, distance and ground, drawn from far to near."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from training.canvas import Canvas, Point
from training.palette import LAMP, RGB, Palette, darker, lighter, mix, multiply

SNOW: RGB = (240, 246, 252)
RISE = 0.6
"""How far clouds, sun and moon rise with the top of a tall scene."""


@dataclass(frozen=True)
class Place:
    """What a setting needs to draw itself."""

    canvas: Canvas
    palette: Palette
    rng: random.Random
    snowy: bool
    night: bool

    def ground(self, colour: RGB, distance: float = 0.0) -> RGB:
        """A ground colour under this light; distance 0..1 fades it into the haze."""
        base = mix(colour, SNOW, 0.86) if self.snowy else colour
        return mix(multiply(base, self.palette.ground_light), self.palette.haze, distance)

    def across(self, number: float) -> int:
        """How many there are from edge to edge of what a square scene has `number` of."""
        return round(number * self.canvas.right)

    def all_over(self, number: float) -> int:
        """How many there are in the whole scene of what a square one has `number` of."""
        return round(self.across(number) * (self.canvas.bottom - self.canvas.top))

    def spread(self, number: int, low: float, high: float) -> Iterator[float]:
        """Places from edge to edge, `number` in a square: one in each part, low..high within."""
        return ((i + self.rng.uniform(low, high)) / number for i in range(self.across(number)))

    def x(self, margin: float = 0.0) -> float:
        """Somewhere from left to right."""
        return self.rng.uniform(margin, self.canvas.right - margin)

    def band(self, top: float, bottom: float, colour: RGB) -> None:
        """A stripe from edge to edge."""
        right = self.canvas.right + 0.02
        self.canvas.polygon(((-0.02, top), (right, top), (right, bottom), (-0.02, bottom)), colour)

    def hills(self, base: float, height: float, waves: float, colour: RGB) -> None:
        """A rolling hill line from edge to edge, filled to the bottom of the scene."""
        phase, skew = self.rng.uniform(0, math.tau), self.rng.uniform(-0.3, 0.3)
        right, low = self.canvas.right, self.canvas.bottom + 0.02
        points: list[Point] = [(-0.02, low)]
        steps = self.across(32)
        for i in range(steps + 1):
            x = -0.02 + i * (right + 0.04) / steps
            bump = math.sin(phase + x * waves * math.tau) + 0.35 * math.sin(
                2.1 * phase + x * waves * 13.0
            )
            points.append((x, base - height * (0.5 + 0.37 * bump + skew * (x / right - 0.5))))
        points.append((right + 0.02, low))
        self.canvas.polygon(points, colour)


def sky(place: Place, weather: str, disc: Point, horizon: float) -> None:
    """Gradient, stars or a sun with its glow, and clouds as the weather asks."""
    canvas, palette, rng = place.canvas, place.palette, place.rng
    top, middle, bottom = palette.sky
    if weather in ("cloudy", "rain", "snow", "fog"):
        grey = mix((176, 184, 200), palette.haze, 0.35)
        grey = multiply(grey, (0.34, 0.38, 0.52)) if place.night else grey
        weight = {"cloudy": 0.22, "rain": 0.55, "snow": 0.45, "fog": 0.55}[weather]
        top, middle, bottom = (
            mix(top, grey, weight),
            mix(middle, grey, weight),
            mix(bottom, grey, weight),
        )
    canvas.gradient((top, middle, bottom), horizon + 0.04)
    if place.night and weather in ("clear", "cloudy"):
        for _ in range(place.all_over(26 if weather == "clear" else 9)):
            x, y, r = (
                place.x(),
                rng.uniform(canvas.top, horizon * 0.92),
                rng.choice((0.004, 0.005, 0.008)),
            )
            canvas.oval((x - r, y - r, x + r, y + r), mix(palette.disc, top, 0.15))
    if weather in ("clear", "cloudy") or (weather == "snow" and place.night):
        x, y = disc
        r = 0.075 if place.night else 0.095
        for ring, amount in ((1.9, 0.28), (1.45, 0.5)):
            halo = mix(middle if y > 0.25 else mix(top, middle, 0.5), palette.glow, amount)
            canvas.oval((x - r * ring, y - r * ring, x + r * ring, y + r * ring), halo)
        canvas.oval((x - r, y - r, x + r, y + r), palette.disc)
        if place.night:
            for dx, dy, s in ((-0.4, -0.2, 0.22), (0.25, 0.35, 0.28), (0.3, -0.45, 0.15)):
                cx, cy = x + dx * r, y + dy * r
                canvas.oval(
                    (cx - s * r, cy - s * r, cx + s * r, cy + s * r), darker(palette.disc, 0.12)
                )
    count = {"clear": rng.choice((0, 0, 1)), "cloudy": 4, "rain": 4, "snow": 2, "fog": 1}[weather]
    tone = mix(
        palette.cloud, (110, 118, 142), 0.45 if weather == "rain" and not place.night else 0.0
    )
    for x in place.spread(count, 0.1, 0.9):
        cloud(
            canvas,
            x,
            rng.uniform(0.08, 0.36) + RISE * canvas.top,
            rng.uniform(0.13, 0.20),
            tone,
            mix(tone, middle, 0.32),
        )


def cloud(canvas: Canvas, x: float, y: float, size: float, tone: RGB, under: RGB) -> None:
    """A flat-bottomed cloud of three puffs with a shaded underside."""
    for shift, colour in ((0.014, under), (0.0, tone)):
        for dx, up, r in ((-0.55, 0.30, 0.34), (0.0, 0.46, 0.48), (0.52, 0.32, 0.36)):
            cx, cy = x + dx * size, y - up * size * 0.5 + shift
            canvas.oval((cx - r * size, cy - r * size, cx + r * size, cy + r * size * 0.72), colour)
        left, right, bottom = x - 0.9 * size, x + 0.9 * size, y + 0.17 * size + shift
        canvas.oval((left, bottom - 0.30 * size, right, bottom), colour)


def mountains(place: Place, horizon: float) -> None:
    """Two ranges of faceted peaks with snow caps over dark foothills."""
    canvas, rng = place.canvas, place.rng
    for base, tall, count, distance in (
        (horizon + 0.02, 0.36, 3, 0.52),
        (horizon + 0.06, 0.25, 4, 0.22),
    ):
        colour = place.ground((92, 104, 148), distance)
        place.band(base - 0.05, canvas.bottom, colour)
        for x in place.spread(count, 0.2, 0.8):
            peak = base - tall * rng.uniform(0.72, 1.0)
            half = (base - peak) * rng.uniform(0.85, 1.1)
            canvas.polygon(((x - half, base), (x, peak), (x + half, base)), colour)
            canvas.polygon(
                ((x, peak), (x + half, base), (x + 0.12 * half, base)), darker(colour, 0.16)
            )
            k = 0.30
            snow = mix(
                multiply(SNOW, place.palette.ground_light), place.palette.haze, distance * 0.5
            )
            y = peak + (base - peak) * k
            cap = (
                (x, peak),
                (x + half * k, y),
                (x + half * 0.1, y - 0.02),
                (x - half * 0.08, y + 0.015),
                (x - half * k, y),
            )
            canvas.polygon(cap, snow)
    place.hills(horizon + 0.10, 0.07, 0.8, place.ground((86, 132, 108), 0.12))
    place.hills(horizon + 0.20, 0.06, 0.6, place.ground((66, 112, 84)))


def sea(place: Place, horizon: float) -> None:
    """Open water to the horizon with bands, wave strokes and a far headland."""
    canvas, rng = place.canvas, place.rng
    if rng.random() < 0.5:
        x, w = place.x(), rng.uniform(0.2, 0.35)
        land = place.ground((96, 112, 140), 0.45)
        canvas.polygon(
            (
                (x - w, horizon + 0.01),
                (x - w * 0.3, horizon - 0.06),
                (x + w * 0.2, horizon - 0.04),
                (x + w, horizon + 0.01),
            ),
            land,
        )
    water(place, horizon)


def water(place: Place, top: float) -> None:
    """Water from a line down to the bottom, in three bands with light strokes."""
    canvas, rng = place.canvas, place.rng
    base = mix(multiply((30, 122, 172), place.palette.ground_light), place.palette.haze, 0.18)
    depth = canvas.bottom - top
    for share, tone in (
        (0.0, mix(base, place.palette.haze, 0.35)),
        (0.16, base),
        (0.55, darker(base, 0.18)),
    ):
        place.band(top + depth * share, canvas.bottom + 0.02, tone)
    for _ in range(place.all_over(9)):
        x, y = place.x(), top + depth * rng.uniform(0.1, 0.95)
        length = 0.03 + 0.09 * (y - top) / depth
        canvas.line(
            ((x - length, y), (x + length, y)),
            mix(base, lighter(place.palette.haze, 0.3), 0.45),
            0.011,
        )


def glitter(place: Place, x: float, top: float) -> None:
    """The path of light that the sun or moon lays on water."""
    canvas, rng = place.canvas, place.rng
    for i in range(7):
        y = top + 0.012 + (canvas.bottom - top) * (i / 7.5) ** 1.25
        length = 0.035 + 0.05 * rng.random() + 0.03 * i / 7
        shift = rng.uniform(-0.02, 0.02)
        canvas.line(
            ((x + shift - length, y), (x + shift + length, y)),
            mix(place.palette.disc, place.palette.haze, 0.25),
            0.013,
        )


def desert(place: Place, horizon: float) -> None:
    """Mesas on the horizon behind overlapping dunes."""
    canvas, rng = place.canvas, place.rng
    rock = place.ground((196, 106, 76), 0.35)
    for _ in range(place.across(2)):
        x, w, h = place.x(0.05), rng.uniform(0.10, 0.18), rng.uniform(0.10, 0.20)
        y = horizon + 0.05
        canvas.polygon(((x - w, y), (x - w * 0.7, y - h), (x + w * 0.7, y - h), (x + w, y)), rock)
        canvas.polygon(
            ((x + w * 0.2, y), (x + w * 0.3, y - h), (x + w * 0.7, y - h), (x + w, y)),
            darker(rock, 0.16),
        )
    for base, height, distance in ((0.04, 0.06, 0.28), (0.12, 0.07, 0.10), (0.22, 0.08, 0.0)):
        colour = mix(place.ground((242, 196, 122)), place.palette.haze, distance)
        place.hills(horizon + base, height, 0.7, darker(colour, 0.05 if distance else 0.0))


def field(place: Place, horizon: float) -> None:
    """Rolling green hills, the nearest striped by crop rows, with a dotted hedge."""
    canvas, rng = place.canvas, place.rng
    place.hills(horizon + 0.02, 0.10, 0.7, place.ground((126, 178, 128), 0.42))
    place.hills(horizon + 0.08, 0.08, 0.9, place.ground((140, 188, 92), 0.16))
    for _ in range(place.across(7)):
        x, r = place.x(), rng.uniform(0.015, 0.028)
        y = horizon + 0.045
        canvas.oval((x - r, y - r * 1.3, x + r, y + r), place.ground((70, 132, 84), 0.18))
    near = place.ground((122, 178, 70))
    place.hills(horizon + 0.16, 0.05, 0.5, near)
    vanish, low = rng.uniform(0.3, 0.7) * canvas.right, canvas.bottom + 0.02
    for i in range(-place.across(5), place.across(5) + 1):
        x = vanish + i * 0.30
        top = vanish + i * 0.085
        y = horizon + 0.20
        canvas.polygon(
            ((top, y), (top + 0.02, y), (x + 0.085, low), (x - 0.02, low)),
            mix(near, place.ground((208, 200, 84)), 0.5),
        )


def forest(place: Place, horizon: float) -> None:
    """Three rows of firs, paler with distance, above a mossy clearing."""
    canvas, rng = place.canvas, place.rng
    rows = ((0.03, 0.22, 11, 0.52), (0.08, 0.30, 8, 0.24), (0.13, 0.36, 6, 0.0))
    for base, tall, count, distance in rows:
        colour = mix(
            multiply((34, 104, 76), place.palette.ground_light), place.palette.haze, distance
        )
        y = horizon + base
        place.band(y - 0.05, canvas.bottom, colour)
        for x in place.spread(count, 0.15, 0.85):
            fir(canvas, x, y, tall * rng.uniform(0.7, 1.0), colour, place.snowy)
    place.hills(horizon + 0.17, 0.04, 0.6, place.ground((76, 130, 74)))
    place.hills(horizon + 0.28, 0.03, 0.5, place.ground((62, 114, 68)))


def fir(canvas: Canvas, x: float, base: float, height: float, colour: RGB, snowy: bool) -> None:
    """A fir of three stacked tiers, its right half shaded."""
    for share, half in ((0.0, 0.26), (0.30, 0.20), (0.58, 0.14)):
        low, high = base - height * share, base - height * min(1.0, share + 0.48)
        w = half * height
        canvas.polygon(((x - w, low), (x, high), (x + w, low)), colour)
        canvas.polygon(((x, low), (x, high), (x + w, low)), darker(colour, 0.15))
        if snowy:
            tip = high + (low - high) * 0.4
            canvas.polygon(
                ((x - w * 0.4, tip), (x, high), (x + w * 0.4, tip)), mix(SNOW, colour, 0.25)
            )


def city(place: Place, horizon: float) -> None:
    """Two rows of towers with windows, lit after dark, above a paved street."""
    canvas, rng = place.canvas, place.rng
    low = canvas.bottom
    for base, tall, count, distance in ((0.06, 0.44, 8, 0.5), (0.12, 0.32, 6, 0.14)):
        x = -0.02
        while x < canvas.right:
            w = rng.uniform(0.75, 1.25) / count
            top = horizon + base - tall * rng.uniform(0.45, 1.0)
            wall = rng.choice(((98, 108, 150), (124, 116, 156), (84, 98, 138)))
            colour = mix(multiply(wall, place.palette.ground_light), place.palette.haze, distance)
            canvas.polygon(((x, top), (x + w, top), (x + w, low), (x, low)), colour)
            canvas.polygon(
                ((x + w * 0.7, top), (x + w, top), (x + w, low), (x + w * 0.7, low)),
                darker(colour, 0.14),
            )
            lit = (
                mix(LAMP, colour, 0.45 * (distance > 0.3))
                if place.night
                else mix(colour, place.palette.haze, 0.55)
            )
            for row in range(7):
                y = top + 0.035 + row * 0.055
                if y > horizon + base - 0.03:
                    break
                for column in (0.16, 0.45):
                    if rng.random() < 0.8:
                        u = x + w * column
                        canvas.polygon(
                            ((u, y), (u + w * 0.17, y), (u + w * 0.17, y + 0.028), (u, y + 0.028)),
                            lit,
                        )
            x += w + 0.004
    street = place.ground((150, 150, 166))
    place.band(horizon + 0.12, low + 0.02, street)
    place.band(horizon + 0.12, horizon + 0.15, lighter(street, 0.2))
    for i in range(place.across(5)):
        u, v = 0.02 + i * 0.22, low - 0.055
        canvas.polygon(
            ((u, v), (u + 0.11, v), (u + 0.11, v + 0.02), (u, v + 0.02)), lighter(street, 0.45)
        )


SETTINGS: dict[str, Callable[[Place, float], None]] = {
    "mountains": mountains,
    "sea": sea,
    "desert": desert,
    "field": field,
    "forest": forest,
    "city": city,
}
