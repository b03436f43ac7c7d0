from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold import ConfigError, InputError, Lora, PipelineContext, StageInputError
from ninefold.prompts.wildcards import WILDCARDS_VARIABLE
from ninefold.slots import MAX_PROMPT
from ninefold.stages import PromptStage

from ..support import run
from .contract import StageContract


class TestPromptContract(StageContract):
    stage_type = PromptStage
    params: ClassVar[dict[str, Any]] = {"negative_prompt": "blurred"}
    writes = False

    def inputs(self) -> dict[str, Any]:
        return {"prompt": "a {red|blue} (house:1.2) <lora:sketch:0.5>"}

    def options(self) -> dict[str, Any]:
        return {"seed": 7, "negative_prompt": "people"}


def resolved(prompt: str, seed: int | None = 7, **params: Any) -> PipelineContext:
    """The context after the prompt stage."""
    given = {"prompt": prompt} | ({} if seed is None else {"seed": seed})
    return run(PromptStage(**params).execute(PipelineContext("/nowhere", **given)))


def test_a_plain_prompt_stays_as_it_is() -> None:
    context = resolved("a red house, by the sea")
    assert context["prompt"] == "a red house, by the sea"
    assert context["negative_prompt"] == ""
    assert context["seed"] == 7
    assert context["loras"] == ()


def test_the_metadata_says_what_was_typed_and_what_came_of_it() -> None:
    entry = resolved("{red|red} house <lora:sketch:0.5>").metadata["prompt"]
    entry.pop("duration_ms")
    entry.pop("finished_at")
    assert entry == {
        "template": "{red|red} house <lora:sketch:0.5>",
        "prompt": "red house",
        "negative_prompt": "",
        "seed": 7,
        "styles": [],
        "loras": [{"name": "sketch", "weight": 0.5}],
    }


# -- variants -------------------------------------------------------------------------------------


def test_variants_are_chosen_by_the_seed() -> None:
    texts = {resolved("a {red|green|blue} house", seed)["prompt"] for seed in range(20)}
    assert texts == {"a red house", "a green house", "a blue house"}
    again = [resolved("a {red|green|blue} house", 5)["prompt"] for _ in range(3)]
    assert len(set(again)) == 1


@pytest.mark.parametrize(
    ("template", "possible"),
    [
        ("{a|{b|c}} d", {"a d", "b d", "c d"}),
        ("{2$$a|b}", {"a,b", "b,a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1::a}", {"a"}),
    ],
)
def test_variants_nest_and_take_several(template: str, possible: set[str]) -> None:
    assert {resolved(template, seed)["prompt"] for seed in range(12)} == possible


def test_weights_of_variants_count() -> None:
    texts = [resolved("{0.95::red|0.05::blue}", seed)["prompt"] for seed in range(30)]
    assert texts.count("red") > 22


def test_variants_are_resolved_in_the_negative_prompt_too() -> None:
    context = resolved("a house", negative_prompt="{rain|snow}")
    assert context["negative_prompt"] in {"rain", "snow"}


@pytest.mark.parametrize("template", ["a {red|blue", "a {red|{blue}", "a {2$$red"])
def test_an_open_brace_is_reported_with_its_place(template: str) -> None:
    with pytest.raises(InputError, match=r"prompt: cannot be read at character \d+.*every brace"):
        resolved(template)


# -- wildcards ------------------------------------------------------------------------------------


def test_wildcards_from_the_parameters() -> None:
    params = {"wildcards": {"colour": ["red", "blue"], "thing": ["__colour__ house"]}}
    texts = {resolved("a __thing__", seed, **params)["prompt"] for seed in range(12)}
    assert texts == {"a red house", "a blue house"}


def test_wildcards_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nature").mkdir()
    (tmp_path / "nature" / "trees.txt").write_text("# trees\noak\n\nbirch\n")
    (tmp_path / "colours.txt").write_text("red\n")
    monkeypatch.setenv(WILDCARDS_VARIABLE, str(tmp_path))
    texts = {resolved("a __colours__ __nature/trees__", seed)["prompt"] for seed in range(12)}
    assert texts == {"a red oak", "a red birch"}
    assert resolved("a __nature/*__")["prompt"] in {"a oak", "a birch"}


def test_wildcards_of_both_kinds_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "colours.txt").write_text("red\n")
    monkeypatch.setenv(WILDCARDS_VARIABLE, str(tmp_path))
    context = resolved("a __colours__ __things__", wildcards={"things": ["house"]})
    assert context["prompt"] == "a red house"


def test_an_unknown_wildcard_is_reported_with_the_nearest_or_the_variable() -> None:
    with pytest.raises(InputError, match=r"wildcard __color__ is unknown. Did you mean 'colour'"):
        resolved("a __color__", wildcards={"colour": ["red"]})
    with pytest.raises(InputError, match=WILDCARDS_VARIABLE):
        resolved("a __color__")


def test_a_wildcard_cannot_leave_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("secret\n")
    (tmp_path / "wild").mkdir()
    monkeypatch.setenv(WILDCARDS_VARIABLE, str(tmp_path / "wild"))
    with pytest.raises(InputError, match=r"wildcard __\.\./secret__ is unknown"):
        resolved("a __../secret__")


def test_a_wildcard_without_choices_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one choice for colour, got none"):
        PromptStage(wildcards={"colour": []})


# -- styles ---------------------------------------------------------------------------------------


def test_styles_surround_the_prompt_or_are_appended_in_order() -> None:
    texts = {"poster": "a poster of {prompt}, flat", "night": "at night"}
    context = resolved("a house", styles=["poster", "night"], style_texts=texts)
    assert context["prompt"] == "a poster of a house, flat, at night"
    assert context.metadata["prompt"]["styles"] == ["poster", "night"]


def test_an_unknown_style_is_reported_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"prompt.styles: 'postr' is unknown. Did you mean 'poste"):
        resolved("a house", styles=["postr"], style_texts={"poster": "x"})


# -- weights and LoRA tags ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "a (red:1.3) house",
        "a ((red)) [house], (by the sea:0.8)",
        r"a house \(small\)",
        "a red house BREAK by the sea",
        "mountains (snowy:1.1), {a|a}",
    ],
)
def test_weights_are_left_for_the_text_encoder(prompt: str) -> None:
    assert resolved(prompt)["prompt"] == prompt.replace("{a|a}", "a")


@pytest.mark.parametrize(
    ("prompt", "text", "loras"),
    [
        ("a house <lora:sketch>", "a house", [("sketch", 1.0)]),
        ("<lora:sketch:0.8>, a house", "a house", [("sketch", 0.8)]),
        ("a <lora:a:-1> big <lora:b:1.5> house", "a big house", [("a", -1.0), ("b", 1.5)]),
        ("a <lora:a:0.5> house <lora:a:0.7>", "a house", [("a", 1.2)]),
        ("a house <lora:../../etc/passwd:1>", "a house", [("../../etc/passwd", 1.0)]),
        ("a house <lora:my model v1.0:1>", "a house", [("my model v1.0", 1.0)]),
    ],
)
def test_lora_tags_become_loras(prompt: str, text: str, loras: list[tuple[str, float]]) -> None:
    context = resolved(prompt)
    assert context["prompt"] == text
    assert context["loras"] == tuple(Lora(name, weight) for name, weight in loras)


def test_a_variant_may_choose_between_loras() -> None:
    names = {resolved("a {<lora:a:1>|<lora:b:1>} x", s)["loras"][0].name for s in range(12)}
    assert names == {"a", "b"}


@pytest.mark.parametrize("weight", ["x", "11", "-10.5", "nan", "inf", "0,8"])
def test_a_lora_weight_that_is_none_is_refused(weight: str) -> None:
    with pytest.raises(InputError, match=r"expected a weight from -10 to 10.*<lora:name:0.8>"):
        resolved(f"a house <lora:sketch:{weight}>")


# -- seed and bad prompts -------------------------------------------------------------------------


def test_a_seed_that_is_given_is_kept_and_another_is_drawn() -> None:
    assert resolved("a house", 0)["seed"] == 0
    drawn = {resolved("a house", None)["seed"] for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= seed < 2**32 for seed in drawn)


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t"])
def test_a_blank_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(StageInputError, match=r"prompt: no 'prompt'.*Give a prompt that is not em"):
        resolved(prompt)


def test_a_prompt_of_lora_tags_alone_is_refused() -> None:
    with pytest.raises(InputError, match="expected text beside its LoRA tags"):
        resolved("<lora:sketch:1>")


def test_an_oversized_prompt_is_refused() -> None:
    with pytest.raises(InputError, match=r"prompt: .*at most 20000 characters"):
        resolved("x" * (MAX_PROMPT + 1))
    with pytest.raises(InputError, match=r"prompt: .*longer than 20,000 characters"):
        resolved("__long__ __long__", wildcards={"long": ["x" * 15_000]})


@settings(max_examples=40)
@given(st.text(st.sampled_from("ab {}|_$:<>()[]\\,#%~-.09lora\n"), max_size=30))
def test_any_prompt_gives_text_or_an_error_of_ours(prompt: str) -> None:
    with suppress(InputError):
        assert resolved(prompt)["prompt"].strip()


# -- what is given beside the prompt --------------------------------------------------------------


def test_loras_that_were_given_act_beside_those_of_tags() -> None:
    given = (Lora("ink", 0.3), Lora("sketch", 1.0))
    context = PipelineContext("/nowhere", prompt="a house <lora:sketch:0.5>", seed=7, loras=given)
    stage = PromptStage()
    ahead = context.scratch()
    stage.dry_run(ahead)
    assert {lora.name for lora in ahead["loras"]} == {"ink", "sketch"}
    context = run(stage.execute(context))
    assert context["loras"] == (Lora("ink", 0.3), Lora("sketch", 1.5))
    assert [lora["name"] for lora in context.metadata["prompt"]["loras"]] == ["ink", "sketch"]


def test_without_a_seed_every_line_of_a_wildcard_is_looked_at_for_loras() -> None:
    lines = ("plain", "inked <lora:ink:1>")
    for seed, names in ((None, {"ink"}), (3, set()), (4, {"ink"})):
        given = {} if seed is None else {"seed": seed}
        ahead = PipelineContext("/nowhere", prompt="__style__", **given).scratch()
        PromptStage(wildcards={"style": lines}).dry_run(ahead)
        found = {lora.name for lora in ahead["loras"]}
        if seed is None:
            assert found == names
        else:  # with one, what will be drawn
            drawn = resolved("__style__", seed, wildcards={"style": lines})["loras"]
            assert found == {lora.name for lora in drawn}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"negative_prompt": "a\0b"}, "prompt.negative_prompt"),
        ({"styles": ("a\0b",)}, "prompt.styles"),
        ({"style_texts": {"x": "a\0b"}}, "prompt.style_texts"),
        ({"style_texts": {"a\0": "x"}}, "prompt.style_texts"),
        ({"wildcards": {"x": ("a", "b\0")}}, "prompt.wildcards"),
    ],
)
def test_parameters_hold_no_nul_characters(params: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: expected text without NUL characters, got"):
        PromptStage(**params)


@pytest.mark.parametrize("name", ["style_texts", "wildcards"])
def test_parameters_hold_no_half_of_a_pair(name: str) -> None:
    value = {"x": "a\ud800" if name == "style_texts" else ("a\ud800",)}
    with pytest.raises(ConfigError, match=rf"prompt\.{name}\.x.*: expected text in UTF-8"):
        PromptStage(**{name: value})


@pytest.mark.parametrize("slot", ["prompt", "negative_prompt", "model"])
def test_inputs_hold_no_nul_characters_and_no_half_of_a_pair(slot: str) -> None:
    with pytest.raises(InputError, match=rf"{slot}: expected text without NUL .* character 2"):
        PipelineContext("/nowhere", **{slot: "a\0b"})
    if slot != "model":  # which may be a path, of whatever bytes
        with pytest.raises(InputError, match=rf"{slot}: expected text in UTF-8"):
            PipelineContext("/nowhere", **{slot: "a\ud800b"})


def test_styles_are_measured_before_they_are_filled_in() -> None:
    with pytest.raises(ConfigError, match=r"prompt\.style_texts\.x: .*at most 20000 characters"):
        PromptStage(style_texts={"x": "a" * 20_001})
    styles = dict.fromkeys("abcd", "{prompt}" * 400)
    stage = PromptStage(styles=tuple(styles), style_texts=styles)
    context = PipelineContext("/nowhere", prompt="a red house " * 300, seed=1)
    (problem,) = stage.problems(context)
    assert "with the style 'a' expected at most 20,000 characters, got 1,4" in problem
