"""The weight of one LoRA in a prompt, set to another."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ninefold.core.errors import InputError
from ninefold.prompts.lora_weights import lora_called, lora_weight, with_lora_weight


@pytest.mark.parametrize(
    ("prompt", "becomes"),
    [
        ("a house", "<lora:ink:0.4>a house"),
        ("a <lora:ink:1> house", "a <lora:ink:0.4> house"),
        ("a <LYCO: ink > house", "a <lora:ink:0.4> house"),
        ("a <lora:ink:0.5:0.8:lbw=OUTALL> house", "a <lora:ink:0.5:0.4:lbw=OUTALL> house"),
        ("{a|<lora:ink:1> b} house", "{a|<lora:ink:0.4> b} house"),
        ("<lora:style/ink.safetensors:1>a", "<lora:style/ink:0.4>a"),
        ("<lora:inky:1>a", "<lora:ink:0.4><lora:inky:1>a"),
        ("<lora:{ink|pen}:1>a", "<lora:ink:0.4><lora:{ink|pen}:1>a"),
        ("", ""),
        ("  ", "  "),
        ("{2$$a", "{2$$a"),
    ],
)
def test_a_tag_gets_the_weight(prompt: str, becomes: str) -> None:
    assert with_lora_weight(prompt, "ink", 0.4) == becomes


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("<lora:ink:1> a <lora:style/ink:2>", "at most one tag of LoRA 'ink'.* got 2"),
        ("<lora:ink:{1|2}> a", "Write it without a choice"),
        ("<lora:ink:many> a", "expected a weight"),
    ],
)
def test_what_cannot_have_one_weight_is_refused(prompt: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        with_lora_weight(prompt, "ink", 0.4)


@pytest.mark.parametrize("value", [True, None, "1", 10.5, -11, math.nan, 10**400, [1]])
def test_what_is_no_weight(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a weight from -10 to 10"):
        lora_weight(value)


def test_weights_and_names() -> None:
    assert [lora_weight(value) for value in (1, -0.5, 10.0, 0)] == [1, -0.5, 10, 0]
    assert lora_called(" style\\pen.safetensors ") == "style/pen"
    for name in ("", " ", "a:b", "a<b", "a|b"):
        with pytest.raises(ValueError, match="expected the name of a LoRA"):
            lora_called(name)
