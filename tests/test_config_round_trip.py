"""Any config comes back from a file as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold import PipelineConfig
from ninefold.slots import MAX_SEED

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_name = st.from_regex(r"[a-z][a-z0-9-]{0,9}(/[a-z]{1,5})?", fullmatch=True)
_params: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "prompt": st.fixed_dictionaries(
        {},
        optional={
            "negative_prompt": _text,
            "style_texts": st.dictionaries(_text, _text, max_size=2),
            "wildcards": st.dictionaries(
                _name, st.lists(_text, min_size=1, max_size=2), max_size=2
            ),
        },
    ),
    "text_to_image": st.fixed_dictionaries(
        {},
        optional={
            "model": st.none() | _text,
            "steps": st.none() | st.integers(1, 200),
            "guidance_scale": st.none() | st.floats(0, 30),
            "strength": st.floats(0, 1, exclude_min=True),
        },
    ),
    "detailer": st.fixed_dictionaries(
        {},
        optional={
            "classes": st.lists(_text, max_size=3),
            "mask_mode": st.sampled_from(["separate", "merge", "invert"]),
            "class_prompts": st.dictionaries(_text, _text, max_size=2),
            "offset_x": st.integers(-4096, 4096),
        },
    ),
    "finisher": st.fixed_dictionaries({}, optional={"grain": st.floats(0, 1), "lut": _text}),
    "publisher": st.fixed_dictionaries(
        {},
        optional={
            "formats": st.lists(
                st.sampled_from(["png", "jpeg", "webp", "avif", "jxl"]), min_size=1, max_size=5
            ),
            "manifest": st.booleans(),
        },
    ),
}


@st.composite
def configs(draw: st.DrawFn) -> PipelineConfig:
    """Any config of these stages, in order."""
    stages = []
    for name, params in _params.items():
        for _ in range(draw(st.integers(1 if name == "text_to_image" else 0, 2))):
            on_error = (
                "stop" if name == "text_to_image" else draw(st.sampled_from(["stop", "skip"]))
            )
            stages.append({"stage": name, "params": draw(params), "on_error": on_error})
    return PipelineConfig.parse(
        {
            "description": draw(_text),
            "model": draw(st.none() | _text),
            "seed": draw(st.none() | st.integers(0, MAX_SEED - 1)),
            "stages": stages,
        }
    )


@settings(max_examples=40)
@given(configs())
def test_any_config_comes_back_from_yaml_and_json(config: PipelineConfig) -> None:
    assert PipelineConfig.parse(yaml.safe_load(config.to_yaml())) == config
    assert PipelineConfig.parse(json.loads(json.dumps(config.document()))) == config
    assert PipelineConfig.parse(json.loads(config.model_dump_json())) == config
    resolved = PipelineConfig.parse(json.loads(json.dumps(config.resolved())))
    assert resolved.resolved() == config.resolved()


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_config_that_was_written_is_loaded_again(tmp_path: Path, suffix: str) -> None:
    preset = PipelineConfig.preset("full")
    text = preset.to_yaml() if suffix == ".yaml" else json.dumps(preset.document())
    (tmp_path / f"mine{suffix}").write_text(text, encoding="utf-8")
    assert PipelineConfig.load(tmp_path / f"mine{suffix}") == preset
