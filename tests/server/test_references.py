"""`input.references`: uploads that an edit model changes as the prompt says."""

from __future__ import annotations

import pytest

from ninefold.slots import MAX_REFERENCES
from tests.server.conftest import Open, png
from tests.support import recording_engines

EDIT = "QwenImageEditPlusPipeline"


def test_a_job_and_its_rerun_paint_from_them(open_door: Open) -> None:
    engines, requests = recording_engines(pipeline_class=EDIT)
    door = open_door(engines)
    ids = [door.upload(png(96, 48)), door.upload(png(64, 64, seed=2))]
    given = {"prompt": "both", "seed": 7, "references": ids}
    job = door.done({"preset": "draft", "input": given, "cache": False})
    assert [item.shape[:2] for item in requests[0].references] == [(48, 96), (64, 64)]
    hashes = job["metadata"]["text_to_image"]["references"]
    assert len(hashes) == 2
    assert [set(item) for item in job["input"]["references"]] == [
        {"name", "width", "height", "sha256"}
    ] * 2
    answer = door.client.post(f"/v1/jobs/{job['id']}/rerun", json={"input": {"seed": 8}})
    assert answer.status_code == 202, answer.text
    again = door.client.get(answer.json()["links"]["events"])
    assert again.status_code == 200
    found = door.client.get(answer.json()["links"]["self"]).json()
    assert found["metadata"]["text_to_image"]["references"] == hashes
    assert [item.shape[:2] for item in requests[1].references] == [(48, 96), (64, 64)]


def test_those_of_a_job_are_those_of_another(open_door: Open) -> None:
    engines, requests = recording_engines(pipeline_class=EDIT)
    door = open_door(engines)
    ids = [door.upload(png(96, 48)), door.upload(png(64, 64, seed=2))]
    first = door.done({"preset": "draft", "input": {"prompt": "both", "references": ids}})
    assert door.service.uploads.expire(-1) == 2
    names = [{"job": first["id"], "name": f"reference_{number}.png"} for number in (2, 1)]
    again = door.done({"preset": "draft", "input": {"prompt": "both", "references": names}})
    hashes = [[item["sha256"] for item in job["input"]["references"]] for job in (first, again)]
    assert hashes[1] == hashes[0][::-1]
    assert [item.shape[:2] for item in requests[1].references] == [(64, 64), (48, 96)]


@pytest.mark.parametrize(
    ("pipeline_class", "references", "says"),
    [
        (EDIT, ["0" * 64], "input.references.0: no upload is called"),
        (EDIT, [], "references"),
        (EDIT, ["0" * 64] * (MAX_REFERENCES + 1), "references"),
        (EDIT, "0" * 64, "references"),
        (EDIT, None, "cannot paint from a prompt alone"),
        (None, ["sent"], "cannot take reference images"),
        ("FluxKontextPipeline", ["sent", "sent"], "references: expected at most 1"),
    ],
)
def test_refused_at_submit(
    open_door: Open, pipeline_class: str | None, references: list[str] | None, says: str
) -> None:
    engines, _ = recording_engines(pipeline_class=pipeline_class)
    door = open_door(engines, worker=False)
    sent = door.upload()
    given: dict[str, object] = {"prompt": "a house"}
    if isinstance(references, list):
        given["references"] = [sent if item == "sent" else item for item in references]
    elif references is not None:
        given["references"] = references
    answer = door.client.post("/v1/jobs", json={"preset": "draft", "input": given})
    assert answer.status_code == 422, answer.text
    assert says in answer.text
    assert door.client.get("/v1/jobs").json()["jobs"] == []


def test_anothers_upload_is_not_found(open_door: Open) -> None:
    engines, _ = recording_engines(pipeline_class=EDIT)
    door = open_door(engines, worker=False)
    mine, other = door.headers(), door.headers()
    sent = door.upload(headers=mine)
    asked = {"preset": "draft", "input": {"prompt": "a", "references": [sent]}}
    answer = door.client.post("/v1/jobs", json=asked, headers=other)
    assert answer.status_code == 422
    assert "no upload is called" in answer.text
    assert door.client.post("/v1/jobs", json=asked, headers=mine).status_code == 202


def test_what_is_painted_is_counted_for_models_that_only_edit(open_door: Open) -> None:
    engines, _ = recording_engines(pipeline_class="LongCatImageEditPipeline")
    door = open_door(engines, worker=False, max_output_pixels=500_000)
    size = {"width": 512, "height": 512}
    config = {"stages": [{"stage": "prompt"}, {"stage": "text_to_image", "params": size}]}
    given = {"prompt": "both", "references": [door.upload()]}
    asked = {"config": config, "input": given}
    assert door.client.post("/v1/jobs", json=asked).status_code == 202
    asked = {"config": config, "inputs": [given], "count": 2}
    answer = door.client.post("/v1/groups", json=asked)
    assert answer.status_code == 422, answer.text
    assert "524,288" in answer.text
