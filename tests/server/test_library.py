"""The library of jobs over HTTP: searches, pages, thumbnails and previews."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.engines.diffusion import DIFFUSION
from ninefold.server.archives import AT_ONCE, Contents, Entry, zipped
from ninefold.server.callers import LOCAL
from ninefold.server.file_answers import StoredFile
from ninefold.server.problems import BusyError
from ninefold.server.service import Service
from ninefold.testing import fake_engines
from tests.server.conftest import JOB, Door, Open
from tests.support import HeldDiffusion, run


def listed(door: Door, **params: Any) -> dict[str, Any]:
    answer = door.client.get("/v1/jobs", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_listed_job_says_what_a_gallery_shows(door: Door) -> None:
    job = door.done({"preset": "full", "input": {"prompt": "a red house", "seed": 7}})
    [row] = listed(door, count=True)["jobs"]
    wanted = {
        "seed": 7,
        "model": "poster",
        "width": 256,
        "height": 256,
        "decision": job["verdict"]["decision"],
        "score": job["verdict"]["score"],
        "favourite": False,
        "stage": None,
        "thumbnail": f"/v1/jobs/{job['id']}/thumbnail",
    }
    assert {name: row[name] for name in wanted} == wanted
    assert {name: job[name] for name in wanted} == wanted


def test_jobs_are_searched(idle: Door) -> None:
    idle.submit({"preset": "draft", "input": {"prompt": "a red house", "seed": 7}})
    idle.submit({"preset": "draft", "input": {"prompt": "雪の山", "seed": 8}})
    assert [job["seed"] for job in listed(idle, q="HOU re")["jobs"]] == [7]
    assert [job["seed"] for job in listed(idle, q="雪")["jobs"]] == [8]
    assert [job["input"]["prompt"] for job in listed(idle, seed=7)["jobs"]] == ["a red house"]
    assert listed(idle, q="boat", count=True) == {"jobs": [], "next_cursor": None, "total": 0}
    assert listed(idle, count=True, limit=1, favourite=False)["total"] == 2
    assert listed(idle)["total"] is None
    assert [job["seed"] for job in listed(idle, offset=1)["jobs"]] == [7]
    assert listed(idle, created_after="2020-01-01T00:00:00Z", count=True)["total"] == 2
    assert listed(idle, created_before="2020-01-01", count=True)["total"] == 0
    assert listed(idle, status="queued", model="poster", count=True)["total"] == 2
    assert listed(idle, lora="sketch", count=True)["total"] == 0


@pytest.mark.parametrize(
    "params",
    [
        {"q": ""},
        {"q": "x" * 201},
        {"seed": -1},
        {"seed": "seven"},
        {"offset": -1},
        {"offset": 1, "cursor": "WzEsImEiXQ"},
        {"created_after": "yesterday"},
        {"favourite": "perhaps"},
        {"parent": "../up"},
    ],
)
def test_what_cannot_be_searched_for_is_refused(idle: Door, params: dict[str, Any]) -> None:
    answer = idle.client.get("/v1/jobs", params=params)
    assert answer.status_code == 422
    name = next(iter(params))
    assert name in answer.text


def test_thumbnails_are_small_kept_and_not_sent_twice(door: Door) -> None:
    job = door.done({**JOB, "overrides": {"text_to_image.width": 256}})
    where = job["thumbnail"]
    first = door.client.get(where, params={"size": 64})
    assert (first.status_code, first.headers["content-type"]) == (200, "image/webp")
    with Image.open(BytesIO(first.content)) as image:
        assert max(image.size) == 64
    assert "sandbox" in first.headers["Content-Security-Policy"]
    assert "max-age" in first.headers["Cache-Control"]
    etag = first.headers["ETag"]
    again = door.client.get(where, params={"size": 64}, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert door.client.get(where).headers["ETag"] != etag
    assert door.client.get(where, params={"size": 64}).content == first.content
    for wrong in (63, 1025, "big"):
        assert door.client.get(where, params={"size": wrong}).status_code == 422
    folder = door.service.jobs.data / "jobs" / job["id"]
    assert len(list((folder / ".thumbnails").iterdir())) == 2
    door.client.delete(job["links"]["self"])
    assert not folder.exists()
    assert door.client.get(where).status_code == 404


def test_a_small_picture_is_not_enlarged_and_stays_transparent(door: Door) -> None:
    layers = np.zeros((96, 120, 4), np.uint8)
    layers[:, 60:] = (200, 30, 30, 255)
    file = BytesIO()
    Image.fromarray(layers).save(file, "PNG")
    config = {"stages": [{"stage": "finisher", "params": {"sharpness": 0.1}}]}
    upload = door.upload(file.getvalue())
    job = door.done({"config": config, "input": {"image": upload}})
    for size, expected in ((256, (120, 96)), (64, (64, 51))):
        answer = door.client.get(job["thumbnail"], params={"size": size})
        with Image.open(BytesIO(answer.content)) as image:
            assert (image.size, image.mode) == (expected, "RGBA")
            assert image.getchannel("A").getextrema() == (0, 255)


def test_a_job_without_a_picture_has_no_thumbnail(idle: Door) -> None:
    job = idle.submit()
    assert job["thumbnail"] is None
    assert idle.client.get(f"/v1/jobs/{job['id']}/thumbnail").status_code == 404
    assert idle.client.get(f"/v1/jobs/{job['id']}/preview").status_code == 204


def test_a_picture_that_is_gone_or_damaged_is_reported(door: Door) -> None:
    job = door.done()
    folder = door.service.jobs.data / "jobs" / job["id"]
    [output] = job["outputs"]
    file = folder / output["name"]
    file.write_bytes(file.read_bytes()[:100])
    assert door.client.get(job["thumbnail"]).status_code == 404
    file.unlink()
    assert door.client.get(job["thumbnail"]).status_code == 404


def test_while_an_image_is_made_its_preview_is_there(open_door: Open) -> None:
    held = HeldDiffusion(steps_delay=0.7, after=2)  # what is shown takes a second to come
    door = open_door(engines=fake_engines().with_engines(DIFFUSION, held))
    job = door.submit()
    own = job["links"]["self"]
    while (answer := door.client.get(f"{own}/preview")).status_code == 204:
        assert door.client.get(own).json()["status"] in ("queued", "running")
        time.sleep(0.05)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(BytesIO(answer.content)) as image:
        assert max(image.size) == 32  # what the fake engine shows
    assert answer.headers["Cache-Control"] == "private, no-cache"
    small = door.client.get(f"{own}/thumbnail")
    assert small.status_code == 200
    held.go.set()
    assert door.client.get(own, params={"wait": 50}).json()["status"] == "succeeded"
    assert door.client.get(f"{own}/preview").status_code == 204
    assert door.client.get(f"{own}/thumbnail").headers["content-type"] == "image/webp"


def test_many_thumbnails_at_once_are_all_made(door: Door) -> None:
    from concurrent.futures import ThreadPoolExecutor

    jobs = [door.done({**JOB, "input": {"prompt": f"house {n}", "seed": n}}) for n in range(6)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda job: door.client.get(job["thumbnail"]), jobs * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["ETag"] for answer in answers}) == 6


def test_a_family_is_shown_with_what_each_changed_and_gaps(door: Door) -> None:
    root = door.done()["id"]
    child = _rerun(door, root, {"from_stage": "publisher", "changes": {"formats": ["webp"]}})
    grandchild = _rerun(door, child, {"input": {"seed": 9}})
    sibling = _rerun(door, root, {})
    family = door.client.get(f"/v1/jobs/{grandchild}/lineage").json()
    assert family["truncated"] is False
    found = {item["id"]: item for item in family["jobs"]}
    assert next(iter(found)) == root
    assert {name: item["parent"] for name, item in found.items()} == {
        root: None,
        child: root,
        grandchild: child,
        sibling: root,
    }
    assert found[child]["from_stage"] == "publisher"
    assert found[child]["changes"] == {"publisher.formats": ["webp"]}
    assert found[grandchild]["changes"] == {"seed": 9}
    assert found[root]["job"]["id"] == root
    same = door.client.get(f"/v1/jobs/{root}/lineage").json()["jobs"]
    assert {item["id"] for item in same} == set(found)
    door.client.delete(f"/v1/jobs/{root}")
    [gap, *others] = door.client.get(f"/v1/jobs/{child}/lineage").json()["jobs"]
    assert (gap["id"], gap["job"], gap["parent"]) == (root, None, None)
    assert {item["id"] for item in others} == {child, grandchild, sibling}


def _rerun(door: Door, job: str, body: dict[str, Any]) -> str:
    answer = door.client.post(f"/v1/jobs/{job}/rerun", json=body)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    door.client.get(made["links"]["self"], params={"wait": 50})
    return str(made["id"])


def test_an_archive_holds_the_final_files_and_what_they_are(door: Door) -> None:
    both = {**JOB, "overrides": {"publisher.formats": ["png", "webp"]}}
    one, two = door.done(both), door.done()
    answer = door.client.get("/v1/archives", params={"job": [one["id"], two["id"], one["id"]]})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert [job["id"] for job in manifest["jobs"]] == [one["id"], two["id"]]
        assert manifest["missing"] == []
        named = [file for job in manifest["jobs"] for file in job["files"]]
        assert sorted(archive.namelist()) == sorted(
            [*(file["name"] for file in named), "manifest.json"]
        )
        for file in named:
            data = archive.read(file["name"])
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
            assert archive.getinfo(file["name"]).compress_type == zipfile.ZIP_STORED
    wanted = {item["sha256"] for job in (one, two) for item in job["outputs"]}
    assert {file["sha256"] for file in named} == wanted


def test_an_archive_of_what_is_not_there_is_refused(door: Door) -> None:
    job = door.done()["id"]
    for params, status in (
        ({}, 422),
        ({"job": [job], "group": "g"}, 422),
        ({"job": [job, "none"]}, 404),
        ({"group": "none"}, 404),
        ({"job": ["../x"]}, 422),
    ):
        assert door.client.get("/v1/archives", params=params).status_code == status
    assert door.client.get("/v1/archives", params={"job": job}).status_code == 200


def test_a_file_that_went_while_an_archive_was_sent_is_named(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept.png", tmp_path / "gone.png"
    kept.write_bytes(b"x" * 3_000_000)
    entries = [Entry("a/kept.png", kept, 3_000_000), Entry("a/gone.png", gone, 3)]
    data = b"".join(zipped(Contents(entries, {"jobs": []}), lambda: False))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.namelist() == ["a/kept.png", "manifest.json"]
        assert json.loads(archive.read("manifest.json"))["missing"] == ["a/gone.png"]
    cut = b"".join(zipped(Contents(entries, {"jobs": []}), lambda: True))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(BytesIO(cut))


def test_a_file_that_goes_while_it_is_added_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / "picture.png", Path.open
    path.write_bytes(b"picture")

    def then_deleted(self: Path, *args: Any) -> Any:
        file = opened(self, *args)
        self.unlink()
        return file

    monkeypatch.setattr(Path, "open", then_deleted)
    data = b"".join(zipped(Contents([Entry("a/picture.png", path, 7)], {}), lambda: False))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.read("a/picture.png") == b"picture"


def test_archives_that_are_asked_for_at_once_are_counted(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = idle.submit()["id"]
    library = idle.service.job_library
    contents, reading = library._contents, threading.Barrier(AT_ONCE + 1)

    def read_together(*args: Any) -> Contents:
        reading.wait(60)  # none is sent yet
        return contents(*args)

    monkeypatch.setattr(library, "_contents", read_together)

    async def ask() -> None:
        asked = [library.archive(LOCAL, [job], None) for _ in range(AT_ONCE + 1)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(item) for item in found].count(BusyError) == 1
        for parts in found:
            if not isinstance(parts, BaseException):
                await parts.aclose()
        reading.reset()
        monkeypatch.undo()
        assert b"".join([part async for part in await library.archive(LOCAL, [job], None)])

    run(ask())


def test_a_file_of_a_job_that_goes_as_it_is_read_is_a_problem_of_the_request(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, artifact = door.done(), Service.artifact

    async def then_deleted(*args: Any) -> StoredFile:
        file = await artifact(*args)
        file.path.unlink()
        return file

    monkeypatch.setattr(Service, "artifact", then_deleted)
    source = {"job": job["id"], "name": job["outputs"][0]["name"]}
    answer = door.client.post("/v1/jobs", json={**JOB, "input": {"prompt": "a", "image": source}})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["detail"] == "input.image: the file is gone."
