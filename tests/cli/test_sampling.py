"""`--size`, `--steps`, `--guidance`, `--scheduler` and `--lora`, of `run` and of `submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Cli


def dry(cli: Cli, *arguments: object) -> dict[str, dict[str, Any]]:
    """Each stage's parameters, by its name, of a run that would be."""
    done = cli("run", "a house", "--dry-run", "--json", *arguments)
    assert done.code == 0, done.err
    return {item["stage"]: item["params"] for item in done.document["stages"]}


def test_they_are_what_is_run(cli: Cli) -> None:
    done = cli(
        "run", "a house", "--preset", "draft", "--seed", 3, "--size", "64x96", "--steps", 3,
        "--guidance", 2.5, "--scheduler", "euler", "--lora", "sketch:0.5", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    reported = done.document["metadata"]["text_to_image"]
    assert reported["size"] == [64, 96]
    assert (reported["steps"], reported["guidance_scale"], reported["scheduler"]) == (
        3,
        2.5,
        "euler",
    )
    (lora,) = reported["loras"]
    assert (lora["name"], lora["weight"]) == ("sketch", 0.5)
    assert done.document["metadata"]["prompt"]["prompt"] == "a house"
    by_hand = cli(
        "run", "<lora:sketch:0.5>a house", "--preset", "draft", "--seed", 3, "--json",
        "--set", "text_to_image.width=64", "--set", "text_to_image.height=96",
        "--set", "text_to_image.steps=3", "--set", "text_to_image.guidance_scale=2.5",
        "--set", "text_to_image.scheduler=euler",
    )  # fmt: skip
    first, second = (run.document["artifacts"][0]["sha256"] for run in (done, by_hand))
    assert first == second


def test_submit_takes_the_same(cli: Cli) -> None:
    arguments = (
        "--preset",
        "draft",
        "--seed",
        3,
        "--size",
        "64x96",
        "--steps",
        3,
        "--lora",
        "sketch",
    )
    job = cli("submit", "a house", *arguments).out.strip()
    document = cli("jobs", "show", job, "--json").document
    params = {item["stage"]: item.get("params", {}) for item in document["config"]["stages"]}
    assert params["text_to_image"] == {"width": 64, "height": 96, "steps": 3}
    assert document["input"]["prompt"] == "<lora:sketch:1>a house"


def test_all_stages_of_the_model_take_them(cli: Cli) -> None:
    found = dry(cli, "--preset", "full", "--steps", 9, "--guidance", 0, "--scheduler", "ddim")
    for stage in ("text_to_image", "refiner", "detailer", "restorer"):
        params = found[stage]
        reported = (params["steps"], params["guidance_scale"], params["scheduler"])
        assert reported == (9, 0, "ddim"), stage


def test_a_value_of_its_own_stays(cli: Cli, tmp_path: Path) -> None:
    stages = [
        {"stage": "prompt"},
        {"stage": "text_to_image", "params": {"steps": 5, "width": 64}},
        {"stage": "text_to_image"},
        {"stage": "refiner", "params": {"steps": 6}},
        {"stage": "detailer", "params": {"model": "poster"}},
        {"stage": "restorer"},
    ]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"stages": stages}))
    given = ("--config", "c.yaml", "--steps", 9, "--size", "96x96", "--set", "restorer.steps=7")
    done = cli("run", "a house", "--dry-run", "--json", *given)
    params = [item["params"] for item in done.document["stages"]]
    assert [item.get("steps") for item in params] == [None, 9, 9, 6, None, 7]
    assert [item.get("width") for item in params[:3]] == [None, 96, 96]


@pytest.mark.parametrize("size", ["64x96", "64X96", "64×96", " 64 x 96 "])
def test_a_size_is_two_numbers(cli: Cli, size: str) -> None:
    params = dry(cli, "--preset", "draft", "--size", size)["text_to_image"]
    assert (params["width"], params["height"]) == (64, 96)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--size", "64"], ["--size: expected WIDTHxHEIGHT in pixels, such as 768x512, got '64'."]),
        (["--size", "64x"], ["--size: expected WIDTHxHEIGHT"]),
        (["--size", "-64x64"], ["--size: expected WIDTHxHEIGHT"]),
        (["--size", ""], ["--size: expected WIDTHxHEIGHT"]),
        (["--size", "99999x64"], ["text_to_image.width: input should be less than or equal to"]),
        (["--size", "100x64"], ["text_to_image.width: expected a multiple of 16", "96 or 112"]),
        (["--steps", "0"], ["error: --steps: input should be greater than or equal to 1, got 0."]),
        (["--guidance", "nan"], ["--guidance: "]),
        (["--guidance", "99", "--steps", "999"], ["--guidance: ", "--steps: ", "2 problems"]),
        (["--scheduler", "fast"], ["text_to_image.scheduler: 'fast' is unknown"]),
        (["--lora", "nothing"], ["prompt: no LoRA is called 'nothing'"]),
        (["--lora", "sketch:"], ["--lora: expected NAME or NAME:WEIGHT", "got 'sketch:'"]),
        (["--lora", "sketch:many"], ["--lora: expected NAME or NAME:WEIGHT"]),
        (["--lora", "sketch:99"], ["weight from -10 to 10"]),
        (["--lora", "sketch:nan"], ["weight from -10 to 10"]),
        (["--lora", ":1"], ["--lora: expected NAME or NAME:WEIGHT"]),
        (["--lora", "a:b:1"], ["A name holds none of : < >."]),
        (["--lora", "a>b"], ["A name holds none of : < >."]),
        (["--lora", "sketch", "--lora", "sketch:2"], ["--lora: 'sketch' was given more than once"]),
        (
            ["--steps", "4", "--set", "text_to_image.steps=5"],
            ["--steps: --set text_to_image.steps was given, too. Leave one out."],
        ),
        (
            ["--size", "64x64", "--set", "text_to_image.width=96"],
            ["--size: --set text_to_image.width was given, too. Leave one out."],
        ),
    ],
)
def test_what_cannot_be_is_refused(
    cli: Cli, tmp_path: Path, arguments: list[str], reported: list[str]
) -> None:
    for command in ("run", "submit"):
        done = cli(command, "a house", "--preset", "draft", *arguments)
        assert done.code == 2
        for part in reported:
            assert part in done.err
        assert list(tmp_path.iterdir()) == []


def test_a_lora_in_the_prompt_too_is_refused(cli: Cli) -> None:
    done = cli("run", "a house <lora:sketch:0.2>", "--preset", "draft", "--lora", "sketch")
    assert done.code == 2
    assert "--lora: the prompt has a tag for 'sketch', too. Leave one out." in done.err


def test_a_pipeline_that_has_no_use_for_them_refuses(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("stages: [{stage: upscaler}]")
    picture = cli("run", "a house", "--preset", "draft", "--out", "o").files[0]
    options = ("--config", "c.yaml", "--image", picture)
    for given, reported in (
        (("--size", "64x64"), "--size: no stage of this pipeline paints an image of a size."),
        (("--steps", 3), "--steps: no stage of this pipeline runs a diffusion model."),
        (("--guidance", 3, "--scheduler", "euler"), "--guidance, --scheduler: no stage of"),
        (("--lora", "sketch"), "--lora: expected a pipeline with the stage prompt"),
    ):
        done = cli("run", *options, *given)
        assert done.code == 2
        assert reported in done.err


def test_a_resumed_run_takes_none(cli: Cli) -> None:
    done = cli("run", "--resume", "x", "--size", "1x1", "--lora", "a", "--steps", 3)
    assert done.code == 2
    assert "--size, --steps, --lora cannot be given with it" in done.err
