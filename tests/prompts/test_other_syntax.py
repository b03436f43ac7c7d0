from __future__ import annotations

from pathlib import Path

import pytest

from ninefold import InputError
from ninefold.prompts import OTHER_SYNTAX, resolve
from ninefold.prompts.other_syntax import table

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "wildcards-styles-lora.md"


def test_the_docs_show_the_table() -> None:
    assert table() in HOWTO.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "outcome"),
    [(one, row.outcome) for row in OTHER_SYNTAX for one in row.written if "__" not in one],
)
def test_what_others_write_is_used_refused_or_reported(written: str, outcome: str) -> None:
    prompt = f"a house, {written}, by the sea"
    if outcome == "refused":
        with pytest.raises(InputError, match=r"syntax|Cyclical"):
            resolve(prompt, seed=1)
        return
    found = resolve(prompt, seed=1)
    if outcome == "used":
        assert found.warnings == ()
        assert written not in found.text
    else:
        assert found.text == prompt
        assert len(found.warnings) == 1
        assert "in prompt is" in found.warnings[0]


@pytest.mark.parametrize(
    "prompt",
    [
        "a red house, #1, #ff0000, 10:30, 3:2",
        '{"subject": "red house", "at": [1, 2], "n": {"a": ["x|y", "a:b:0.5"]}}',
        "a (red:1.2) [house], a well-known - sea",
        "rock AND-roll, band, SAND",
        r"a \{red\} house, \#  x",
        "https://example.org/a//b, C++, e-mail -- a dash",
        "a {red|red} house, std::vector",
    ],
)
def test_nothing_is_said_of_plain_text(prompt: str) -> None:
    assert resolve(prompt, seed=1).warnings == ()


def test_escaped_syntax_of_others_is_text() -> None:
    found = resolve(r"a \<hypernet:x:1> house", seed=1)
    assert (found.text, found.warnings) == ("a <hypernet:x:1> house", ())
