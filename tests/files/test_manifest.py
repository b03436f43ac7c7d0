"""The manifest: canonical, honest, without leaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest

from ninefold.files.canonical_json import canonical_json
from ninefold.files.manifest import (
    SCHEMA,
    FileRecord,
    Manifest,
    PixelsRecord,
    RunRecord,
    build_manifest,
    manifest_schema,
    read_manifest,
)

FILE = FileRecord(
    name="generated.png",
    sha256="ab" * 32,
    bytes=1234,
    media_type="image/png",
    stage="text_to_image",
)
PIXELS = PixelsRecord(width=64, height=48, mode="RGB", sha256="cd" * 32)
RUN = RunRecord(
    job_id="j1",
    started_at="2025-11-23T18:00:00+00:00",
    finished_at="2025-11-23T18:00:07+00:00",
    outputs=(FILE,),
    stages={"text_to_image": {"duration_ms": 1.5}},
)


def manifest(**changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "config": {"stages": [{"stage": "prompt", "params": {}}], "seed": 7},
        "inputs": {"prompt": "a red house", "seed": 7},
        "stages": {"text_to_image": {"model": "poster", "size": (64, 48), "guidance_scale": 7.5}},
        "artifacts": [FILE],
        "versions": {"torch": "2.9", "ninefold": "0.1.0"},
        "pixels": PIXELS,
    }
    return build_manifest(**(given | changes))


def test_it_reads_back() -> None:
    made = manifest().with_run(RUN)
    assert read_manifest(made.to_json()) == made
    document = json.loads(made.to_json())
    assert document["schema"] == SCHEMA
    assert document["steps"] == ["text_to_image"]
    assert document["run"]["job_id"] == "j1"
    assert document["stages"]["text_to_image"]["size"] == [64, 48]
    assert document["artifacts"] == [FILE.model_dump()]
    assert document["pixels"]["sha256"] == "cd" * 32
    assert document["environment"]["versions"]["torch"] == "2.9"
    assert document["environment"]["versions"]["zlib"]


def test_what_is_of_one_run_lies_apart() -> None:
    first, second = (manifest().with_run(RUN.model_copy(update={"job_id": j})) for j in "ab")
    assert first.to_json() != second.to_json()
    assert first.record.to_json() == second.record.to_json() == manifest().to_json()


def test_it_is_canonical() -> None:
    made = manifest(config={"b": 1, "a": {"d": "赤い", "c": None}})
    assert made.to_json() == manifest(config={"a": {"c": None, "d": "赤い"}, "b": 1}).to_json()
    assert made.to_json() == canonical_json(made.document())
    assert "赤い".encode() in made.to_json()


def test_the_schema_says_what_is_written() -> None:
    validator = jsonschema_rs.validator_for(manifest_schema())
    for made in (manifest(), manifest(pixels=None), manifest().with_run(RUN)):
        validator.validate(json.loads(made.to_json()))
    assert not validator.is_valid({**manifest().document(), "more": 1})
    assert not validator.is_valid({**manifest().document(), "schema": "other/1"})


def test_every_field_is_described() -> None:
    parts = [manifest_schema(), *manifest_schema()["$defs"].values()]
    for part in parts:
        for name, field in part["properties"].items():
            assert field.get("description"), name


def test_paths_and_secrets_are_left_out() -> None:
    config = {
        "model": "/home/jane/models/poster.safetensors",
        "loras": [{"path": "/home/jane/loras", "weight": 0.8}],
        "hf_token": "not-to-be-seen",
        "nested": {"apiKey": {"value": "not-to-be-seen"}, "/home/jane/in.png": 1},
        "prompt": "with hf_abcdefghijklmnopqrstuvwxyz in it",
    }
    stages = {"detailer": {"warning": r"cannot open C:\Users\jane\mask.png"}}
    data = manifest(config=config, stages=stages).to_json()
    for leak in (b"jane", b"not-to-be-seen", b"hf_"):
        assert leak not in data
    document = json.loads(data)
    assert document["config"]["model"] == "poster.safetensors"
    assert document["config"]["nested"] == {"in.png": 1}
    assert document["config"]["loras"] == [{"path": "[path removed]", "weight": 0.8}]
    assert document["stages"]["detailer"]["warning"] == "cannot open mask.png"


def test_prompts_stay_as_they_were_painted() -> None:
    prompt = "a flag bearer marching, /red/blue/green stripes, ~5m/16ft tall"
    params = {
        "prompt": prompt,
        "class_prompts": {"cookie": prompt},
        "style_texts": {"/red/blue/green": prompt},
        "wildcards": {"secret": [prompt, "x"]},
    }
    stages = {
        "prompt": {"template": prompt, "seed": 1, "warnings": ["/mnt/ann/x.txt: empty"]},
        "detailer": {"regions": [{"prompt": prompt}]},
    }
    document = manifest(config={"stages": [{"params": params}]}, stages=stages).document()
    assert document["config"]["stages"] == [{"params": params}]
    assert document["stages"]["detailer"] == stages["detailer"]
    assert document["stages"]["prompt"]["template"] == prompt
    assert document["stages"]["prompt"]["warnings"] == ["x.txt: empty"]


@pytest.mark.parametrize("stage", ["prompt", "detailer"])
def test_a_stage_is_no_prompt_by_its_name(stage: str) -> None:
    document = manifest(stages={stage: {"warnings": ["see /mnt/ann/x"]}}).document()
    assert document["stages"] == {stage: {"warnings": ["see [path removed]"]}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object(), {1: 2}, {1, 2}])
def test_what_json_does_not_hold_is_named(value: object) -> None:
    stages: Mapping[str, Any] = {"upscaler": {"sizes": [1, value]}}
    with pytest.raises(ValueError, match=r"manifest\.stages\.upscaler\.sizes\[1\]: expected text"):
        manifest(stages=stages)


def test_lone_surrogates_do_not_stop_it() -> None:
    made = manifest(inputs={"prompt": "a\ud800b"})
    assert read_manifest(made.to_json()) == made
    assert made.inputs == {"prompt": "a?b"}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema": "other/1"}', b"\xff", b"[" * 9999])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="manifest: expected"):
        read_manifest(data)
