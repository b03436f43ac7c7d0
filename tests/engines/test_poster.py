"""The built-in text-to-image model: words as people write them, weights, negatives, its LoRA."""

from __future__ import annotations

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.prompts import unknown_words
from ninefold.engines.sampler_names import find_scheduler
from ninefold.engines.sampler_table import SAMPLERS
from ninefold.imaging.likeness import mean_absolute_difference
from ninefold.imaging.measures import blankness
from ninefold.imaging.types import Pixels

from .conftest import needs_builtin, text

pytestmark = [needs_builtin, pytest.mark.slow]

QUIET = SilentProgress()
NEON = "night-neon"


def made(engines: EngineSet, prompt: str, steps: int = 6, **changes: object) -> Pixels:
    width, height = engines.diffusion.describe("poster").native_size
    asked = text(prompt=prompt, width=width, height=height, steps=steps, **changes)
    return engines.diffusion.run(asked, QUIET).image


@pytest.mark.parametrize(
    "prompt",
    [
        "lighthouse at night",
        "snowy mountains, a small blue tent",
        "two red boats on a calm sea",
        "three yellow tents in the forest, a pair of kittens",
        "A kitten in the woods, by day.",
        "windmills on green hills",
        "Crimson hot-air balloons over the desert at dawn!",
        "at twilight, a little yellow automobile downtown",
        "people wearing green coats in the city in the rain",
    ],
)
def test_words_that_people_use_are_known(real_engines: EngineSet, prompt: str) -> None:
    assert unknown_words(prompt, real_engines.diffusion.describe("poster")) == ()


def test_a_prompt_of_unknown_words_alone_gives_a_picture_and_names_them(
    real_engines: EngineSet,
) -> None:
    prompt = "Quantum zeppelins, chandelier"
    info = real_engines.diffusion.describe("poster")
    assert unknown_words(prompt, info) == ("quantum", "zeppelins", "chandelier")
    assert blankness(made(real_engines, prompt)) < 0.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers copies tensors to arrays
def test_every_sampler_paints_what_the_model_s_own_does(real_engines: EngineSet) -> None:
    """Nearer to its picture in many steps than noise is; those that draw paint one of theirs."""
    prompt, drawing = "a red house by the sea", ("_a", "sde", "sde_heun", "ddpm", "solver", "lcm")

    def painted(name: str, steps: int) -> Pixels:
        asked = text(prompt=prompt, width=128, height=128, steps=steps, scheduler=name)
        return real_engines.diffusion.run(asked, QUIET).image

    expected = painted("ddim", 24).astype(float)

    def distance(picture: Pixels) -> float:
        return float(((picture - expected) ** 2).mean() ** 0.5)

    noise = np.random.default_rng(1).integers(0, 256, expected.shape, np.uint8)
    for name in SAMPLERS:
        found = find_scheduler(name)
        assert found is not None
        if found.fits("zero_snr"):
            picture = painted(name, 8)
            assert 20 < picture.std() < 95, name
            assert name.endswith(drawing) or distance(picture) < 0.5 * distance(noise), name


def test_weights_and_negative_prompts_change_the_picture(real_engines: EngineSet) -> None:
    prompt = "a red house by the sea"
    plain = made(real_engines, prompt)
    for other in (
        made(real_engines, "a (red:1.5) house by the sea"),
        made(real_engines, prompt, negative_prompt="night"),
    ):
        assert mean_absolute_difference(plain, other) > 1


@pytest.mark.parametrize(
    ("prompts", "label", "count"),
    [
        (("a red boat on a calm sea", "one boat by day"), "sailboat", 1),
        (("two red boats on a calm sea", "a pair of blue boats by day"), "sailboat", 2),
        (("three yellow tents in the forest", "three blue tents by day"), "tent", 3),
    ],
)
def test_it_paints_as_many_as_are_asked_for(
    real_engines: EngineSet, prompts: tuple[str, ...], label: str, count: int
) -> None:
    pictures = [made(real_engines, prompt, seed=seed) for prompt in prompts for seed in range(3)]
    found = [real_engines.detection.detect("detector", picture, 0.4) for picture in pictures]
    right = [sum(hit.label == label for hit in hits) == count for hits in found]
    assert sum(right) >= 4, [[hit.label for hit in hits] for hits in found]


@pytest.mark.parametrize("size", [(384, 256), (256, 384), (448, 256)])
def test_shapes_other_than_square_are_made(real_engines: EngineSet, size: tuple[int, int]) -> None:
    asked = text(prompt="a red house", width=size[0], height=size[1], steps=2)
    image = real_engines.diffusion.run(asked, QUIET).image
    assert image.shape == (size[1], size[0], 3)
    assert np.unique(image).size > 32


def test_the_lora_ships_and_its_effect_grows_with_its_weight(real_engines: EngineSet) -> None:
    if NEON not in real_engines.diffusion.loras():
        pytest.skip("the LoRA is not there")
    prompt = "a white lighthouse by the sea by day"
    plain = made(real_engines, prompt)
    pictures = [made(real_engines, prompt, loras=(Lora(NEON, w),)) for w in (0.0, 0.4, 0.8, 1.2)]
    moved = [mean_absolute_difference(plain, picture) for picture in pictures]
    assert moved[0] == 0
    assert moved == sorted(moved)
    assert moved[2] > 15
    brightness = [picture.mean() for picture in pictures]
    assert brightness[2] < 0.8 * brightness[0]  # a day of neon is a dark one
