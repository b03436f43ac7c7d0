"""From a config to a file and back to a config, over every format that is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import encode
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.infotext import Infotext, format_infotext, parse_infotext
from ninefold.files.scrub import scrub_prompt, scrub_text
from ninefold.inspection import inspect_file
from ninefold.prompts import resolve
from ninefold.prompts.weights import parse_prompt
from ninefold.testing import fake_engines
from tests.readers.makers import picture
from tests.readers.test_other_readers import FORMATS_HERE

ENGINES = fake_engines()
PIXELS = np.array(picture("RGB", (16, 16)))
FIXED = {"Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "6.5"}
LONG = {
    "ascii": "a red house, " * 1538 + "end...",
    "wide": "家と海" * 6666 + "赤い",
    "syntax": "{a|b} __c__ $x " * 1000,
}


def _there_and_back(kind: ImageFormat, info: Infotext) -> None:
    data = encode(PIXELS, kind, metadata=EmbeddedMetadata(info))
    found = inspect_file(data, ENGINES)
    said, made = found.generation, found.made
    assert said is not None
    assert made is not None
    expected = parse_infotext(format_infotext(info))  # blanks around it, and kinds of line ends
    assert (said.prompt, said.negative_prompt) == (expected.prompt, expected.negative_prompt)
    config = made.config
    for ours, theirs in (
        (config.prompt, expected.prompt),
        (config.negative_prompt, expected.negative_prompt),
    ):  # as the text encoder reads them
        assert parse_prompt(resolve(ours or "", seed=5).text) == parse_prompt(theirs)
    assert str(config.seed) == info.fields["Seed"]
    step = config.step_named("text_to_image")
    assert step is not None
    assert step.params == {
        "steps": 20,
        "guidance_scale": 6.5,
        "scheduler": "dpmpp_2m_karras",
        "width": 128,
        "height": 64,
    }
    for key in set(info.fields) - {*FIXED, "Seed", "Size"}:
        listed = any(line.startswith(f"{key}: ") for line in made.not_taken_over)
        assert listed or not said.other.get(key)
        assert said.other.get(key, "") == expected.fields[key][:1999] or key in said.facts


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=80)
_PROMPT = _TEXT | st.text(
    st.sampled_from("ab {}|_$<>\\:[]()#\n,-+.1é家🏠\u2028\u0085"), max_size=60
)
_KEY = st.from_regex(r"[A-Za-zé_0-9][A-Za-z0-9 _/-]{0,20}[A-Za-z0-9_/-]", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(FORMATS_HERE),
    _PROMPT,
    _PROMPT,
    st.integers(0, 2**63 - 1),
    st.dictionaries(_KEY.map(lambda key: f"X{key}"), _TEXT, max_size=3),
)
def test_infotext_becomes_the_same_config(
    kind: ImageFormat, prompt: str, negative: str, seed: int, extra: dict[str, str]
) -> None:
    texts = (prompt, negative)
    assume(all(scrub_prompt(text) == text and "\0" not in text for text in texts))
    assume("<" not in prompt + negative)  # tags leave the text when it is resolved
    assume(all(scrub_text(text) == text and "\0" not in text for text in extra.values()))
    fields = {**FIXED, "Seed": str(seed), "Size": "128x64", **extra}
    info = Infotext(prompt, negative, fields)
    assume(parse_infotext(format_infotext(info)).fields.keys() == fields.keys())
    _there_and_back(kind, info)


@pytest.mark.parametrize("kind", FORMATS_HERE)
@pytest.mark.parametrize("prompt", list(LONG.values()), ids=list(LONG))
def test_prompts_of_20000_characters(kind: ImageFormat, prompt: str) -> None:
    assert FORMATS[kind].format is kind
    _there_and_back(kind, Infotext(prompt, "fog", {**FIXED, "Seed": "1", "Size": "128x64"}))
