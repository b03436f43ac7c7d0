"""Captions for scenes: varied wording, order and detail, all from one list of known words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from training.canvas import Box
from training.scenes import Scene, boxes

NAMES: dict[str, tuple[str, ...]] = {
    "house": ("house", "house", "house", "cottage", "cabin", "home"),
    "castle": ("castle", "castle", "castle", "fortress"),
    "lighthouse": ("lighthouse", "lighthouse", "lighthouse", "beacon"),
    "windmill": ("windmill", "windmill", "windmill", "mill"),
    "tent": ("tent", "tent", "tent", "camping tent"),
    "tree": ("tree", "tree", "tree", "oak tree"),
    "cactus": ("cactus", "cactus", "cactus", "saguaro"),
    "flower": ("flower", "flower", "flower", "blossom", "daisy"),
    "person": ("person", "person", "person", "man", "woman", "child", "girl", "boy", "hiker"),
    "cat": ("cat", "cat", "cat", "kitten", "kitty"),
    "bird": ("bird", "bird", "bird", "flying bird"),
    "car": ("car", "car", "car", "automobile", "small car"),
    "sailboat": ("sailboat", "sailboat", "boat", "sailing boat", "ship", "yacht"),
    "balloon": ("balloon", "hot-air balloon", "hot air balloon", "hot air balloon"),
}
PLURALS: dict[str, tuple[str, ...]] = {
    "house": ("houses", "houses", "cottages", "cabins", "homes"),
    "castle": ("castles", "castles", "fortresses"),
    "lighthouse": ("lighthouses", "lighthouses", "beacons"),
    "windmill": ("windmills", "windmills", "mills"),
    "tent": ("tents", "tents", "camping tents"),
    "tree": ("trees", "trees", "oak trees"),
    "cactus": ("cacti", "cactuses", "saguaros"),
    "flower": ("flowers", "flowers", "blossoms", "daisies"),
    "person": (
        "people",
        "people",
        "persons",
        "men",
        "women",
        "children",
        "girls",
        "boys",
        "hikers",
    ),
    "cat": ("cats", "cats", "kittens"),
    "bird": ("birds", "birds", "flying birds"),
    "car": ("cars", "cars", "automobiles"),
    "sailboat": ("sailboats", "boats", "boats", "sailing boats", "ships", "yachts"),
    "balloon": ("balloons", "hot-air balloons", "hot air balloons"),
}
COUNT_WORDS: dict[int, tuple[str, ...]] = {
    1: ("one", "a single", "a lone"),
    2: ("two", "two", "two", "two", "a pair of", "a couple of"),
    3: ("three", "three", "three", "three", "three", "several", "a group of", "a few", "some"),
}
COUNT_NAMED = 0.85
"""How often a caption of several says how many; the others have a bare plural."""
ONE_TOLD = 0.05
"""How often a caption of one says that it is one."""
PEOPLE = ("person", "man", "woman", "child", "girl", "boy", "hiker")
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "red", "crimson", "scarlet"),
    "purple": ("purple", "purple", "purple", "violet"),
    "brown": ("brown", "brown", "brown", "chestnut"),
}
SETTING_WORDS: dict[str, tuple[str, ...]] = {
    "mountains": (
        "in the mountains",
        "in front of mountains",
        "with mountains",
        "below the mountains",
        "mountain landscape",
        "mountains",
    ),
    "sea": (
        "by the sea",
        "at sea",
        "on the sea",
        "at the ocean",
        "on an island",
        "on a calm sea",
        "on the beach",
        "at the coast",
        "ocean",
        "seascape",
        "sea",
    ),
    "desert": ("in the desert", "in a desert", "among sand dunes", "desert landscape", "desert"),
    "field": (
        "in a field",
        "in the fields",
        "in a meadow",
        "on green hills",
        "on a farm",
        "in the countryside",
        "on a grassland",
        "field",
    ),
    "forest": (
        "in a forest",
        "in the forest",
        "in the woods",
        "among pine trees",
        "woodland",
        "near a forest",
        "forest",
    ),
    "city": (
        "in the city",
        "in a city",
        "in town",
        "in front of skyscrapers",
        "with a city skyline",
        "on a city street",
        "downtown",
        "city",
    ),
}
BOAT_WORDS: dict[str, tuple[str, ...]] = {
    "mountains": ("on a mountain lake", "on a lake"),
    "forest": ("on a forest lake", "on a lake"),
    "city": ("on a river", "in the harbor"),
    "desert": ("on a river",),
    "field": ("on a river", "on a lake"),
    "sea": ("on the water", "on the waves"),
}
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn", "at dawn", "at sunrise", "in the early morning", "in the morning", "dawn"),
    "day": ("by day", "during the day", "in daylight", "at noon", "day", "daytime"),
    "sunset": (
        "at sunset",
        "at sunset",
        "at dusk",
        "in the evening",
        "sunset",
        "at twilight",
        "with a sunset sky",
    ),
    "night": (
        "at night",
        "at night",
        "by night",
        "at midnight",
        "night",
        "in the dark",
        "nighttime",
    ),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("clear sky", "clear weather", "under a clear sky"),
    "cloudy": (
        "cloudy",
        "cloudy sky",
        "with clouds",
        "under a cloudy sky",
        "fluffy clouds",
        "overcast",
    ),
    "rain": ("in the rain", "rain", "rainy", "rainy weather", "raining", "stormy"),
    "snow": ("in the snow", "snow", "snowing", "snowy", "in winter", "with snow", "snowfall"),
    "fog": ("in the fog", "fog", "foggy", "in the mist", "misty"),
}
SKY_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("sunny", "on a sunny day", "in the sunshine", "under a blue sky"),
    "night": (
        "under the stars",
        "starry night",
        "under a full moon",
        "in the moonlight",
        "starry sky",
    ),
    "dawn": ("with the rising sun", "in soft light"),
    "sunset": ("with the setting sun", "in golden light"),
}
POSITION_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left", "to the left", "on the left side", "at left"),
    "center": ("in the center", "in the middle", "in the centre", "at center", "centered"),
    "right": ("on the right", "on the right", "to the right", "on the right side", "at right"),
}
SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "large": ("large", "big", "huge")}
STYLE_WORDS = (
    "flat poster illustration of",
    "poster of",
    "a poster of",
    "an illustration of",
    "flat illustration of",
    "a picture of",
    "flat design",
    "minimalist poster of",
    "vector art of",
    "an image of",
)
CLOSE_WORDS = ("close-up of", "a close-up of", "close up of", "a detailed")
FACE_WORDS = (
    "portrait of",
    "the face of",
    "a face,",
    "close-up of the face of",
    "a portrait of",
    "face of",
)
ZOOM_WORDS = ("detail of", "a detail of", "zoomed in on")
"""What a crop's caption begins with: untold, a model shows crops to those who ask for none."""
VIEW_WORDS = ("landscape", "a view of", "scenery", "a landscape")
EXTRA_WORDS = (
    "a an the of with and in on at by near under over above below behind from to is are its "
    "next front beside scene background sky sun moon star stars hill hills houses trees boats "
    "sailboats balloons cats birds cars people flowers castles tents windmills lighthouses "
    "dunes sand water wave waves island cloud woods wood grass art beautiful pretty bright "
    "colorful colourful simple style standing sitting sailing floating flying parked growing "
    "faces eyes mouth smile smiling hat coat clothes wearing dressed cute nice lone single "
    "one "
)


LETTERS = ("bcdfghjklmnprstvwyz", "aaeeiioou")
"""What made-up words are made of, in turns."""
POSITION_TOLD = {"left": 0.95, "center": 0.3, "right": 0.95}
"""How often a caption names the position: where it names none, the subject is mostly centred, or
a model would learn to paint it in several places at once."""
CLOSE_TOLD = 0.92
"""How often a close-up's caption says that it is one."""
AROUND_FIRST = 0.15
"""How often a caption names the surroundings before the subject."""


def caption(scene: Scene, rng: random.Random) -> str:
    """A caption that says part of what the picture shows, never what it does not show."""
    shown = dict(boxes(scene, 100))
    parts: list[str] = []
    if scene.subject in shown or scene.face:
        parts.append(_about(scene, rng, shown.get(scene.subject)))
    elif rng.random() < 0.5:
        parts.append(rng.choice(VIEW_WORDS))
    keep = 0.35 if scene.close_up else 0.82
    around = [_where(scene, rng)] if rng.random() < keep else []
    if rng.random() < (0.5 if scene.close_up else 0.8):
        words = TIME_WORDS[scene.time]
        if scene.weather == "clear" and scene.time in SKY_WORDS and rng.random() < 0.25:
            words = SKY_WORDS[scene.time]
        around.append(rng.choice(words))
    if rng.random() < {"clear": 0.12, "cloudy": 0.6}.get(scene.weather, 0.85):
        around.append(rng.choice(WEATHER_WORDS[scene.weather]))
    if rng.random() < 0.3:
        rng.shuffle(around)
    text = ""
    for part in [*around, *parts] if rng.random() < AROUND_FIRST else [*parts, *around]:
        joined = part.split()[0] in (
            "in",
            "on",
            "at",
            "by",
            "with",
            "under",
            "below",
            "among",
            "near",
            "to",
            "during",
        )
        text += part if not text else f" {part}" if joined and rng.random() < 0.75 else f", {part}"
    if not text:
        text = rng.choice(SETTING_WORDS[scene.setting])
    if scene.view.span < 1.0:
        text = f"{rng.choice(ZOOM_WORDS)} {text}"
    if rng.random() < 0.22 and not scene.close_up:
        text = f"{rng.choice(STYLE_WORDS)} {text}"
    return text


def _about(scene: Scene, rng: random.Random, box: Box | None) -> str:
    """The subject with its number, colour, size and position; several stand all over."""
    several = scene.count > 1
    noun = rng.choice((PLURALS if several else NAMES)[scene.subject])
    colour = rng.choice(COLOUR_WORDS.get(scene.colour, (scene.colour,)))
    words = [colour] if rng.random() < 0.93 else []
    if scene.whole and scene.size in SIZE_WORDS and rng.random() < 0.6:
        words.insert(0, rng.choice(SIZE_WORDS[scene.size]))
    if scene.subject == "person" and rng.random() < 0.45:
        dress = rng.choice(
            (
                "in a {} coat",
                "in {}",
                "wearing a {} hat",
                "in a {} hat",
                "dressed in {}",
                "in {} clothes",
                "with a {} hat",
            )
        )
        text = f"{noun} {dress.format(colour)}"
        text = " ".join([*words[:-1], text]) if colour in words else text
        if several:
            text = text.replace(" coat", " coats").replace(" hat", " hats").replace(" a ", " ")
    else:
        text = " ".join([*words, noun])
    roll = rng.random()
    if scene.face:
        return f"{rng.choice(FACE_WORDS)} {_article(text)}{text}"
    if scene.close_up and roll < CLOSE_TOLD:
        lead = rng.choice(CLOSE_WORDS)
        return f"{lead} {text}" if lead == "a detailed" else f"{lead} {_article(text)}{text}"
    if several:
        counted = rng.random() < COUNT_NAMED
        return f"{rng.choice(COUNT_WORDS[scene.count])} {text}" if counted else text
    if rng.random() < ONE_TOLD:
        text = f"{rng.choice(COUNT_WORDS[1])} {text}"
    else:
        text = text if roll < 0.12 else f"the {text}" if roll < 0.2 else _article(text) + text
    side = scene.position
    if box is not None and scene.view.span < 1.0:
        middle = (box[0] + box[2]) / 2
        side = "left" if middle < 37 else "right" if middle > 63 else "center"
    if not scene.close_up and rng.random() < POSITION_TOLD[side]:
        text += f" {rng.choice(POSITION_WORDS[side])}"
    return text


def _where(scene: Scene, rng: random.Random) -> str:
    """Words for the setting; boats on land float on its lake or river."""
    words = SETTING_WORDS[scene.setting]
    if scene.subject == "sailboat" and rng.random() < 0.4:
        words = BOAT_WORDS[scene.setting]
    if (
        scene.weather == "snow"
        and rng.random() < 0.2
        and scene.setting in ("mountains", "forest", "field", "city")
    ):
        words = (
            f"snowy {scene.setting}",
            f"in a snowy {scene.setting}" if scene.setting != "mountains" else "in snowy mountains",
        )
    return rng.choice(words)


def _article(text: str) -> str:
    return "an " if text[0] in "aeiou" else "a "


def _phrases() -> Iterator[str]:
    tables: tuple[Mapping[Any, tuple[str, ...]], ...] = (
        NAMES,
        PLURALS,
        COUNT_WORDS,
        COLOUR_WORDS,
        SETTING_WORDS,
        BOAT_WORDS,
        TIME_WORDS,
        WEATHER_WORDS,
        SKY_WORDS,
        POSITION_WORDS,
        SIZE_WORDS,
    )
    for table in tables:
        for phrases in table.values():
            yield from phrases
    yield from (
        *STYLE_WORDS,
        *CLOSE_WORDS,
        *FACE_WORDS,
        *ZOOM_WORDS,
        *VIEW_WORDS,
        *PEOPLE,
        EXTRA_WORDS,
    )
    yield "green blue pink white black orange yellow coat coats hat hats wearing dressed clothes"


def with_strange_words(text: str, rng: random.Random) -> str:
    """A caption with one to three made-up words somewhere in it, which say nothing."""
    words = text.split()
    for _ in range(rng.randint(1, 3)):
        word = "".join(rng.choice(LETTERS[i % 2]) for i in range(rng.randint(3, 9)))
        words.insert(rng.randint(0, len(words)), word)
    return " ".join(words)


def split_words(text: str) -> list[str]:
    """The words of a text, lower-case, punctuation and hyphens removed."""
    return re.findall(r"[a-z]+", text.lower())


WORDS: tuple[str, ...] = tuple(
    sorted({word for phrase in _phrases() for word in split_words(phrase)})
)
