"""The scene renderer: deterministic, honest boxes, known words only, every class reachable."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from training.captions import WORDS, caption, split_words
from training.palette import COLOURS
from training.scenes import (
    CLASSES,
    POSITIONS,
    SHAPES,
    TIMES,
    WEATHERS,
    Scene,
    boxes,
    random_scene,
    render,
    subject_boxes,
)
from training.settings import SETTINGS
from training.subjects import SUBJECTS

SEEDS = range(600)


def test_same_seed_gives_same_pixels() -> None:
    for seed in range(6):
        first, second = (np.asarray(render(random_scene(seed), 64)) for _ in range(2))
        assert np.array_equal(first, second)


def test_different_seeds_give_different_pictures() -> None:
    pictures = {render(random_scene(seed), 32).tobytes() for seed in range(20)}
    assert len(pictures) == 20


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_has_the_size_and_shape_asked_for(size: int, shape: str) -> None:
    width, height = SHAPES[shape]
    assert render(random_scene(3, shape), size).size == (size * width, size * height)


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_lie_inside_the_picture(shape: str) -> None:
    width, height = (128 * side for side in SHAPES[shape])
    for seed in SEEDS:
        for name, (x0, y0, x1, y1) in boxes(random_scene(seed, shape), 128):
            assert name in CLASSES
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height


def test_a_shape_shows_the_same_as_large_with_more_around_it() -> None:
    for seed in SEEDS:
        square = random_scene(seed)
        for shape in ("3x2", "2x3"):
            other = random_scene(seed, shape)
            assert (other.subject, other.count) == (square.subject, square.count)
            for one, two in zip(subject_boxes(square), subject_boxes(other), strict=True):
                assert one[2] - one[0] == pytest.approx(two[2] - two[0])
                assert one[3] - one[1] == pytest.approx(two[3] - two[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_ground_and_the_sky_reach_every_edge(shape: str) -> None:
    for seed in range(24):
        picture = np.asarray(render(random_scene(seed, shape), 64)).astype(int)
        assert picture.sum(axis=2).min(axis=(0, 1)) > 0, "a pixel that nothing was drawn on"


def test_every_class_setting_time_weather_and_colour_is_reached() -> None:
    scenes = [random_scene(seed) for seed in SEEDS]
    assert {name for scene in scenes for name, _ in boxes(scene, 100)} == set(CLASSES)
    assert {scene.setting for scene in scenes} == set(SETTINGS)
    assert {scene.time for scene in scenes} == set(TIMES)
    assert {scene.weather for scene in scenes} == set(WEATHERS)
    assert {scene.colour for scene in scenes} == set(COLOURS)


def test_captions_use_only_known_words() -> None:
    rng = random.Random(0)
    for seed in SEEDS:
        text = caption(random_scene(seed), rng)
        assert text
        assert set(split_words(text)) <= set(WORDS), text


def test_captions_never_name_another_position_or_time() -> None:
    rng = random.Random(1)
    for seed in SEEDS:
        scene = random_scene(seed)
        words = set(split_words(caption(scene, rng)))
        if scene.view.span == 1.0:
            assert not words & (set(POSITIONS) - {scene.position} - {"center"})
        if scene.time != "night":
            assert not words & {"night", "midnight", "moonlight", "starry"}


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
def test_a_subject_shows_its_colour(subject: str) -> None:
    scene = Scene(5, subject, "red", close_up=True)
    picture = np.asarray(render(scene, 64)).astype(int)
    red = (picture[..., 0] > 150) & (picture[..., 1] < 110) & (picture[..., 2] < 110)
    assert red.mean() > 0.06


@pytest.mark.parametrize("position", sorted(POSITIONS))
def test_a_subject_stands_where_it_is_asked_to(position: str) -> None:
    (box,) = subject_boxes(Scene(7, "tree", "green", position=position, size="small"))
    assert abs((box[0] + box[2]) / 2 - POSITIONS[position]) < 0.08


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
@pytest.mark.parametrize("count", [2, 3])
def test_several_stand_apart_inside_the_picture(subject: str, count: int) -> None:
    scene = Scene(3, subject, "red", count=count)
    found = sorted(box for name, box in boxes(scene, 100) if name == subject)
    assert len(found) == count
    for (_, _, right, _), (left, _, _, _) in pairwise(found):
        assert left > right
    assert all(x0 >= 0 and y0 >= 0 and x1 <= 100 and y1 <= 100 for x0, y0, x1, y1 in found)


def test_captions_count_right() -> None:
    rng = random.Random(2)
    reported = {"one": 1, "single": 1, "lone": 1, "two": 2, "pair": 2, "couple": 2, "three": 3}
    seen = set()
    for seed in SEEDS:
        scene = random_scene(seed)
        words = set(split_words(caption(scene, rng)))
        for word in words & set(reported):
            assert reported[word] == scene.count
            seen.add(scene.count)
    assert seen == {1, 2, 3}
