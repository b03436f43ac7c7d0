"""Jobs that pages are opened on."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx

from tests.server.conftest import png

#: A job of few stages.
BODY: dict[str, Any] = {"preset": "draft", "input": {"prompt": "a red house", "seed": 7}}
#: A job of all nine.
FULL: dict[str, Any] = {**BODY, "preset": "full"}


def finished(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The job that a request makes, once it has succeeded."""
    job: dict[str, Any] = client.post(path, json=body).raise_for_status().json()
    while job["status"] in ("queued", "running"):
        job = client.get(f"/v1/jobs/{job['id']}", params={"wait": 10}).json()
    assert job["status"] == "succeeded", job
    return job


def begun_from_pictures(client: httpx.Client) -> dict[str, Any]:
    """A finished job that began from a source, a mask and a picture of `control`, whose uploads are
    gone."""
    sent: dict[str, str] = {}
    for name, kind in (("image", "image"), ("mask", "mask"), ("edges", "image")):
        file = {"file": png(seed=len(sent))}
        made = client.post("/v1/uploads", files=file, data={"kind": kind}).raise_for_status()
        sent[name] = made.json()["id"]
    control = [{"model": "edges", "image": sent["edges"]}]
    given = {**BODY["input"], "image": sent["image"], "mask": sent["mask"]}
    body = {**BODY, "input": given, "overrides": {"text_to_image.control": control}}
    job = finished(client, "/v1/jobs", body)
    for upload in sent.values():
        client.delete(f"/v1/uploads/{upload}").raise_for_status()
    return job
