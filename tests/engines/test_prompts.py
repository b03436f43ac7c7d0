from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.prompts import (
    MAX_WEIGHT,
    Fragment,
    parse_prompt,
    plain_text,
    unknown_words,
)


def weights(prompt: str) -> list[tuple[str, float]]:
    return [(part.text, part.weight) for part in parse_prompt(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red house", [("a red house", 1.0)]),
        ("", [("", 1.0)]),
        ("a (red) house", [("a ", 1.0), ("red", 1.1), (" house", 1.0)]),
        ("a ((red)) house", [("a ", 1.0), ("red", 1.21), (" house", 1.0)]),
        ("a (red:1.3) house", [("a ", 1.0), ("red", 1.3), (" house", 1.0)]),
        ("a (red: .5 ) house", [("a ", 1.0), ("red", 0.5), (" house", 1.0)]),
        ("a [red] house", [("a ", 1.0), ("red", 0.909091), (" house", 1.0)]),
        ("([red])", [("red", 1.0)]),
        ("(a (red:2) house:1.5)", [("a ", 1.5), ("red", 3.0), (" house", 1.5)]),
        (r"a \(red\) house", [("a (red) house", 1.0)]),
        ("time 10:30", [("time 10:30", 1.0)]),
        ("open (end", [("open ", 1.0), ("end", 1.1)]),
        ("shut) end", [("shut) end", 1.0)]),
        ("(sea:100)", [("sea", MAX_WEIGHT)]),
        ("(sea:-1)", [("sea", 0.0)]),
    ],
)
def test_weights_as_automatic1111_reads_them(
    prompt: str, expected: list[tuple[str, float]]
) -> None:
    assert weights(prompt) == expected


def test_break_starts_a_chunk_and_stays_out_of_the_text() -> None:
    assert parse_prompt("a house BREAK the sea") == (
        Fragment("a house"),
        Fragment("the sea", chunk=True),
    )
    assert plain_text("a house BREAK the sea") == "a house the sea"


@given(st.text(max_size=200))
def test_any_text_parses_to_weights_in_range(prompt: str) -> None:
    parts = parse_prompt(prompt)
    assert parts
    assert all(0 <= part.weight <= MAX_WEIGHT for part in parts)
    assert all(a.weight != b.weight or b.chunk for a, b in pairwise(parts))


@given(st.text(alphabet=st.characters(exclude_characters="()[]\\"), max_size=100))
def test_text_without_brackets_comes_back_whole(prompt: str) -> None:
    if "BREAK" not in prompt:
        assert plain_text(prompt) == prompt


@given(st.text(max_size=100))
def test_escaped_text_comes_back_whole(prompt: str) -> None:
    escaped = "".join(f"\\{letter}" if letter in "()[]\\" else letter for letter in prompt)
    if "BREAK" not in prompt:
        assert weights(escaped) == [(prompt, 1.0)]


@given(
    st.text(alphabet="abc ,", min_size=1, max_size=20),
    st.floats(0, MAX_WEIGHT).map(lambda value: round(value, 3)),
)
def test_a_written_weight_is_read(word: str, weight: float) -> None:
    assert weights(f"({word}:{weight:.3f})") == [(word, weight)]


@pytest.fixture
def small_world() -> ModelInfo:
    words = frozenset({"a", "red", "house", "berry", "leaf", "by", "the", "sea", "box"})
    return ModelInfo("m", "0" * 10, (128, 128), 16, 512, 4, 4.0, "default", words=words)


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a red house by the sea", ()),
        ("A (Red:1.2) HOUSE!", ()),
        ("two dragons, a dragon and Dragons", ("two", "dragons", "dragon", "and")),
        ("houses, berries, leaves, boxes", ()),
        ("red-house", ()),
        ("the house's 1950s", ()),
        ("", ()),
    ],
)
def test_unknown_words(small_world: ModelInfo, prompt: str, unknown: tuple[str, ...]) -> None:
    assert unknown_words(prompt, small_world) == unknown


def test_a_model_without_a_word_list_knows_all() -> None:
    info = ModelInfo("m", "0" * 10, (512, 512), 8, 2048, 30, 7.5, "default")
    assert unknown_words("quixotic zeppelins", info) == ()
