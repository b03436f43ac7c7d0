"""Held-out prompts from the caption grammar, and what each of them asks for."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice

from training.captions import (
    BOAT_WORDS,
    COLOUR_WORDS,
    NAMES,
    PLURALS,
    POSITION_WORDS,
    SETTING_WORDS,
    SKY_WORDS,
    TIME_WORDS,
    WEATHER_WORDS,
    caption,
    split_words,
)
from training.data import HELD_OUT
from training.judge import PARTS, is_whole
from training.scenes import Scene, random_scene

FIRST_SEED = HELD_OUT + 1_000_000
"""No picture, caption or text encoder was trained on seeds from here on."""


@dataclass(frozen=True)
class Asked:
    """A prompt, and the scene that it describes."""

    prompt: str
    scene: Scene

    @property
    def parts(self) -> dict[str, str]:
        """The scene's value of every part that the judge judges."""
        return {part: str(getattr(self.scene, part)) for part in PARTS}


def held_out_prompts(number: int) -> list[Asked]:
    """The first prompts of the grammar, by seed, that name all five parts of a whole scene."""
    found = (
        asked
        for asked in _held_out_captions()
        if named(asked.prompt) == {part: {value} for part, value in asked.parts.items()}
    )
    return list(islice(found, number))


def held_out_scenes() -> Iterator[Scene]:
    """Whole scenes that training never saw, one after another."""
    return (scene for scene in map(random_scene, count(FIRST_SEED)) if is_whole(scene))


def _held_out_captions() -> Iterator[Asked]:
    """A caption of every such scene, which names some of its parts."""
    return (Asked(caption(scene, random.Random(scene.seed)), scene) for scene in held_out_scenes())


def named(text: str) -> dict[str, set[str]]:
    """The values that a text names, by part; words that fit several values name none.

    A blue sky gives no subject its colour, and pine trees around it are not the subject.
    """
    plain = f" {' '.join(split_words(text))} "
    alone = plain
    for phrase in _AROUND:
        alone = alone.replace(phrase, "  ")
    return {
        part: {
            value
            for value, phrases in values.items()
            if any(p in (alone if part in ("subject", "colour") else plain) for p in phrases)
        }
        for part, values in _PHRASES.items()
    }


def _phrases() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for subject in PARTS["subject"]:
        yield "subject", subject, NAMES[subject] + PLURALS[subject]
    for colour in PARTS["colour"]:
        yield "colour", colour, COLOUR_WORDS.get(colour, (colour,))
    for setting in PARTS["setting"]:
        others = {p for name, words in BOAT_WORDS.items() if name != setting for p in words}
        own = tuple(p for p in BOAT_WORDS[setting] if p not in others)
        yield "setting", setting, (setting, *SETTING_WORDS[setting], *own)
    for time in PARTS["time"]:
        yield "time", time, (*TIME_WORDS[time], *SKY_WORDS[time])
    for position in PARTS["position"]:
        yield "position", position, POSITION_WORDS[position]


def _normal(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(f" {' '.join(split_words(phrase))} " for phrase in phrases)


_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {part: {} for part in PARTS}
for _part, _value, _words in _phrases():
    _PHRASES[_part][_value] = _normal(_words)
_AROUND = sorted(
    _normal(
        phrase
        for table in (SETTING_WORDS, BOAT_WORDS, TIME_WORDS, SKY_WORDS, WEATHER_WORDS)
        for phrases in table.values()
        for phrase in phrases
    ),
    key=len,
    reverse=True,
)
