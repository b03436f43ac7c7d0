"""Prompts of other tools as ours: what they weigh is weighed, all else is painted to the letter."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ninefold.prompts import resolve
from ninefold.prompts.conversion import Dialect, convert
from ninefold.prompts.weights import parse_prompt

_LETTERS = st.text(st.sampled_from("ab {}|_$<>\\:[]()#\n,-+.1é家"), max_size=40)


def painted(text: str) -> list[tuple[str, float]]:
    """What the encoder reads."""
    return [(part.text, part.weight) for part in parse_prompt(text)]


@settings(max_examples=300, deadline=None)
@given(_LETTERS)
@example("\\$0")
@example("a\\<b")
@example("___ __a__ {b|c}")
def test_a_prompt_of_a1111_is_painted_as_it_is(text: str) -> None:
    converted = convert(text, "a1111")
    assert not converted.left_out
    assert painted(resolve(converted.text, seed=3).text) == painted(text)


@settings(max_examples=100, deadline=None)
@given(_LETTERS, st.sampled_from(["novelai", "compel", "comfyui", "swarmui"]))
def test_any_text_becomes_a_prompt(text: str, dialect: Dialect) -> None:
    resolve(convert(text, dialect).text, seed=1)


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("novelai", "{a} {{b}} [c]", [("a", 1.05), (" ", 1.0), ("b", 1.1025), (" ", 1.0),
                                      ("c", 0.9524)]),
        ("novelai", "1.5::a, b::, (c)", [("a, b", 1.5), (", (c)", 1.0)]),
        ("novelai", "{a, [b]}", [("a,", 1.05), (" b", 1.0)]),
        ("compel", "a++ b-", [("a", 1.21), (" ", 1.0), ("b", 0.9)]),
        ("compel", "((a)+ b)1.5", [("a", 1.65), (" ", 1.0), ("b", 1.5)]),
        ("compel", r"a \(b\) well-known, x-", [("a (b) well-known, ", 1.0), ("x", 0.9)]),
        ("comfyui", "(a:1.3) [b]", [("a", 1.3), (" [b]", 1.0)]),
        ("a1111", "(a:1.3) [b]", [("a", 1.3), (" ", 1.0), ("b", 0.909091)]),
    ],
)  # fmt: skip
def test_weights(dialect: Dialect, text: str, expected: list[tuple[str, float]]) -> None:
    assert painted(resolve(convert(text, dialect).text, seed=1).text) == expected


def test_what_has_no_counterpart_is_named() -> None:
    assert convert("a <hypernet:x:1>", "a1111").left_out == ("<hypernet:x:1> in the prompt",)
    assert convert("a <lora:x:y:z:1:2>", "a1111").left_out == ("<lora:x:y:z:1:2> in the prompt",)
    assert convert("<lora:x:1> a", "comfyui").left_out == ("<lora:x:1> in the prompt",)
    assert convert("a <segment:face> b", "swarmui").left_out == ("<segment:face> in the prompt",)
    assert convert('("a", "b").blend(1, 2)', "compel").left_out == (".blend(1, 2) in the prompt",)
    assert "weight -2" in convert("-2::a::", "novelai").left_out[0]
    assert convert("a embedding:x/bad.y, b", "comfyui").embeddings == ("x/bad.y",)
    assert convert("<bad-hands> a", "compel").embeddings == ("bad-hands",)
