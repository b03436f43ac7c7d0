"""Held-out prompts: each names exactly what the judge is asked about."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="training scripts need the extra `training`")

from training.data import HELD_OUT
from training.judge import PARTS
from training.prompts import FIRST_SEED, held_out_prompts, named


def test_prompts_are_the_same_every_time_and_differ_from_each_other() -> None:
    prompts = [asked.prompt for asked in held_out_prompts(60)]
    assert prompts == [asked.prompt for asked in held_out_prompts(60)]
    assert len(set(prompts)) == 60


def test_prompts_come_from_seeds_that_are_never_trained_on() -> None:
    assert FIRST_SEED >= HELD_OUT


def test_every_part_is_named_and_nothing_else() -> None:
    for asked in held_out_prompts(300):
        assert set(asked.parts) == set(PARTS)
        assert named(asked.prompt) == {part: {value} for part, value in asked.parts.items()}


def test_every_value_is_asked_for() -> None:
    asked = held_out_prompts(300)
    for part, values in PARTS.items():
        assert {item.parts[part] for item in asked} == set(values)


@pytest.mark.parametrize(
    ("text", "part", "values"),
    [
        ("a red house under a blue sky", "colour", {"red"}),
        ("a kitty among pine trees", "subject", {"cat"}),
        ("a yacht on a mountain lake", "setting", {"mountains"}),
        ("a boat on a lake", "setting", set()),
        ("a tent at dusk", "time", {"sunset"}),
        ("a tent", "time", set()),
        ("a lighthouse on the left side", "position", {"left"}),
        ("two lighthouses", "subject", {"lighthouse"}),
    ],
)
def test_words_name_values(text: str, part: str, values: set[str]) -> None:
    assert named(text)[part] == values
