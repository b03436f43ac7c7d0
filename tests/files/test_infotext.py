"""Infotext: what A1111 writes is read, what we write comes back, readers' patterns match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.files.infotext import (
    Infotext,
    format_hashes,
    format_infotext,
    parse_hashes,
    parse_infotext,
)

FIELDS = {"Steps": "20", "Sampler": "Euler a", "Seed": "1"}
EXAMPLE = """a red house by the sea
Negative prompt: blurry
Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, \
Model hash: 0123456789, Model: name, Version: v1.10.1"""

keys = st.from_regex(r"\w[\w \-/]{0,20}[\w\-/]", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
fields_of = st.dictionaries(keys, values, min_size=3, max_size=8)
prompts = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


def test_the_example_of_a1111_both_ways() -> None:
    info = parse_infotext(EXAMPLE)
    assert info.prompt == "a red house by the sea"
    assert info.negative_prompt == "blurry"
    assert info.fields["Sampler"] == "Euler a"
    assert info.size == (512, 768)
    assert format_infotext(info) == EXAMPLE


def test_settings_are_written_in_order() -> None:
    fields = {
        "User": "me",
        "Refiner": "x",
        "Seed": "1",
        "Version": "v",
        "Steps": "2",
        "Mask blur": "4",
    }
    last = format_infotext(Infotext("p", "", fields)).split("\n")[-1]
    assert last == "Steps: 2, Seed: 1, Refiner: x, Mask blur: 4, Version: v, User: me"


def test_importers_of_comfyui_find_their_marks() -> None:
    text = format_infotext(Infotext("", "", FIELDS))
    assert "\nNegative prompt:" in text
    assert "\nSteps:" in text
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "K1: plain"),
        ("a, b", 'K1: "a, b"'),
        ("a: b", 'K1: "a: b"'),
        ("a\nb", 'K1: "a\\nb"'),
        ("赤い, 家", 'K1: "赤い, 家"'),
        ('say "hi", now', 'K1: "say \\"hi\\", now"'),
        ("K1", "K1"),
    ],
)
def test_values_are_quoted_as_a1111_does(value: str, written: str) -> None:
    text = format_infotext(Infotext("p", "", {**FIELDS, "K1": value}))
    assert text.endswith(", " + written)
    assert parse_infotext(text).fields["K1"] == value


@settings(deadline=None, max_examples=60)
@given(prompts, prompts, fields_of)
def test_round_trip(prompt: str, negative: str, fields: dict[str, str]) -> None:
    # Readers count pairs, and a key that equals its value is written without one.
    pairs = sum(key != value for key, value in fields.items())
    info = Infotext(prompt, negative, fields | ({} if pairs >= 3 else FIELDS))
    again = parse_infotext(format_infotext(info))
    assert dict(again.fields) == dict(info.fields)
    if "Negative prompt" not in prompt + negative:
        assert again.prompt == prompt.replace("\r\n", "\n").replace("\r", "\n").strip()
        assert again.negative_prompt == negative.replace("\r\n", "\n").replace("\r", "\n").strip()
    assert parse_infotext(format_infotext(again)) == again


# Drawn to provoke: what readers take for marks, settings, JSON, templates.
HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                "\n",
                "\r\n",
                " ",
                ", ",
                ": ",
                '"',
                "{",
                "}",
                "[",
                "]",
                "\\",
                "(a:1.2)",
                "赤い",
                "🏠",
            ),
            *(
                "Steps: 1, Seed: 2, Size: 3x4",
                "Steps: 20, Sampler: Euler a, CFG scale: 7",
                "Seed: 5",
            ),
            *("Template: a {b|c}", "Negative Template: x", '{"a": 1}', '{"sui_image_params": {}}'),
            *('"a, b"', "Hashes: {", "BREAK", "a red house", "negative prompt:", "Version: 1"),
        ]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_prompts_that_look_like_settings_come_back(prompt: str, negative: str) -> None:
    again = parse_infotext(format_infotext(Infotext(prompt, negative, FIELDS)))
    assert again.prompt == prompt.replace("\r\n", "\n").strip()
    assert again.negative_prompt == negative.replace("\r\n", "\n").strip()
    assert again.fields == FIELDS


@settings(deadline=None)
@given(prompts)
def test_any_text_parses(text: str) -> None:
    info = parse_infotext(text)
    assert isinstance(info, Infotext)


def test_a_prompt_cannot_pose_as_the_negative_prompt() -> None:
    info = Infotext("a house\nNegative prompt: none", "x\n Negative prompt: y", FIELDS)
    again = parse_infotext(format_infotext(info))
    assert again.prompt == "a house\nNegative prompt : none"
    assert again.negative_prompt == "x\n Negative prompt : y"


def test_a_last_line_with_two_pairs_is_prompt_text() -> None:
    assert parse_infotext("a house\nlight: red, sky: blue") == Infotext(
        "a house\nlight: red, sky: blue"
    )


SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768"
READ = dict(part.split(": ") for part in SETTINGS.split(", "))


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "more"),
    [
        (f"{{a}}\n{SETTINGS}", "{a}", "", {}),
        (f'{{"a": 1}}\nNegative prompt: fog\n{SETTINGS}', '{"a": 1}', "fog", {}),
        (f"a house\r\nNegative prompt: fog\r\n{SETTINGS}\r\n", "a house", "fog", {}),
        (
            f"Steps: 1, Seed: 2, Size: 3\nhouse\n{SETTINGS}",
            "Steps: 1, Seed: 2, Size: 3\nhouse",
            "",
            {},
        ),
        (f"house\nNegative prompt: a\nNegative prompt: b\n{SETTINGS}", "house", "a\nb", {}),
        (
            f"house\nNegative prompt: fog\n{SETTINGS}\nTemplate: a {{b|c}}\nNegative Template: fog",
            "house",
            "fog",
            {"Template": "a {b|c}", "Negative Template": "fog"},
        ),
        (
            f"house\n{SETTINGS}\nTemplate: a\n(red:1.1), (blue:1.2), (sky:1.3)",
            "house",
            "",
            {"Template": "a\n(red:1.1), (blue:1.2), (sky:1.3)"},
        ),
        (
            f"house\n{SETTINGS}\nNegative Template: (red:1.1), (blue:1.2), (sky:1.3)",
            "house",
            "",
            {"Negative Template": "(red:1.1), (blue:1.2), (sky:1.3)"},
        ),
        (f"house\n{SETTINGS}\nUsed Embeddings: x, y", "house", "", {"Used Embeddings": "x, y"}),
        (
            f'house\n{SETTINGS}, Hashes: {{"model": "abc", "lora:x": "def"}}, Version: v1',
            "house",
            "",
            {"Hashes": '{"model": "abc", "lora:x": "def"}', "Version": "v1"},
        ),
        (
            f'house\n{SETTINGS}, Civitai resources: [{{"type":"lora","name":"a, b: c"}}], '
            "Civitai metadata: {}",
            "house",
            "",
            {"Civitai resources": '[{"type":"lora","name":"a, b: c"}]', "Civitai metadata": "{}"},
        ),
        (f"house\n{SETTINGS}, Hashes: {{a, ENSD: 1", "house", "", {"Hashes": "{a", "ENSD": "1"}),
        (
            f'house\n{SETTINGS}, Hires prompt: "a, \\"b\\": c\\nd", RNG: CPU',
            "house",
            "",
            {"Hires prompt": 'a, "b": c\nd', "RNG": "CPU"},
        ),
    ],
)
def test_what_other_tools_write(
    text: str, prompt: str, negative: str, more: dict[str, str]
) -> None:
    assert parse_infotext(text) == Infotext(prompt, negative, READ | more)


@pytest.mark.parametrize(
    "text",
    [
        f"{SETTINGS}\nand then a red house",
        f"a\n{SETTINGS}\nNegative prompt: b",
        "a house\nSteps: 20, Seed: 5",
    ],
)
def test_what_is_not_at_the_end_is_prompt_text(text: str) -> None:
    read = parse_infotext(text)
    assert not read.fields
    assert "Steps: 20" in read.prompt


@pytest.mark.parametrize(
    "part", ["a ", "- ", "ab:", 'ab:"\\",', "Hashes:[1,", "Template: x\n", "ab\n"]
)
def test_long_text_is_read_in_time(part: str) -> None:
    text = part * (200_000 // len(part))  # takes its length squared where a pattern backtracks
    assert parse_infotext(f"{SETTINGS}\n{text}")
    assert parse_infotext(f"{text}!")


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({"Steps": "1"}, "at least 3 settings"),
        ({**FIELDS, "a:b": "1"}, "got 'a:b'; rename it"),
        ({**FIELDS, "x": "1"}, "got 'x'"),
        ({**FIELDS, "a\nb": "1"}, "rename it"),
    ],
)
def test_settings_that_readers_miss_are_refused(fields: dict[str, str], reported: str) -> None:
    with pytest.raises(ValueError, match=reported):
        format_infotext(Infotext("p", "", fields))


def test_hashes_survive_the_trip() -> None:
    hashes = {"poster style": "0123456789ab", "a,b:c": "ba9876543210"}
    text = format_infotext(Infotext("p", "", {**FIELDS, "Lora hashes": format_hashes(hashes)}))
    assert 'Lora hashes: "poster style: 0123456789ab, abc: ba9876543210"' in text
    value = parse_infotext(text).fields["Lora hashes"]
    assert parse_hashes(value) == {"poster style": "0123456789ab", "abc": "ba9876543210"}
