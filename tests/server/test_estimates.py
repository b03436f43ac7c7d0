"""`POST /v1/jobs/estimate`: what jobs will take, by those that ended."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.timings import StageWork, Timing, estimated
from ninefold.testing import fake_engines
from tests.server.conftest import JOB, Door, Open


def estimate(door: Door, body: dict[str, Any]) -> dict[str, Any]:
    answer = door.client.post("/v1/jobs/estimate", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def work(width: int = 128, steps: int = 4, **params: Any) -> StageWork:
    return StageWork("text_to_image", ("poster",), params, (width, width), steps, False)


def test_the_rule() -> None:
    timings = [Timing(work(), 2.0), Timing(work(), 4.0), Timing(work(), 3.0)]
    assert estimated(work(), timings) == (3.0, "measured")
    assert estimated(work(256), timings) == (12.0, "scaled")
    assert estimated(work(steps=8), timings) == (6.0, "scaled")
    assert estimated(work(strength=0.5), timings) == (3.0, "scaled")
    other = StageWork("refiner", ("poster",), {}, (128, 128), 4, False)
    assert estimated(other, timings) == (None, "unknown")
    assert estimated(StageWork("text_to_image", ("x",), {}, None, 4, False), timings)[0] is None


def test_the_nearest_work_counts() -> None:
    near, far = Timing(work(256), 10.0), Timing(work(64), 10.0)
    found, basis = estimated(work(300), [*[far] * 9, *[near] * 5])
    assert basis == "scaled"
    assert found == pytest.approx(10 * (300 / 256) ** 2)


def test_what_never_ran_is_unknown(idle: Door) -> None:
    found = estimate(idle, JOB)
    stages = [item.stage for item in PipelineConfig.preset("draft").stages]
    assert [step["stage"] for step in found["steps"]] == stages
    assert {step["basis"] for step in found["steps"]} == {"unknown"}
    assert found["seconds"] is None
    assert found["images"] == 1
    painted = found["steps"][1]
    assert (painted["model"], painted["steps"]) == ("poster", 4)
    assert (painted["width"], painted["height"]) == (128, 128)
    assert idle.client.get("/v1/jobs").json()["jobs"] == []
    assert not list((idle.service.jobs.data / "jobs").glob("*"))


def test_an_estimate_is_what_the_job_took(open_door: Open) -> None:
    """With an engine whose every step takes 20 ms: exact again, and in proportion."""
    door = open_door(fake_engines(steps_delay=0.02))
    job = door.done({**JOB, "cache": False})
    took = {stage: told["duration_ms"] / 1000 for stage, told in job["metadata"].items()}
    found = estimate(door, JOB)
    for step in found["steps"]:
        assert step["basis"] == "measured"
        assert step["seconds"] == pytest.approx(took[step["stage"]], abs=0.001)
    assert found["seconds"] == pytest.approx(sum(took.values()), abs=0.01)
    longer = estimate(door, {**JOB, "overrides": {"text_to_image.steps": 8}})["steps"][1]
    assert (longer["basis"], longer["steps"]) == ("scaled", 8)
    assert longer["seconds"] == pytest.approx(2 * took["text_to_image"], abs=0.002)
    group = {"preset": "draft", "inputs": [{"prompt": "a {red|blue} house"}], "variants": True}
    several = estimate(door, {**group, "count": 3})
    assert several["images"] == 6
    assert several["seconds"] == pytest.approx(6 * found["seconds"], rel=0.01)


def test_a_job_whose_plugin_is_gone_is_no_measure(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = door.done()

    def gone(_: object) -> PipelineConfig:
        raise ConfigError("stages.1: expected a stage, got one of a plugin that is gone.")

    monkeypatch.setattr("ninefold.jobs.timings.parsed_config", gone)
    assert {step["basis"] for step in estimate(door, JOB)["steps"]} == {"unknown"}
    monkeypatch.setattr(JobSpec, "pipeline_config", property(lambda spec: gone(spec)))
    assert "job_ended" in door.client.get(job["links"]["events"]).text


def test_stages_from_the_cache_are_no_measure(open_door: Open) -> None:
    door = open_door(fake_engines(steps_delay=0.02))
    door.done(JOB)
    first = estimate(door, JOB)["steps"][1]["seconds"]
    assert door.done(JOB)["metadata"]["text_to_image"]["cached"]
    assert estimate(door, JOB)["steps"][1]["seconds"] == first


def test_problems_and_warnings_are_in_the_answer(idle: Door) -> None:
    found = estimate(idle, {**JOB, "overrides": {"text_to_image.steps": 0}})
    assert [problem["place"] for problem in found["problems"]] == ["text_to_image.steps"]
    assert found["steps"] == []
    rows = [{"prompt": "a {b"}, {"prompt": "fine"}, {"prompt": "__nope__"}]
    told = [p["detail"] for p in estimate(idle, {"preset": "draft", "inputs": rows})["problems"]]
    assert [line.partition(":")[0] for line in told] == ["inputs.2"]
    assert "either input, or inputs" in estimate(idle, {})["problems"][0]["detail"]
    off = {"preset": "draft", "input": {"prompt": "a", "negative_prompt": "b"}}
    off["overrides"] = {"text_to_image.guidance_scale": 1.0}
    assert [w["stage"] for w in estimate(idle, off)["warnings"]] == ["text_to_image"]


def test_source_images_count(idle: Door) -> None:
    upload = idle.upload()
    found = estimate(idle, {**JOB, "input": {"prompt": "a house", "image": upload}})
    assert found["problems"] == []
    assert found["steps"][1]["width"] > found["steps"][1]["height"]
