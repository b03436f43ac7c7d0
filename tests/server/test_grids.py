"""`/v1/grids`: a job for every combination of two parameters' values."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.core.errors import ConfigError
from ninefold.engines.defaults import default_engines
from ninefold.job_schema import Job
from ninefold.server.grid_cells import problems_of_grid
from ninefold.server.schemas.requests import GridAxis, GridRequest
from tests.server.conftest import Door, Open, png
from tests.support import recording_engines

GRID: dict[str, Any] = {
    "preset": "draft",
    "input": {"prompt": "a house"},
    "x": {"parameter": "text_to_image.width", "values": [64, 128, 192]},
    "y": {"parameter": "seed", "values": [7, 8]},
}


def test_a_grid_is_the_product_of_its_axes(door: Door) -> None:
    answer = door.client.post("/v1/grids", json=GRID)
    assert answer.status_code == 202, answer.text
    grid = answer.json()
    assert answer.headers["Location"] == f"/v1/grids/{grid['id']}"
    assert grid["x"] == {**GRID["x"], "labels": ["width 64", "width 128", "width 192"]}
    assert grid["y"]["labels"] == ["seed 7", "seed 8"]
    assert [(cell["x"], cell["y"]) for cell in grid["cells"]] == [
        (x, y) for y in range(2) for x in range(3)
    ]
    for cell in grid["cells"]:
        job = door.client.get(f"/v1/jobs/{cell['job']['id']}", params={"wait": 50}).json()
        assert job["outputs"][0]["width"] == GRID["x"]["values"][cell["x"]]
        assert job["input"]["seed"] == GRID["y"]["values"][cell["y"]]
    shown = door.client.get(f"/v1/grids/{grid['id']}").json()
    assert (shown["status"], shown["counts"]) == ("succeeded", {"succeeded": 6})
    door.client.delete(f"/v1/jobs/{grid['cells'][4]['job']['id']}")
    cells = door.client.get(f"/v1/grids/{grid['id']}").json()["cells"]
    assert [cell["job"] is None for cell in cells] == [False] * 4 + [True, False]


def test_cells_share_one_seed_and_a_key_brings_the_same_grid(idle: Door) -> None:
    asked = {**GRID, "y": None}
    first = idle.client.post("/v1/grids", json=asked, headers={"Idempotency-Key": "a"}).json()
    seeds = {cell["job"]["input"]["seed"] for cell in first["cells"]}
    assert (len(seeds), first["y"]) == (1, None)
    again = idle.client.post("/v1/grids", json=asked, headers={"Idempotency-Key": "a"})
    assert again.json()["id"] == first["id"]
    other = {**asked, "x": {"parameter": "text_to_image.width", "values": [64, 128, 256]}}
    refused = idle.client.post("/v1/grids", json=other, headers={"Idempotency-Key": "a"})
    assert refused.status_code == 409


def test_a_bad_value_is_told_with_its_axis_and_number(idle: Door) -> None:
    def places(**axes: Any) -> set[str]:
        answer = idle.client.post("/v1/grids", json={**GRID, **axes})
        assert answer.status_code == 422
        return {error.get("place", "") for error in answer.json()["errors"]}

    steps = {"parameter": "text_to_image.steps", "values": [3, 0, 5]}
    seeds = {"parameter": "seed", "values": [1, -1]}
    models = {"parameter": "model", "values": ["/etc", "nowhere"]}
    assert places(x=steps) == {"x.values.1"}
    assert places(y=seeds) == {"y.values.1"}
    assert places(x=steps, y=models) == {"x.values.1", "y.values.0", "y.values.1"}
    assert places(y=GRID["x"]) == {"y.parameter"}
    assert places(x={"parameter": "width", "values": [1]}) == {"x.parameter"}
    assert places(x={"parameter": "seed", "values": [1, 1]}, y=None) == {"x.values.1"}
    many = {"parameter": "seed", "values": list(range(200))}
    assert "grid" in places(x={**steps, "values": list(range(1, 7))}, y=many)
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_pictures_of_a_job_are_those_of_its_grid(door: Door) -> None:
    """All that a job began from: as its document names it, once the uploads are gone."""
    entry = {"model": "edges", "image": door.upload(png(64, 48, seed=2)), "strength": 0.5}
    mask = door.upload(png(64, 48, seed=3), kind="mask")
    given = {"prompt": "a house", "seed": 7, "image": door.upload(), "mask": mask}
    overrides = {"text_to_image.control": [entry]}
    job = door.done({"preset": "draft", "input": given, "overrides": overrides})
    assert door.service.uploads.expire(-1) == 3
    asked = {
        "config": job["config"],
        "input": Job.model_validate(job).as_input(),
        "x": {"parameter": "text_to_image.strength", "values": [0.3, 0.9]},
    }
    expected = door.client.post("/v1/jobs/estimate", json=asked).json()
    assert (expected["problems"], expected["images"]) == ([], 2)
    answer = door.client.post("/v1/grids", json=asked)
    assert answer.status_code == 202, answer.text
    for cell in answer.json()["cells"]:
        door.client.get(cell["job"]["links"]["events"])
        made = door.client.get(cell["job"]["links"]["self"]).json()
        assert (made["status"], made["input"]) == ("succeeded", job["input"])
        (control,) = made["metadata"]["text_to_image"]["control"]
        assert control["image"] == job["metadata"]["text_to_image"]["control"][0]["image"]


def test_references_of_a_job_are_those_of_its_grid(open_door: Open) -> None:
    engines, requests = recording_engines(pipeline_class="QwenImageEditPlusPipeline")
    door = open_door(engines)
    sent = [door.upload(png(96, 48)), door.upload(png(64, 64, seed=2))]
    job = door.done({"preset": "draft", "input": {"prompt": "both", "references": sent}})
    door.service.uploads.expire(-1)
    given = Job.model_validate(job).as_input()
    asked = {"preset": "draft", "input": given, "x": {"parameter": "seed", "values": [1, 2]}}
    for cell in door.client.post("/v1/grids", json=asked).json()["cells"]:
        door.client.get(cell["job"]["links"]["events"])
    assert [[each.shape[:2] for each in request.references] for request in requests] == [
        [(48, 96), (64, 64)]
    ] * 3


def test_a_picture_that_is_gone_is_told_once(idle: Door) -> None:
    gone = {"prompt": "a house", "image": {"job": "20260101-x", "name": "source.png"}}
    for path in ("/v1/grids", "/v1/jobs/estimate"):
        answer = idle.client.post(path, json={**GRID, "input": gone}).json()
        found = answer.get("errors", answer.get("problems"))
        assert [error["place"] for error in found] == ["input.image"]


def test_the_weight_of_a_lora_is_an_axis(door: Door) -> None:
    asked = {
        **GRID,
        "input": {"prompt": "a <lora:sketch:0.3> house", "seed": 7},
        "x": {"parameter": "lora:sketch", "values": [0, 0.5, 1]},
        "y": {"parameter": "prompt", "values": ["a boat", "a <lora:sketch:2> car"]},
    }
    assert door.client.post("/v1/jobs/estimate", json=asked).json()["images"] == 6
    answer = door.client.post("/v1/grids", json=asked)
    assert answer.status_code == 202, answer.text
    grid = answer.json()
    assert grid["prompt"] is None
    assert grid["x"]["labels"] == ["LoRA sketch 0", "LoRA sketch 0.5", "LoRA sketch 1"]
    for cell in grid["cells"]:
        door.client.get(cell["job"]["links"]["events"])
        made = door.client.get(cell["job"]["links"]["self"]).json()["metadata"]["prompt"]
        assert made["loras"] == [{"name": "sketch", "weight": asked["x"]["values"][cell["x"]]}]
        assert made["prompt"] == ["a boat", "a car"][cell["y"]]


def test_the_prompt_of_a_config_has_the_weight_too(idle: Door) -> None:
    config = {"prompt": "a hut", "stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]}
    axis = {"parameter": "lora:sketch", "values": [-0.5]}
    asked: dict[str, Any] = {"config": config, "input": {}, "x": axis}
    grid = idle.client.post("/v1/grids", json=asked).json()
    assert grid["prompt"] == "a hut"
    (cell,) = grid["cells"]
    assert cell["job"]["input"]["prompt"] == "<lora:sketch:-0.5>a hut"


def test_what_is_no_weight_of_a_lora(idle: Door) -> None:
    def problems(values: Any = (1, 2), **changes: Any) -> list[str]:
        x = {"parameter": changes.pop("parameter", "lora:sketch"), "values": values}
        answer = idle.client.post("/v1/grids", json={**GRID, "x": x, **changes})
        assert answer.status_code == 422
        return [error["detail"] for error in answer.json()["errors"]]

    assert problems(["1", 11, True, None]) == [
        f"x.values.{number}: expected a weight from -10 to 10, got {got}."
        for number, got in enumerate(["'1'", "11", "True", "None"])
    ]
    (unknown,) = problems(parameter="lora:pencil")
    assert unknown.startswith("x.parameter: no LoRA is called 'pencil'. Known: sketch.")
    assert problems(parameter="lora:") == [
        "x.parameter: expected the name of a LoRA, such as lora:sketch, got ''."
    ]
    (without,) = problems(preset=None, config={"stages": [{"stage": "text_to_image"}]})
    assert without.startswith("x.parameter: expected a pipeline with the stage prompt")
    twice = {"prompt": "<lora:sketch:1><lora:sketch:1>a house"}
    assert [line.partition(" tag")[0] for line in problems(input=twice)] == [
        "prompt: expected at most one"
    ]
    (refused,) = problems(parameter="lora", values=[1])
    assert "or one of prompt, negative_prompt, seed, model; got 'lora'" in refused
    assert "lora:NAME for a LoRA's weight" in refused


def test_what_all_cells_have_is_told_once(open_door: Open) -> None:
    idle = open_door(worker=False, max_group=1000)

    def problems(**changes: Any) -> list[str]:
        answer = idle.client.post("/v1/grids", json={**GRID, **changes}).json()
        return [error["detail"] for error in answer["errors"]]

    (unknown,) = problems(input={"prompt": "a house <lora:nowhere:1>"})
    assert unknown.startswith("prompt: no LoRA is called 'nowhere'")
    many = {"parameter": "seed", "values": list(range(120))}
    assert problems(input={"prompt": "a house <lora:nowhere:1>"}, y=many) == [unknown]
    prompts = ["a boat", "a <lora:nowhere:1> car", "a <lora:nowhere:2> hut"]
    found = problems(y={"parameter": "prompt", "values": prompts})
    assert [line[:19] for line in found] == ["y.values.1: prompt:", "y.values.2: prompt:"]


def test_what_values_of_an_axis_bring_in_is_told_of_them(open_door: Open) -> None:
    idle = open_door(default_engines(), worker=False)  # whose watermark takes some room

    def problems(**changes: Any) -> list[str]:
        asked = {"preset": "full", "input": {"prompt": "a house", "seed": 1}, **changes}
        answer = idle.client.post("/v1/grids", json=asked)
        assert answer.status_code == 422
        return [error["detail"].partition(": expected")[0] for error in answer.json()["errors"]]

    widths = {"parameter": "text_to_image.width", "values": [64, 512]}
    heights = {"parameter": "text_to_image.height", "values": [512, 64]}
    seeds = {"parameter": "seed", "values": [1, 2]}
    assert problems(x=widths) == ["x.values.0: publisher.watermark"]
    assert problems(x=seeds, y={**widths, "values": [512, 64]}) == [
        "y.values.1: publisher.watermark"
    ]
    each = problems(x={**widths, "values": [512, 64]}, y=heights)  # with a size of its own
    assert each == [f"cell x={x}, y={y}: publisher.watermark" for x, y in ((1, 0), (0, 1), (1, 1))]


def test_a_problem_of_several_values_is_told_of_each() -> None:
    x = GridAxis(parameter="finisher.gamma", values=[1, 2, 3])
    y = GridAxis(parameter="seed", values=[1, 2])
    found = [f"inputs.{number}: publisher.watermark: too small." for number in (0, 2, 3, 5)]
    request = GridRequest.model_validate({**GRID, "x": x, "y": y})
    with pytest.raises(ConfigError) as caught, problems_of_grid(request):
        raise ConfigError(found)
    assert list(caught.value.problems) == [
        "x.values.0: publisher.watermark: too small.",
        "x.values.2: publisher.watermark: too small.",
    ]


def test_any_config_that_has_the_stage_applies_loras(idle: Door) -> None:
    """The pipeline is asked, and one that cannot be read says why, once."""
    x = {"parameter": "lora:sketch", "values": [1, 2]}
    config = {"stages": [{"stage": "promt"}, {"stage": "text_to_image"}]}
    answer = idle.client.post("/v1/grids", json={"config": config, "input": GRID["input"], "x": x})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert "Did you mean 'prompt'?" in error["detail"]


def test_an_estimate_of_a_grid_says_what_is_wrong_with_it(idle: Door) -> None:
    def problems(**changes: Any) -> list[str]:
        answer = idle.client.post("/v1/jobs/estimate", json={**GRID, **changes})
        assert answer.status_code == 200
        return [error["detail"] for error in answer.json()["problems"]]

    wrong = {"parameter": "text_to_image.steps", "values": [3, 0]}
    (line,) = problems(x=wrong)
    assert line.startswith("x.values.1: text_to_image.steps: ")
    assert "one image a cell" in problems(count=2)[0]
    assert "Write input, not inputs" in problems(inputs=[{"prompt": "a house"}])[0]
    assert "expected with x" in problems(x=None)[0]


def test_a_group_is_no_grid(idle: Door) -> None:
    group = idle.client.post("/v1/groups", json={"inputs": [{"prompt": "a house"}]}).json()
    for name in (group["id"], "none"):
        assert idle.client.get(f"/v1/grids/{name}").status_code == 404
