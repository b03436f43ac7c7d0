"""What is sent in error or to do harm: a problem with the remedy, nothing stored, nothing run."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.server.conftest import JOB, Door, Open, png
from tests.support import files_in

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def untouched(idle: Door) -> Iterator[Door]:
    """A service, of which nothing may be left but its database."""
    yield idle
    assert idle.client.get("/v1/jobs").json()["jobs"] == []
    files = files_in(idle.service.jobs.data)
    assert {name for name in files if not name.startswith("ninefold.db")} <= {"workers.lock"}


def _problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["type"].startswith("urn:ninefold:problem:")
    assert found["title"]
    assert found["detail"]
    return found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"\xff\xfe", 400),
        (b"9" * 5000, 400),
        (b"[" * 100_000, 400),
        (b'{"input": {"prompt": "a", "seed": 1e999}}', 422),
        (b'{"input": {"prompt": "a", "seed": NaN}}', 422),
        (b'{"input": {"prompt": "\\ud800"}}', 422),
        (b'{"input": {"prompt": "a"}, "overrides": {"publisher.name": "\\ud800"}}', 422),
        (b'{"input": {"prompt": "a"}, "overrides": {"upscaler.upscale_factor": NaN}}', 422),
        (b'{"input": {"prompt": ""}, "preset": "draft"}', 422),
        (b'{"input": {}, "preset": "draft"}', 422),
        (b'{"input": {"prompt": "a", "image": "../../etc/passwd"}}', 422),
        (b'{"input": {"prompt": "a", "image": "/etc/passwd"}}', 422),
        (b'{"input": {"prompt": "a", "folder": "/tmp"}}', 422),
        (b'{"input": {"prompt": "a"}, "priority": 0}', 422),
        (b'{"input": {"prompt": "a"}, "priority": "first"}', 422),
        (b'{"input": {"prompt": "a"}, "preset": "../draft"}', 422),
        (b'{"input": {"prompt": "a"}, "preset": "draft", "config": {}}', 422),
        (b'{"input": {"prompt": "a {red|blue"}, "preset": "draft"}', 422),
        (b'{"input": {"prompt": "<lora:x:99> a"}, "preset": "draft"}', 422),
        (b'{"input": {"prompt": "__passwd__"}, "preset": "draft"}', 422),
    ],
)
def test_bodies_that_are_no_job(body: bytes, status: int, untouched: Door) -> None:
    _problem(untouched.client.post("/v1/jobs", content=body, headers=JSON), status)


def test_a_body_without_its_type(untouched: Door) -> None:
    found = _problem(untouched.client.post("/v1/jobs", content=b"{}"), 422)
    assert "Content-Type: application/json" in found["detail"]


def test_every_field_is_reported_at_once(untouched: Door) -> None:
    body = {
        "preset": 7,
        "input": {"prompt": "x" * 20_001, "sed": 7, "seed": -1},
        "priority": 0,
        "overides": {},
    }
    found = _problem(untouched.client.post("/v1/jobs", json=body), 422)
    places = {error["pointer"] for error in found["errors"]}
    assert places == {
        "#/preset",
        "#/input/prompt",
        "#/input/sed",
        "#/input/seed",
        "#/priority",
        "#/overides",
    }


def test_every_problem_of_a_config_is_reported_at_once(untouched: Door) -> None:
    config = {
        "model": "/models/secret",
        "stages": [
            {"stage": "prompt"},
            {"stage": "text_to_imag"},
            {"stage": "upscaler", "params": {"upscale_factor": 99, "upscaler": "../x.onnx"}},
            {"stage": "finisher", "params": {"lut": "/etc/passwd", "overlay": "a.png"}},
            {"stage": "detailer", "params": {"detector": "http://host/x.onnx"}},
        ],
    }
    body = {"config": config, "input": {"prompt": "a", "model": "/etc", "image": "0" * 64}}
    found = _problem(untouched.client.post("/v1/jobs", json=body), 422)
    reported = "\n".join(error["detail"] for error in found["errors"])
    for part in (
        "'/models/secret' is not served here",
        "'text_to_imag'",
        "upscaler.upscale_factor",
        "'../x.onnx' is not served here",
        "finisher.lut: files of the server are not taken",
        "finisher.overlay: files of the server are not taken",
        "'http://host/x.onnx' is not served here",
        "input.model: '/etc' is not served here",
        "input.image: no upload",
    ):
        assert part in reported


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("finisher.lut", "/etc/passwd"),
        ("finisher.overlay", "../logo.png"),
        ("model", "/models/x"),
        ("text_to_image.model", "owner/name"),
        ("refiner.model", "."),
        ("detailer.detector", "x.onnx"),
        ("detailer.model", "/"),
        ("upscaler.upscaler", "/x.onnx"),
        ("restorer.model", "~/model.safetensors"),
        ("inspector.detector", "x.onnx"),
        ("publisher.name", "../{seed}"),
        ("publisher.name", "{seed.__class__}"),
    ],
)
def test_no_file_of_the_server_can_be_named(name: str, value: str, untouched: Door) -> None:
    body = {"preset": "full", "input": {"prompt": "a"}, "overrides": {name: value}}
    _problem(untouched.client.post("/v1/jobs", json=body), 422)
    _problem(
        untouched.client.post(
            "/v1/config/validate", json={"preset": "full", "overrides": {name: value}}
        ),
        422,
    )


def test_nor_by_a_rerun(door: Door) -> None:
    job = door.done({"preset": "full", "input": {"prompt": "a", "seed": 1}})
    for changes in (
        {"finisher.lut": "/etc/passwd"},
        {"upscaler.upscaler": "x.onnx"},
        {"text_to_image.model": "/etc"},
        {"upscaler.upscale_factor": 1e6},
    ):
        _problem(door.client.post(job["links"]["rerun"], json={"changes": changes}), 422)
    assert len(door.client.get("/v1/jobs").json()["jobs"]) == 1
    assert len(list((door.service.jobs.data / "jobs").iterdir())) == 1


def test_models_of_the_settings_may_be_named(open_door: Open) -> None:
    door = open_door(worker=False, models=("owner/name",))
    body = {**JOB, "input": {"prompt": "a", "model": "owner/name"}}
    found = _problem(door.client.post("/v1/jobs", json=body), 422)
    assert "is not served here" not in found["detail"]  # the fake engines have no such model
    assert "owner/name" in [item["id"] for item in door.client.get("/v1/models").json()["data"]]


@pytest.mark.parametrize(
    "change",
    [
        {"overrides": {"text_to_image.width": 8192, "text_to_image.height": 8192}},
        {"overrides": {"upscaler.upscale_factor": 8, "text_to_image.width": 512}},
    ],
)
def test_images_larger_than_may_be(change: dict[str, Any], open_door: Open) -> None:
    door = open_door(worker=False, max_output_pixels=2**21)
    body = {"preset": "full", "input": {"prompt": "a"}, **change}
    found = _problem(door.client.post("/v1/jobs", json=body), 422)
    assert "pixels in all" in found["detail"]


def test_groups_larger_than_may_be(open_door: Open) -> None:
    door = open_door(worker=False, max_group=5, max_output_pixels=4 * 128 * 128)
    inputs = [{"prompt": "a {1|2|3} {1|2|3} {1|2|3} {1|2|3} {1|2|3} {1|2|3} {1|2|3} {1|2|3}"}]
    many = {"preset": "draft", "inputs": inputs, "variants": True}
    assert "5 jobs" in _problem(door.client.post("/v1/groups", json=many), 422)["detail"]
    wide = {"preset": "draft", "inputs": [{"prompt": "a"}], "count": 5}
    assert "pixels" in _problem(door.client.post("/v1/groups", json=wide), 422)["detail"]
    fits = {"preset": "draft", "inputs": [{"prompt": "a"}], "count": 4}
    assert door.client.post("/v1/groups", json=fits).status_code == 202


def test_prompts_and_configs_longer_than_may_be(open_door: Open) -> None:
    door = open_door(worker=False, max_prompt=10, max_stages=2)
    body = {**JOB, "input": {"prompt": "a long prompt", "negative_prompt": "another long one"}}
    found = _problem(door.client.post("/v1/jobs", json=body), 422)
    assert len(found["errors"]) == 2
    config = {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "publisher"}]}
    body = {"config": config, "input": {"prompt": "a"}}
    assert "stages" in _problem(door.client.post("/v1/jobs", json=body), 422)["detail"]


def test_bodies_larger_than_may_be(untouched: Door) -> None:
    client = untouched.client
    _problem(client.post("/v1/jobs", content=b" " * (2**20 + 1), headers=JSON), 413)

    def parts() -> Iterator[bytes]:  # of no declared length
        for _ in range(40):
            yield b" " * 2**16

    _problem(client.post("/v1/jobs", content=parts(), headers=JSON), 413)
    huge = {"file": ("a.png", b"\0" * 100_000_000)}
    _problem(client.post("/v1/uploads", files=huge), 413)


def test_a_full_queue(open_door: Open) -> None:
    door = open_door(worker=False, max_queued=5, max_queued_per_key=3)
    headers, others = door.headers(), door.headers(max_queued=10)
    group = {"preset": "draft", "inputs": [{"prompt": "a"}], "count": 4}
    assert door.client.post("/v1/groups", json=group, headers=headers).status_code == 429
    for _ in range(3):
        door.submit(headers=headers)
    refused = door.client.post("/v1/jobs", json=JOB, headers=headers)
    assert "limit of 3" in _problem(refused, 429)["detail"]
    assert int(refused.headers["Retry-After"]) >= 1
    first = door.submit(headers=others | {"Idempotency-Key": "a"})
    door.submit(headers=others)
    full = door.client.post("/v1/jobs", json=JOB, headers=others)
    assert "full" in _problem(full, 429)["detail"]
    assert _problem(full, 429)["type"] == "urn:ninefold:problem:queue-full"
    again = door.submit(headers=others | {"Idempotency-Key": "a"})
    assert again["id"] == first["id"]  # what was accepted is not refused
    assert len(door.client.get("/v1/jobs", headers=door.headers("admin")).json()["jobs"]) == 5


def _bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000, 9)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _flat(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def _gif() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n",
        png()[:200],
        png()[:-100],
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        _gif(),
        _bomb(),
        _flat(5000, 4000),  # above 2**24 pixels
    ],
    ids=["empty", "text", "svg", "head", "cut", "cut late", "jpeg?", "gif", "bomb", "large"],
)
def test_uploads_that_are_no_images(data: bytes, untouched: Door) -> None:
    answer = untouched.client.post("/v1/uploads", files={"file": ("a.png", data, "image/png")})
    _problem(answer, 422)


def test_uploads_go_by_content_not_by_name(idle: Door) -> None:
    files = {"file": ("../../evil.exe", png(), "text/html")}
    answer = idle.client.post("/v1/uploads", files=files)
    assert answer.status_code == 201
    assert answer.json()["media_type"] == "image/png"
    assert not [name for name in files_in(idle.service.jobs.data.parent) if "evil" in name]


def test_an_upload_above_its_limit(open_door: Open) -> None:
    door = open_door(worker=False, max_image_bytes=1000)
    found = door.client.post("/v1/uploads", files={"file": ("a.png", png(200, 200))})
    _problem(found, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs/..%2f..%2fetc", 404),
        ("GET", "/v1/jobs/%00", 422),
        ("GET", "/v1/jobs/" + "a" * 200, 422),
        ("GET", "/v1/jobs/%F0%9F%92%A9", 422),
        ("GET", "/v1/groups/%25", 422),
        ("GET", "/v1/uploads/..", 404),
        ("GET", "/v1/uploads/" + "A" * 64, 422),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/v1/jobs?status=done", 422),
        ("GET", "/v1/jobs?group=%00", 422),
        ("GET", "/v1/jobs?cursor=%00", 422),
        ("GET", "/v1/jobs?cursor=WzEsMSwxXQ", 422),
        ("GET", "/v1/jobs?cursor=WzFlOTk5LCJhIl0", 422),
    ],
)
def test_paths_that_name_nothing(method: str, path: str, status: int, idle: Door) -> None:
    _problem(idle.client.request(method, path), status)


def test_headers_that_are_none(idle: Door) -> None:
    job = idle.submit()
    for name, value in (("Last-Event-ID", "abc"), ("Last-Event-ID", "9" * 16)):
        answer = idle.client.get(job["links"]["events"], headers={name: value})
        found = _problem(answer, 422)
        assert found["errors"][0]["parameter"] == "Last-Event-ID"
    _problem(idle.client.post("/v1/jobs", json=JOB, headers={"Idempotency-Key": "x" * 201}), 422)


@pytest.mark.parametrize(
    "value",
    ["[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300, r'"\ud800"', r'{"\ud800": 1}'],
)
@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/sdapi/v1/txt2img", '{"prompt": "a", "unknown": %s}'),
        ("/sdapi/v1/txt2img", '{"prompt": "a", "override_settings": {"unknown": %s}}'),
        ("/sdapi/v1/txt2img", '{"prompt": "a", "alwayson_scripts": {"unknown": {"args": [%s]}}}'),
        ("/v1/jobs", '{"input": {"prompt": "a"}, "config": {"unknown": %s}}'),
        ("/v1/jobs", '{"input": {"prompt": "a"}, "overrides": {"prompt.styles": %s}}'),
        ("/v1/images/generations", '{"prompt": "a", "user": %s}'),
    ],
)
def test_json_that_cannot_be_reported_again(
    path: str, document: str, value: str, untouched: Door
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = untouched.client.post(path, content=document % value, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert "expected" in answer.text


@pytest.mark.parametrize("body", [b"[" * 10**5, b"9" * 5000, b'"\xff"'])
def test_a_body_that_cannot_be_read_is_reported_what_to_do(body: bytes, untouched: Door) -> None:
    headers = {"Content-Type": "application/json"}
    answer = untouched.client.post("/v1/jobs", content=body, headers=headers)
    assert "expected JSON" in _problem(answer, 400)["detail"]
