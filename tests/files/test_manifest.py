"""The manifest: canonical, honest, without leaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ninefold.files.manifest import FileRecord, build_manifest, canonical_json, read_manifest

RECORD = FileRecord("generated.png", "ab" * 32, 1234, "image/png", "text_to_image")


def manifest(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "job_id": "j1",
        "config": {"stages": [{"stage": "prompt", "params": {}}], "seed": 7},
        "stages": {"text_to_image": {"model": "poster", "size": (64, 48), "guidance_scale": 7.5}},
        "artifacts": [RECORD],
        "outputs": [],
        "versions": {"torch": "2.9", "ninefold": "0.1.0"},
        "started_at": "2025-11-23T18:00:00+00:00",
        "finished_at": "2025-11-23T18:00:07+00:00",
    }
    return build_manifest(**(given | changes))


def test_it_reads_back() -> None:
    document = read_manifest(manifest())
    assert document["schema"] == "ninefold.manifest/1"
    assert document["job_id"] == "j1"
    assert document["stages"]["text_to_image"]["size"] == [64, 48]
    assert document["artifacts"] == [
        {
            "name": "generated.png",
            "sha256": "ab" * 32,
            "bytes": 1234,
            "media_type": "image/png",
            "stage": "text_to_image",
        }
    ]


def test_it_is_canonical() -> None:
    data = manifest(config={"b": 1, "a": {"d": "赤い", "c": None}})
    assert data == manifest(config={"a": {"c": None, "d": "赤い"}, "b": 1})
    assert data.endswith(b"}\n")
    assert not data.endswith(b"\n\n")
    assert "赤い".encode() in data
    text = json.dumps(json.loads(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert data.decode() == text


def test_paths_and_secrets_are_left_out() -> None:
    config = {
        "model": "/home/jane/models/poster.safetensors",
        "loras": [{"path": "/home/jane/loras", "weight": 0.8}],
        "hf_token": "not-to-be-seen",
        "nested": {"apiKey": {"value": "not-to-be-seen"}, "/home/jane/in.png": 1},
        "prompt": "with hf_abcdefghijklmnopqrstuvwxyz in it",
    }
    stages = {"detailer": {"warning": r"cannot open C:\Users\jane\mask.png"}}
    data = manifest(config=config, stages=stages)
    for leak in (b"jane", b"not-to-be-seen", b"hf_"):
        assert leak not in data
    document = read_manifest(data)
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
    document = read_manifest(manifest(config={"stages": [{"params": params}]}, stages=stages))
    assert document["config"]["stages"] == [{"params": params}]
    assert document["stages"]["detailer"] == stages["detailer"]
    assert document["stages"]["prompt"]["template"] == prompt
    assert document["stages"]["prompt"]["warnings"] == ["x.txt: empty"]


@pytest.mark.parametrize("stage", ["prompt", "detailer"])
def test_a_stage_is_no_prompt_by_its_name(stage: str) -> None:
    document = read_manifest(manifest(stages={stage: {"warnings": ["see /mnt/ann/x"]}}))
    assert document["stages"] == {stage: {"warnings": ["see [path removed]"]}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object(), {1: 2}, {1, 2}])
def test_what_json_does_not_hold_is_named(value: object) -> None:
    stages: Mapping[str, Any] = {"upscaler": {"sizes": [1, value]}}
    with pytest.raises(ValueError, match=r"manifest\.stages\.upscaler\.sizes\[1\]: expected text"):
        manifest(stages=stages)


def test_lone_surrogates_do_not_stop_it() -> None:
    assert read_manifest(manifest(job_id="a\ud800b"))["job_id"] == "a?b"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema": "other/1"}', b"\xff", b"[" * 9999])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="manifest: expected"):
        read_manifest(data)


def test_canonical_json_of_plain_values() -> None:
    assert canonical_json({"b": [1, 2.5], "a": True}) == (
        b'{\n  "a": true,\n  "b": [\n    1,\n    2.5\n  ]\n}\n'
    )
