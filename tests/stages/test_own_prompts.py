"""Prompts of stages: choices, wildcards and LoRA tags as in the image's, placeholders last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninefold import InputError, Pipeline, PipelineContext
from ninefold.cache import StageCache, cache_key
from ninefold.core.values import Lora
from ninefold.core.wiring import Step
from ninefold.engines.detection import DETECTION, Detection
from ninefold.engines.diffusion import DIFFUSION, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.slots import REGIONS, WILDCARDS
from ninefold.stages import DetailerStage, PromptStage, RestorerStage, TextToImageStage
from ninefold.testing import fake_engines

from ..support import FixedDetection, RecordingDiffusion, Stage, picture, run

FACE = Detection("face", 0.9, 20, 20, 60, 60)
TREE = Detection("tree", 0.8, 70, 70, 120, 120)
STAGES = pytest.mark.parametrize("stage_type", [DetailerStage, RestorerStage])
SKETCH, INK = Lora("sketch"), Lora("ink")


def engines_with(
    *found: Detection, folder: Path | None = None
) -> tuple[EngineSet, list[TextToImage]]:
    """Fake engines with LoRAs `sketch` and `ink`, and the requests that they get."""
    diffusion = RecordingDiffusion(known_loras=("sketch", "ink"))
    detection = FixedDetection(found=found or (FACE,))
    engines = fake_engines(wildcards=folder).with_engines(DIFFUSION, diffusion)
    engines = engines.with_engines(DETECTION, detection)
    return engines, diffusion.requests


class Bench:
    """Runs a stage on a context that another stage may have prepared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    def run(
        self,
        stage_type: type[Stage],
        prompt: str,
        *found: Detection,
        main: str = "a village",
        loras: tuple[Lora, ...] = (),
        wildcards: Mapping[str, tuple[str, ...]] | None = None,
        seed: int = 7,
        given: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> tuple[PipelineContext, list[TextToImage]]:
        """The context afterwards, and what the stage asked its engine for."""
        self.runs += 1
        engines, requests = engines_with(*found)
        context = PipelineContext(self.folder / str(self.runs), prompt=main, seed=seed, loras=loras)
        for name, value in ({"image": picture(128, 128)} | dict(given or {})).items():
            context.set(name, value)
        if wildcards is not None:
            context.set(WILDCARDS, dict(wildcards))
        run(stage_type(engines=engines, prompt=prompt, **params).execute(context))
        return context, requests


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- choices --------------------------------------------------------------------------------------


@STAGES
def test_the_seed_makes_the_choices(bench: Bench, stage_type: type[Stage]) -> None:
    texts = []
    for seed in (*range(12), *range(12)):
        _, requests = bench.run(
            stage_type, "{red|blue|green} __what__", seed=seed, wildcards={"what": ("tent", "hut")}
        )
        assert len({request.prompt for request in requests}) == 1
        texts.append(requests[0].prompt)
    assert texts[:12] == texts[12:]
    assert {text.split()[0] for text in texts} == {"red", "blue", "green"}
    assert {text.split()[1] for text in texts} == {"tent", "hut"}


@STAGES
def test_wildcards_of_the_folder_are_known_without_a_prompt_stage(
    tmp_path: Path, stage_type: type[Stage]
) -> None:
    (tmp_path / "what.txt").write_text("a tent\n")
    engines, requests = engines_with(folder=tmp_path)
    context = PipelineContext(tmp_path / "out", image=picture(128, 128))
    run(stage_type(engines=engines, prompt="__what__").execute(context))
    assert {request.prompt for request in requests} == {"a tent"}


def test_wildcards_of_the_prompt_stage_are_known_to_later_ones(tmp_path: Path) -> None:
    engines, requests = engines_with()
    stages: list[Stage] = [
        PromptStage(engines=engines, wildcards={"what": ["a tent"]}),
        TextToImageStage(engines=engines),
        DetailerStage(engines=engines, prompt="__what__ in {prompt}"),
        RestorerStage(engines=engines, prompt="__what__"),
    ]
    context = PipelineContext(tmp_path, prompt="a {village}", seed=7)
    pipeline = Pipeline(stages)
    assert pipeline.problems(context) == ()
    assert WILDCARDS.name not in context.data
    run(pipeline.execute(context))
    context.raise_for_error()
    painted = [request.prompt for request in requests]
    assert painted[:2] == ["a {village}", "a tent in a {village}"]
    assert set(painted[2:]) == {"a tent"}
    assert context.metadata["restorer"]["prompt"] == "a tent"
    assert PipelineContext.from_json(context.to_json()).data == context.data


@STAGES
def test_what_is_filled_in_is_text(bench: Bench, stage_type: type[Stage]) -> None:
    main = "a {red|blue} __what__ <lora:ink:1> {prompt} {label} [SEP] [SKIP] ${x}"
    context, requests = bench.run(
        stage_type, "close, {prompt}, {1::close}", main=main, wildcards={"what": ("tent",)}
    )
    assert {request.prompt for request in requests} == {f"close, {main}, close"}
    assert {request.loras for request in requests} == {()}
    assert "warnings" not in context.metadata[stage_type.name]


def test_labels_are_text(bench: Bench) -> None:
    odd = replace(FACE, label="a {b|c} (d:2) __what__ [SKIP] {prompt}")
    _, (request,) = bench.run(DetailerStage, "{label}", odd, wildcards={"what": ("tent",)})
    assert request.prompt == r"a {b|c} \(d:2\) __what__ \[SKIP\] {prompt}"


def test_an_escaped_placeholder_is_text(bench: Bench) -> None:
    _, (request,) = bench.run(DetailerStage, r"a \{prompt\} of \{label} {label}")
    assert request.prompt == "a {prompt} of {label} face"


def test_separators_and_skips_work_inside_choices(bench: Bench) -> None:
    prompt = "{[SKIP]|one}[SEP]{two|three [SEP] four}"
    seen = set()
    for seed in range(16):
        context, requests = bench.run(DetailerStage, prompt, FACE, TREE, seed=seed)
        seen.add(tuple(request.prompt for request in requests))
        assert [region.prompt for region in context[REGIONS]] == [item.prompt for item in requests]
    assert seen == {("one", "two"), ("one", "three"), ("two",), ("three",)}


def test_a_template_does_not_grow_without_end(bench: Bench) -> None:
    with pytest.raises(InputError, match=r"detailer\.prompt: .* at most 20,000 characters"):
        bench.run(DetailerStage, "{prompt}" * 20, main="a" * 4000)


# -- LoRAs ----------------------------------------------------------------------------------------


@STAGES
@pytest.mark.parametrize(
    ("prompt", "image", "expected"),
    [
        ("{prompt}", (SKETCH,), (SKETCH,)),
        ("a hut", (SKETCH,), (SKETCH,)),
        ("a hut <lora:ink:0.5>", (), (Lora("ink", 0.5),)),
        ("<lora:ink:0.5> {prompt}", (SKETCH,), (SKETCH, Lora("ink", 0.5))),
        ("a hut <lora:sketch:0.5>", (SKETCH,), (Lora("sketch", 0.5),)),
        ("a hut <lora:sketch:0>", (SKETCH, INK), (INK,)),
        ("a __what__", (), (INK,)),
        ("a {hut <lora:ink:1>|tent <lora:ink:1>}", (), (INK,)),
    ],
)
def test_tags_act_in_their_stage(
    bench: Bench,
    stage_type: type[Stage],
    prompt: str,
    image: tuple[Lora, ...],
    expected: tuple[Lora, ...],
) -> None:
    wildcards = {"what": ("hut <lora:ink:1>",)}
    context, requests = bench.run(stage_type, prompt, loras=image, wildcards=wildcards)
    assert {request.loras for request in requests} == {expected}
    assert not any("lora" in request.prompt for request in requests)
    reported = context.metadata[stage_type.name]["loras"]
    assert [(item["name"], item["weight"]) for item in reported] == [
        (lora.name, lora.weight) for lora in expected
    ]
    assert context.get("loras") == image


def test_each_region_has_the_loras_of_its_own_prompt(bench: Bench) -> None:
    context, requests = bench.run(
        DetailerStage,
        "one <lora:sketch:1> [SEP] two <lora:ink:1>",
        *(FACE, TREE, replace(FACE, label="hut", left=100, right=120)),
        class_prompts={"hut": "<lora:ink:0.3> three"},
        order="confidence",
    )
    assert [(item.prompt, item.loras) for item in requests] == [
        ("one", (SKETCH,)),
        ("three", (Lora("ink", 0.3),)),
        ("two", (INK,)),
    ]
    assert [region.loras for region in context[REGIONS]] == [item.loras for item in requests]
    entry = context.metadata["detailer"]
    assert [item["loras"][0]["name"] for item in entry["regions"]] == ["sketch", "ink", "ink"]
    assert [(item["name"], item["weight"]) for item in entry["loras"]] == [
        ("sketch", 1.0),
        ("ink", 0.3),
        ("ink", 1.0),
    ]


# -- negative prompts -----------------------------------------------------------------------------


@STAGES
@pytest.mark.parametrize(
    ("negative", "expected"),
    [
        ("{negative_prompt}", "fog"),
        ("", ""),
        ("{1::rain}, {negative_prompt}", "rain, fog"),
        ("__what__", "a hut"),
    ],
)
def test_a_negative_prompt_of_its_own(
    bench: Bench, stage_type: type[Stage], negative: str, expected: str
) -> None:
    context, requests = bench.run(
        stage_type,
        "a tent",
        negative_prompt=negative,
        given={"negative_prompt": "fog"},
        wildcards={"what": ("a hut",)},
    )
    assert {request.negative_prompt for request in requests} == {expected}
    entry = context.metadata[stage_type.name]
    reported = entry["regions"][0] if "regions" in entry else entry
    assert reported["negative_prompt"] == expected


def test_negative_prompts_are_divided_as_prompts_are(bench: Bench) -> None:
    _, requests = bench.run(DetailerStage, "a", FACE, TREE, negative_prompt="one [SEP] two")
    assert [request.negative_prompt for request in requests] == ["one", "two"]


def test_a_lora_in_a_negative_prompt_is_refused_in_whatever_variant() -> None:
    found = problems_of(
        PromptStage(negative_prompt="{{fog|rain}|<lora:sketch:1>}"),
        DetailerStage(negative_prompt="{0.001::<lora:ink:1>|fog}"),
        image=picture(64, 64),
    )
    assert found == tuple(
        f"{where}: LoRA {name} cannot act in it alone. Write the tag into the prompt."
        for where, name in (("negative_prompt", "sketch"), ("detailer.negative_prompt", "ink"))
    )


# -- what is reported -------------------------------------------------------------


def problems_of(*stages: Stage, **slots: Any) -> tuple[str, ...]:
    """What a pipeline of these stages and fake engines tells beforehand."""
    engines, requests = engines_with()
    given: dict[str, Any] = {"prompt": "a village", "seed": 7} | slots
    for stage in stages:
        stage._engines = engines
    found = Pipeline(stages).problems(PipelineContext(**given))
    assert requests == []
    return found


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"prompt": "PROMPT"}, "detailer.prompt"),
        ({"class_prompts": {"face": "PROMPT"}}, "detailer.class_prompts.face"),
    ],
)
@pytest.mark.parametrize(
    ("prompt", "reported"),
    [
        ("a <lora:nope:1>", ": no LoRA is called 'nope'."),
        ("a <lora:sketchy:1>", ": no LoRA is called 'sketchy'. Did you mean 'sketch'?"),
        ("{a|b <lora:nope:1>}", ": no LoRA is called 'nope'."),
        ("__style__", ": no LoRA is called 'nope'."),
        ("a __nope__", ", character 3: wildcard __nope__ is unknown."),
        ("{a|b", ": cannot be read at character 1 ('{a|b')."),
        ("{prompt} {a|b", ": cannot be read at character 10 ('{a|b')."),
        ("a <lora:{label}:1>", ": expected a LoRA's name in <lora:...>, got '{label}'."),
        ("a __{label}__", ": wildcard __{label}__ is unknown."),
        ("${x}", ", character 1: variable x is not defined."),
        ("<hypernet:a:1>", ": <hypernet:a:1> is A1111's syntax"),
    ],
)
def test_what_cannot_be_resolved_is_reported_before_anything_runs(
    prompt: str, reported: str, params: dict[str, Any], where: str
) -> None:
    filled = {
        name: prompt if value == "PROMPT" else {"face": prompt} for name, value in params.items()
    }
    wildcards = {"style": ("a <lora:nope:1>",)}
    found = problems_of(
        PromptStage(wildcards=wildcards), TextToImageStage(), DetailerStage(**filled)
    )
    assert len(found) == 1
    assert found[0].startswith(where)
    assert reported in found[0]


def test_every_prompt_is_reported_at_once() -> None:
    found = problems_of(
        PromptStage(styles=["x"], style_texts={"x": "{prompt} <lora:one:1>"}),
        TextToImageStage(),
        DetailerStage(prompt="<lora:two:1>"),
        DetailerStage(prompt="__three__"),
        RestorerStage(prompt="{four|"),
    )
    assert [problem.partition(":")[0].partition(",")[0] for problem in found] == [
        "prompt",
        "detailer.prompt",
        "detailer_2.prompt",
        "restorer.prompt",
    ]


def test_loras_that_are_given_are_looked_up() -> None:
    found = problems_of(TextToImageStage(), loras=(Lora("nope"),))
    assert [problem.partition(".")[0] for problem in found] == ["prompt: no LoRA is called 'nope'"]


@STAGES
def test_other_tools_syntax_is_reported_once(bench: Bench, stage_type: type[Stage]) -> None:
    context, _ = bench.run(stage_type, "a hut AND [a:b:0.5] {prompt}", FACE, TREE)
    warnings = context.metadata[stage_type.name]["warnings"]
    assert len(warnings) == len(set(warnings)) == 2
    assert all(f" in {stage_type.name}.prompt is " in line for line in warnings)


# -- the cache ------------------------------------------------------------------------------------


@STAGES
def test_the_cache_heeds_wildcards_and_loras(tmp_path: Path, stage_type: type[Stage]) -> None:
    file = tmp_path / "what.txt"
    engines, _ = engines_with(folder=tmp_path)

    def key(prompt: str, text: str = "a tent", **slots: Any) -> str | None:
        file.write_text(text)
        context = PipelineContext(tmp_path / "out", job_id="job", seed=7, prompt="x", **slots)
        context.set("image", picture(128, 128))
        return cache_key(Step(stage_type(engines=engines, prompt=prompt)), context)

    assert key("__what__") == key("__what__")
    assert key("__what__") != key("__what__", "a hut of stone")
    assert key("plain") == key("plain", "a hut of stone, too")
    assert key("plain") != key("<lora:ink:1> plain")


def test_a_step_that_cannot_be_resolved_fails_as_a_step_does(tmp_path: Path) -> None:
    engines, _ = engines_with()
    context = PipelineContext(tmp_path / "out", image=picture(128, 128), prompt="x", seed=7)
    pipeline = Pipeline([DetailerStage(engines=engines, prompt="__gone__")])
    cache = StageCache(tmp_path / "cache")
    run(pipeline.execute(context, around=cache.around))
    assert context.error is not None
    assert context.error.user_error
    assert (context.error.stage, context.error.kind) == ("detailer", "InputError")


@STAGES
def test_a_lora_twice_with_other_blocks_stays_twice(bench: Bench, stage_type: type[Stage]) -> None:
    twice = (
        replace(SKETCH, weight=0.5, blocks="OUTALL"),
        replace(SKETCH, weight=0.3, blocks="MIDD"),
    )
    _, requests = bench.run(stage_type, "<lora:ink:1>", loras=twice)
    assert [(lora.name, lora.weight) for lora in requests[0].loras] == [
        ("sketch", 0.5), ("sketch", 0.3), ("ink", 1.0),
    ]  # fmt: skip
