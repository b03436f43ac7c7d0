"""Parameters as they are typed, and as a request gives them."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from ninefold import ConfigError, PipelineConfig
from ninefold.parameter_text import parse_parameter


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("finisher.overlay=/tmp/logo #2.png", "/tmp/logo #2.png"),
        ("finisher.overlay='x y'", "'x y'"),
        ("finisher.overlay=null", None),
        ("finisher.overlay=", None),
        ("finisher.overlay=12", "12"),
        ("finisher.overlay=ph\udcffto.png", "ph\udcffto.png"),
        ("detailer.prompt=a #1 door", "a #1 door"),
        (
            "detailer.class_prompts={face: a #1 smile, no: 'x: y'}",
            {"face": "a #1 smile", "no": "x: y"},
        ),
        ("detailer.classes=face", ["face"]),
    ],
)
def test_paths_and_prompts_of_stages_are_texts(setting: str, value: Any) -> None:
    made = PipelineConfig.preset("full").with_settings([setting])
    stage, parameter = setting.partition("=")[0].split(".")
    (item,) = [item for item in made.stages if item.stage == stage]
    assert item.params[parameter] == value


class Mixed(BaseModel):
    number_or_word: float | Literal["auto"] = "auto"
    text_or_number: str | int = ""
    text_or_list: str | list[str] = ""
    secret: SecretStr | None = None
    flag_or_path: bool | Path = False
    text: Annotated[str, Field(max_length=10)] | None = None
    anything: Any = None
    when: date | None = None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number_or_word", "auto", "auto"),
        ("number_or_word", "0.5", 0.5),
        ("number_or_word", "fast", "fast"),
        ("text_or_number", "5", 5),
        ("text_or_number", "007", "007"),
        ("text_or_number", "1_000", "1_000"),
        ("text_or_number", "a #1", "a #1"),
        ("text_or_number", '"5"', '"5"'),
        ("text_or_list", "[a, b]", ["a", "b"]),
        ("text_or_list", "a, b", "a, b"),
        ("secret", '"q" #1', '"q" #1'),
        ("secret", "null", None),
        ("flag_or_path", "yes", True),
        ("flag_or_path", "a #1", "a #1"),
        ("text", "far too long # cut", "far too long # cut"),
        ("text", "null", None),
        ("anything", "[1, a]", [1, "a"]),
        ("when", "2024-02-29", date(2024, 2, 29)),
        ("when", "2024-02-30", "2024-02-30"),
        ("nothing", "&a [*a]", "&a [*a]"),
        ("anything", "&a [*a]", "&a [*a]"),
        ("anything", "\ue023 #", "\ue023 #"),
    ],
)
def test_types_of_several_kinds(name: str, text: str, value: Any) -> None:
    found = parse_parameter(Mixed, name, text)
    assert (found, type(found)) == (value, type(value))


#: Any text that a parameter takes.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(TEXTS)
def test_any_text_is_taken_to_the_letter(text: str) -> None:
    made = PipelineConfig.preset("full").with_settings(
        [f"prompt.negative_prompt={text}", f"finisher.overlay=/{text}"]
    )
    params = {item.stage: item.params for item in made.stages}
    assert params["prompt"]["negative_prompt"] == text
    assert params["finisher"]["overlay"] == f"/{text}"


@given(st.text(), st.sampled_from(["publisher.formats", "detailer.class_prompts", "seed", "a.b"]))
def test_any_setting_is_taken_or_refused(text: str, key: str) -> None:
    with suppress(ConfigError):
        PipelineConfig.preset("full").with_settings([f"{key}={text}"])


@given(st.recursive(TEXTS | st.integers() | st.booleans() | st.none(), st.lists, max_leaves=3))
def test_a_value_of_an_override_is_taken_as_it_is(value: Any) -> None:
    draft = PipelineConfig.preset("draft")
    if isinstance(value, str):
        made = draft.with_values({"prompt.negative_prompt": value})
        assert made.stages[0].params["negative_prompt"] == value
    else:
        with pytest.raises(ConfigError, match=r"prompt\.negative_prompt"):
            draft.with_values({"prompt.negative_prompt": value})


def test_every_wrong_override_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        PipelineConfig.preset("draft").with_values(
            {"upscaler.tile": 5, "sed": 1, "text_to_image.steps": "many", "seed": -1}
        )
    text = "\n".join(raised.value.problems)
    for part in (
        "overrides upscaler.tile: no stage 'upscaler' in this pipeline.",
        "overrides sed: expected stage.parameter=value, model=... or seed=...",
        "overrides.seed: input should be greater than or equal to 0, got -1.",
        "text_to_image.steps: input should be a valid integer",
    ):
        assert part in text
