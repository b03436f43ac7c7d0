"""Picture sets of every shape, and what the text-to-image model learns of them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from training import autoencoder, data, examples
from training.captions import WORDS, caption, split_words, with_strange_words
from training.examples import CAPTIONS, Examples, all_examples, text_of, tokenize
from training.scenes import SHAPES, boxes, random_scene, render
from training.vocabulary import LENGTH

CPU = torch.device("cpu")
COUNT, SIZE = 20, 64


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        for module in (data, examples):
            patch.setattr(module, "RUNS", folder)
        patch.setattr(autoencoder, "CHECKPOINT", folder / "none.pt")
        data.make_all("few", COUNT, SIZE, 2)
        all_examples("few", CPU)
    return folder


@pytest.fixture(autouse=True)
def in_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (data, examples):
        monkeypatch.setattr(module, "RUNS", runs)


def test_there_is_a_set_of_every_shape_that_shows_what_it_says() -> None:
    sets = data.load_all("few")
    assert [pictures.shape for pictures in sets] == list(SHAPES)
    assert [len(pictures) for pictures in sets] == [COUNT] + [2] * 6
    for pictures in sets:
        width, height = SHAPES[pictures.shape]
        assert pictures.pictures.shape[1:] == (SIZE * height, SIZE * width, 3)
        assert pictures.side == SIZE
        scene = pictures.scene(1)
        assert np.array_equal(pictures.pictures[1], np.asarray(render(scene, SIZE)))
        drawn = boxes(scene, SIZE)
        assert [name for name, _ in pictures.boxes[1]] == [name for name, _ in drawn]
        for (_, box), (_, place) in zip(pictures.boxes[1], drawn, strict=True):
            assert tuple(box) == pytest.approx(place, abs=0.01)
    assert len({pictures.scene(0) for pictures in sets}) == len(sets)


def test_a_batch_is_of_one_shape_and_counts_subjects_more() -> None:
    for pictures in data.load_all("few"):
        batch = Examples(pictures, CPU).batch(6)
        _, height, width, _ = pictures.pictures.shape
        assert batch.latents.shape == (6, autoencoder.CHANNELS, height // 16, width // 16)
        assert batch.weights.shape == (6, 1, height // 16, width // 16)
        assert batch.weights.mean((1, 2, 3)) == pytest.approx(np.ones(6), abs=0.01)
        assert batch.tokens.shape == (6, LENGTH)


def test_positions_inside_a_subject_weigh_three_times_as_much() -> None:
    pictures = data.load("few")
    number = next(i for i, found in enumerate(pictures.boxes) if len(found) == 1)
    weights = Examples(pictures, CPU).weights[number, 0].float()
    x0, y0, x1, y1 = (side / 16 for side in pictures.boxes[number][0][1])
    inside = weights[int((y0 + y1) / 2), int((x0 + x1) / 2)]
    assert float(inside / weights.min()) == pytest.approx(3, rel=0.01)


def test_captions_are_the_scenes_own_and_some_are_empty() -> None:
    few = Examples(data.load("few"), CPU)
    scene, rng = random_scene(3), random.Random(3)
    wanted = tokenize([text_of(scene, rng) for _ in range(CAPTIONS)])
    assert np.array_equal(few.tokens[3].numpy(), wanted)
    torch.manual_seed(0)
    tokens = few.batch(2000).tokens
    empty = (tokens == few.empty).all(1).float().mean()
    assert float(empty) == pytest.approx(examples.EMPTY, abs=0.03)


def test_shapes_come_up_as_often_as_there_are_pictures_of_them() -> None:
    everything, rng = all_examples("few", CPU), random.Random(0)
    seen = Counter(data.pick(everything, rng).name for _ in range(3200))
    assert seen["few"] == pytest.approx(2000, abs=150)
    assert seen["few-9x16"] == pytest.approx(200, abs=60)


def test_pictures_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(SystemExit, match=r"training\.data --name none"):
        all_examples("none", CPU)


def test_strange_words_are_added_and_nothing_is_taken_away() -> None:
    rng = random.Random(0)
    for seed in range(50):
        text = caption(random_scene(seed), rng)
        more = with_strange_words(text, rng).split()
        added = list(more)
        for word in text.split():
            added.remove(word)
        assert 1 <= len(added) <= 3
    texts = [text_of(random_scene(seed), rng) for seed in range(3000)]
    strange = [not set(split_words(text)) <= set(WORDS) for text in texts]
    assert sum(strange) / len(strange) == pytest.approx(examples.STRANGE, abs=0.03)
