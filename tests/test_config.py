from __future__ import annotations

import copy
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from ninefold import (
    ConfigError,
    Pipeline,
    PipelineConfig,
    PipelineContext,
    PipelineStage,
    WiringError,
)
from ninefold.config import presets
from ninefold.config_text import MAX_BYTES
from ninefold.slots import MAX_SEED
from ninefold.stages import STAGES
from ninefold.testing import fake_engines

from .support import run

NAMES = tuple(stage.name for stage in STAGES)


def config(*stages: str | dict[str, Any], **rest: Any) -> PipelineConfig:
    entries = [{"stage": item} if isinstance(item, str) else item for item in stages]
    return PipelineConfig.parse({"stages": entries, **rest})


def problems_of(document: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        PipelineConfig.parse(document)
    return raised.value.problems


# -- presets --------------------------------------------------------------------------------------


def test_the_presets_are_three_and_described() -> None:
    found = presets()
    assert list(found) == ["draft", "standard", "full"]
    assert all(text.endswith(".") for text in found.values())


@pytest.mark.parametrize("name", ["draft", "standard", "full"])
def test_a_preset_builds_and_runs(name: str, tmp_path: Path) -> None:
    preset = PipelineConfig.preset(name)
    assert preset.description == presets()[name]
    pipeline = preset.build(fake_engines())
    assert isinstance(pipeline, Pipeline)
    assert [slot.name for slot in pipeline.inputs] == ["prompt"]
    context = run(pipeline.execute(PipelineContext(tmp_path, prompt="a red house", seed=7)))
    context.raise_for_error()
    assert context["outputs"]
    assert context["config"] == preset.document()
    assert set(context.metadata) == {item.stage for item in preset.stages}
    assert all(entry["duration_ms"] >= 0 for entry in context.metadata.values())


def test_full_is_all_nine_in_order(tmp_path: Path) -> None:
    assert tuple(item.stage for item in PipelineConfig.preset("full").stages) == NAMES
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    run(PipelineConfig.preset("full").build(fake_engines()).execute(context))
    assert [artifact.name for artifact in context.artifacts][:6] == [
        "generated.png",
        "generated_refined.png",
        "generated_detailed.png",
        "generated_upscaled.png",
        "generated_restored.png",
        "generated_finished.png",
    ]
    assert context.completed == list(NAMES)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"preset 'ful': unknown\. Did you mean 'full'\?"):
        PipelineConfig.preset("ful")
    with pytest.raises(ConfigError, match="Known: draft, full, standard"):
        PipelineConfig.preset("zzz")


# -- files ----------------------------------------------------------------------------------------

YAML = """
description: Two stages.
model: poster
seed: 5
stages:
  - stage: prompt
    params: {negative_prompt: rain, styles: [night], style_texts: {night: at night}}
  - stage: text_to_image
    params: {steps: 3, guidance_scale: 2.5}
    on_error: stop
"""
TOML = """
description = "Two stages."
model = "poster"
seed = 5
[[stages]]
stage = "prompt"
params = {negative_prompt = "rain", styles = ["night"], style_texts = {night = "at night"}}
[[stages]]
stage = "text_to_image"
params = {steps = 3, guidance_scale = 2.5}
on_error = "stop"
"""


def test_yaml_json_and_toml_say_the_same(tmp_path: Path) -> None:
    contents = {
        "a.yaml": YAML,
        "a.yml": YAML,
        "a.toml": TOML,
        "a.json": json.dumps(yaml.safe_load(YAML)),
    }
    loaded = []
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        loaded.append(PipelineConfig.load(tmp_path / name))
        loaded.append(PipelineConfig.load(str(tmp_path / name)))
    assert all(item == loaded[0] for item in loaded)
    assert loaded[0].stages[1].params == {"steps": 3, "guidance_scale": 2.5}
    pipeline = loaded[0].build()
    assert pipeline.defaults == {"model": "poster", "seed": 5, "config": loaded[0].document()}


@pytest.mark.parametrize(
    ("name", "content", "reported"),
    [
        ("a.yaml", "stages: [", r"a\.yaml: does not parse: "),
        ("a.yaml", "a: !!python/object/apply:os.system [ls]", r"a\.yaml: does not parse: "),
        ("a.json", "{", r"a\.json: does not parse: "),
        ("a.json", "[" * 100_000, r"a\.json: does not parse: "),
        ("a.toml", "x", r"a\.toml: does not parse: "),
        ("a.yaml", "", r"a\.yaml: expected a mapping with a list of stages, got NoneType"),
        ("a.yaml", "hello", r"a\.yaml: expected a mapping with a list of stages, got str"),
        ("a.json", "[]", r"a\.json: expected a mapping with a list of stages, got list"),
        ("a.txt", "stages: []", r"expected a \.yaml, \.json or \.toml file, got \.txt"),
        ("a", "stages: []", r"got no suffix"),
        ("a.yaml", "x: " + "y" * MAX_BYTES, r"a\.yaml: expected at most 1048576 bytes"),
        ("a.yaml", "{}", r"a\.yaml\.stages: missing\."),
    ],
)
def test_a_file_that_is_no_config_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str, reported: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=reported) as raised:
        PipelineConfig.load(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        PipelineConfig.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        PipelineConfig.load(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match=r"a\.yaml: does not parse: "):
        PipelineConfig.load(tmp_path / "a.yaml")


# -- problems -------------------------------------------------------------------------------------


def test_every_problem_of_every_stage_is_reported_at_once() -> None:
    reported = problems_of(
        {
            "stages": [
                {"stage": "prompt", "params": {"stiles": []}},
                {"stage": "text_to_imge"},
                {"stage": "upscaler", "params": {"upscale_factor": 9, "tile": "x", "engines": 1}},
                {"stage": "upscaler", "params": {"upscale_factor": 9, "tile": "x"}},
                {"stage": "refiner", "params": {"refinement_level": 5}},
            ]
        }
    )
    assert reported == (
        "prompt.stiles: unknown. Did you mean 'styles'?",
        "stage 'text_to_imge': unknown. Did you mean 'text_to_image'?",
        "upscaler.engines: unknown.",
        "upscaler_2.upscale_factor: input should be less than or equal to 8, got 9.",
        "upscaler_2.tile: input should be a valid integer, unable to parse string as an integer, "
        "got 'x'.",
        "refiner.refinement_level: input should be less than or equal to 4, got 5.",
    )


def test_problems_of_the_config_and_of_its_stages_are_reported_together() -> None:
    reported = problems_of(
        {
            "sed": 3,
            "seed": -1,
            "stages": [
                {"stage": "prompt", "on_error": "ignore"},
                {"stage": "upscaler", "parms": {}},
                {"stage": "upscaler", "params": {"upscale_factor": 9}},
                "publisher",
                5,
            ],
        }
    )
    text = "\n".join(reported)
    for part in (
        "config.sed: unknown. Did you mean 'seed'?",
        "config.seed: input should be greater than or equal to 0, got -1.",
        "config.stages.0.on_error: input should be 'stop' or 'skip', got 'ignore'.",
        "config.stages.1.parms: unknown. Did you mean 'params'?",
        "config.stages.3: ",
        "config.stages.4: ",
        "upscaler.upscale_factor: input should be less than or equal to 8, got 9.",
    ):
        assert part in text


@pytest.mark.parametrize(
    "document",
    [
        None, 5, "x", [], {"stages": None}, {"stages": {}}, {"stages": "prompt"}, {"stages": []},
        {"stages": [None]}, {"stages": [{}]}, {"stages": [{"stage": 5}]},
        {"stages": [{"stage": "prompt", "params": []}]},
        {"stages": [{"stage": "prompt", "params": {1: 2}}]},
        {"stages": [{"stage": "prompt", "params": {"self": 2}}]},
        {"stages": [{"stage": "prompt"}], "seed": MAX_SEED},
        {"stages": [{"stage": "prompt"}], "seed": "x"},
        {"stages": [{"stage": "prompt"}], "model": 5},
        {"stages": [{"stage": ""}]},
        {1: 2},
    ],
)  # fmt: skip
def test_anything_else_is_refused_without_a_traceback(document: Any) -> None:
    reported = problems_of(document)
    assert all(problem and "\n" not in problem for problem in reported)


def test_wiring_that_cannot_work_is_reported_with_every_problem() -> None:
    with pytest.raises(WiringError) as raised:
        config({"stage": "text_to_image", "on_error": "skip"}, "refiner", "publisher")
    assert raised.value.problems == (
        "refiner (step 2) requires 'image', but text_to_image may be skipped: set its on_error to "
        "stop.",
    )


# -- building -------------------------------------------------------------------------------------


def test_stages_may_be_repeated(tmp_path: Path) -> None:
    made = config(
        "text_to_image",
        {"stage": "detailer", "params": {"classes": ["face"]}},
        {"stage": "detailer", "params": {"classes": ["house"], "top_k": 1}},
        "publisher",
    )
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    run(made.build(fake_engines()).execute(context))
    context.raise_for_error()
    assert list(context.metadata) == ["text_to_image", "detailer", "detailer_2", "publisher"]
    assert [artifact.name for artifact in context.artifacts][:3] == [
        "generated.png",
        "generated_detailed.png",
        "generated_detailed_2.png",
    ]
    first, second = (context.metadata[name]["regions"] for name in ("detailer", "detailer_2"))
    assert {region["label"] for region in first} == {"face"}
    assert {region["label"] for region in second} == {"house"}
    assert not {region["after"] for region in first} & {region["after"] for region in second}
    # The manifest names the files of both, as the job does.
    manifest = next(item for item in context.artifacts if item.name.endswith("manifest.json"))
    recorded = {item["name"]: item for item in json.loads(manifest.path.read_bytes())["artifacts"]}
    for region in (*first, *second):
        for name in (region["before"], region["after"]):
            digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            assert recorded[name]["sha256"] == digest


def test_on_error_reaches_the_pipeline(tmp_path: Path) -> None:
    made = config("text_to_image", {"stage": "refiner", "on_error": "skip"}, "publisher")
    engines = fake_engines(fail_on="image_to_image")
    context = run(made.build(engines).execute(PipelineContext(tmp_path, prompt="x", seed=1)))
    context.raise_for_error()
    assert "skipped" in context.metadata["refiner"]["warnings"][0]
    assert context["image"].made_by == "text_to_image"


def test_the_prompts_of_a_config_are_defaults(tmp_path: Path) -> None:
    made = config("prompt", "text_to_image", prompt="a {tent}", negative_prompt="fog", seed=1)
    assert PipelineConfig.parse(yaml.safe_load(made.to_yaml())) == made
    context = run(made.build(fake_engines()).execute(PipelineContext(tmp_path)))
    assert context.metadata["prompt"]["template"] == "a {tent}"
    assert context.get("negative_prompt") == "fog"
    given = PipelineContext(tmp_path, prompt="a house")
    assert run(made.build(fake_engines()).execute(given)).get("prompt") == "a house"
    with pytest.raises(ConfigError, match=r"prompt: .*at most 20000 characters"):
        config("prompt", prompt="x" * 20_001)
    with pytest.raises(ConfigError, match="prompt: expected text"):
        config("prompt", prompt="a\0b")


def test_the_seed_and_model_of_a_config_are_defaults(tmp_path: Path) -> None:
    made = config("text_to_image", seed=11, model="poster")
    first = run(made.build(fake_engines()).execute(PipelineContext(tmp_path, prompt="x")))
    assert first.metadata["text_to_image"]["seed"] == 11
    given_seed = PipelineContext(tmp_path, prompt="x", seed=0)
    second = run(made.build(fake_engines()).execute(given_seed))
    assert second.metadata["text_to_image"]["seed"] == 0


def test_a_config_without_a_generator_asks_for_an_image() -> None:
    assert [slot.name for slot in config("upscaler", "publisher").build().inputs] == ["image"]


# -- writing down ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["draft", "standard", "full"])
def test_the_resolved_config_builds_the_same(name: str) -> None:
    preset = PipelineConfig.preset(name)
    resolved = preset.resolved()
    again = PipelineConfig.parse(json.loads(json.dumps(resolved)))
    assert again.resolved() == resolved
    for one, two in zip(preset.build().steps, again.build().steps, strict=True):
        assert one.stage.params == two.stage.params
        assert type(one.stage) is type(two.stage)
        assert one.on_error == two.on_error
    for entry, step in zip(resolved["stages"], preset.build().steps, strict=True):
        assert set(entry["params"]) == set(type(step.stage.params).model_fields)


def test_the_document_leaves_defaults_out() -> None:
    assert config("text_to_image", seed=3).document() == {
        "seed": 3,
        "stages": [{"stage": "text_to_image"}],
    }


def test_the_stages_of_a_config_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    init = PipelineStage.__init__

    def counted(stage: PipelineStage[Any], /, **options: Any) -> None:
        made.append(stage.name)
        init(stage, **options)

    monkeypatch.setattr(PipelineStage, "__init__", counted)
    config = PipelineConfig.parse({"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]})
    engines = fake_engines()
    seeded = config.with_values({"seed": 3, "model": "poster"})
    first, second = config.build(engines), seeded.build(engines)
    assert made == ["prompt", "text_to_image"]
    assert (first.defaults.get("seed"), second.defaults["seed"]) == (None, 3)
    assert second.defaults["config"] == seeded.document() != first.defaults["config"]
    assert config.with_values({}) is config
    config.with_values({"text_to_image.steps": 3}).build(engines)
    assert len(made) == 4


def test_a_copy_of_a_config_builds_what_it_says() -> None:
    config = PipelineConfig.parse({"seed": 1, "stages": [{"stage": "prompt"}]})
    copied = config.model_copy(update={"seed": 2})
    assert (config.build().defaults["seed"], copied.build().defaults["seed"]) == (1, 2)


def test_a_config_holds_what_its_pipeline_was_made_of() -> None:
    """Presets are shared by all who ask for one."""
    formats = ["png"]
    config = PipelineConfig.preset("draft").with_values({"publisher.formats": formats})
    formats.append("webp")
    assert config.stages[-1].params == {"formats": ["png"]}
    with pytest.raises(TypeError, match="with_values"):
        config.stages[-1].params["formats"].append("webp")
    with pytest.raises(TypeError, match="with_values"):
        PipelineConfig.preset("draft").stages[1].params["steps"] = 99
    document = config.document()
    document["stages"][-1]["params"]["formats"].append("webp")
    assert PipelineConfig.parse(document).stages[-1].params == {"formats": ["png", "webp"]}
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert twin == config
        assert twin.build().steps[-1].stage.params == config.build().steps[-1].stage.params
        with pytest.raises(TypeError):
            twin.stages[-1].params.update(quality=5)
