"""Settings of a config by `stage.parameter`, as `--set` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold import (
    ConfigError,
    PipelineConfig,
)
from tests.test_config import config


def test_settings_change_a_copy() -> None:
    before = PipelineConfig.preset("full")
    after = before.with_settings(
        [
            "upscaler.upscale_factor=3",
            "finisher.grain=0",
            "detailer.classes=[face, house]",
            "prompt.negative_prompt=rain: and snow",
            "publisher.name={job_id}_{seed}",
            "model=other",
            "seed=5",
            " text_to_image.steps = 7",
        ]
    )
    params = {item.stage: item.params for item in after.stages}
    assert params["upscaler"] == {"upscale_factor": 3}
    assert params["finisher"]["grain"] == 0
    assert params["finisher"]["sharpness"] == 0.3
    assert params["detailer"] == {"classes": ["face", "house"]}
    assert params["text_to_image"] == {"steps": 7}
    assert params["prompt"] == {"negative_prompt": "rain: and snow"}
    assert params["publisher"]["name"] == "{job_id}_{seed}"
    assert (after.model, after.seed) == ("other", 5)
    assert before == PipelineConfig.preset("full")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("publisher.name={job_id}", "{job_id}"),
        ("prompt.negative_prompt=yes", "yes"),
        ("prompt.negative_prompt=12", "12"),
        ("prompt.negative_prompt=", ""),
        ("prompt.negative_prompt=- a", "- a"),
        ("text_to_image.model=2024", "2024"),
        ("text_to_image.model=null", None),
        ("text_to_image.model=[", "["),
        ("publisher.manifest=no", False),
        ("publisher.quality=80", 80),
        ("prompt.negative_prompt=fog #1 rain", "fog #1 rain"),
        ('prompt.negative_prompt="q"', '"q"'),
        ("prompt.negative_prompt=null", "null"),
        ("prompt.negative_prompt= a ", " a "),
        ("prompt.negative_prompt=[a, b]", "[a, b]"),
        ("prompt.negative_prompt={a|b} #2", "{a|b} #2"),
        ("prompt.negative_prompt=a: b\n# c", "a: b\n# c"),
        ("text_to_image.model='x'", "'x'"),
        ("text_to_image.model=", ""),
        ("text_to_image.steps=null", None),
        ("text_to_image.steps=", None),
        ("text_to_image.steps=7", 7),
        ("publisher.formats=[png, jpeg]", ["png", "jpeg"]),
        ("publisher.formats=png", ["png"]),
        ("prompt.styles=[yes, 010, 2024-01-01, null]", ["yes", "010", "2024-01-01", "null"]),
        ('prompt.styles=["a, b", no#1, a #2]', ["a, b", "no#1", "a #2"]),
        ("prompt.styles=film #1", ["film #1"]),
        ("prompt.styles=", []),
        ("prompt.styles=[]", []),
        ("prompt.style_texts={yes: a #1 door}", {"yes": "a #1 door"}),
        ("prompt.wildcards={on: [off, 1.0]}", {"on": ["off", "1.0"]}),
    ],
)
def test_a_text_is_taken_to_the_letter_and_all_else_is_yaml(setting: str, value: Any) -> None:
    made = PipelineConfig.preset("draft").with_settings([setting])
    stage, parameter = setting.partition("=")[0].split(".")
    (item,) = [item for item in made.stages if item.stage == stage]
    assert item.params[parameter] == value
    assert PipelineConfig.preset("draft").with_settings(["model=7"]).model == "7"


def test_a_repeated_stage_is_set_by_its_number() -> None:
    made = config("text_to_image", "detailer", "detailer").with_settings(
        ["detailer.top_k=1", "detailer_2.top_k=2"]
    )
    assert [item.params.get("top_k") for item in made.stages] == [None, 1, 2]


def test_every_wrong_setting_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        PipelineConfig.preset("full").with_settings(
            [
                "upscaler.upscale_factor",
                "upscalr.tile=5",
                "sed=5",
                "refiner.refinement_levl=2",
                "upscaler.upscale_factor=99",
                "seed=-1",
            ]
        )
    text = "\n".join(raised.value.problems)
    for part in (
        "--set upscaler.upscale_factor: expected stage.parameter=value.",
        "--set upscalr.tile=5: no stage 'upscalr' in this pipeline. Did you mean 'upscaler'?",
        "--set sed=5: expected stage.parameter=value, model=... or seed=...",
        "refiner.refinement_levl: unknown. Did you mean 'refinement_level'?",
        "upscaler.upscale_factor: input should be less than or equal to 8, got 99.",
        "--set.seed: input should be greater than or equal to 0, got -1.",
    ):
        assert part in text
