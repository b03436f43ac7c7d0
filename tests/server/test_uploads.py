"""`/v1/uploads`: stored under their hash, seen by who sent them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner
from tests.certificates import active_manifest
from tests.files.claims import claim, image_file
from tests.server.conftest import Door, png
from tests.support import files_in, picture


def _stored(door: Door) -> list[str]:
    return [name for name in files_in(door.service.jobs.data) if name.startswith("uploads/")]


def test_an_upload_is_named_by_its_bytes(idle: Door) -> None:
    data = png()
    first, again = idle.upload(data), idle.upload(data)
    assert first == again == hashlib.sha256(data).hexdigest()
    assert len(_stored(idle)) == 2  # the file, and what jobs start from
    shown = idle.client.get(f"/v1/uploads/{first}").json()
    assert (shown["width"], shown["height"], shown["size"]) == (64, 48, len(data))
    assert shown["kind"] == "image"
    assert idle.client.delete(f"/v1/uploads/{first}").status_code == 204
    assert idle.client.get(f"/v1/uploads/{first}").status_code == 404
    assert _stored(idle) == []


def test_the_same_file_of_two_keys(idle: Door) -> None:
    one, other = idle.headers(), idle.headers()
    name = idle.upload(headers=one)
    here = f"/v1/uploads/{name}"
    assert idle.client.get(here, headers=other).status_code == 404
    assert idle.upload(headers=other) == name
    assert idle.client.delete(here, headers=one).status_code == 204
    assert idle.client.get(here, headers=one).status_code == 404
    assert idle.client.get(here, headers=other).status_code == 200
    assert len(_stored(idle)) == 2  # the file, and what jobs start from


def test_an_upload_comes_back_as_it_was_sent(idle: Door) -> None:
    one, other, admin = idle.headers(), idle.headers(), idle.headers("admin")
    mask = png(seed=3)
    for data, kind, media_type, suffix in (
        (image_file("jpeg", picture(64, 64)), "image", "image/jpeg", "jpg"),
        (mask, "mask", "image/png", "png"),
    ):
        name = idle.upload(data, kind, headers=one)
        here = f"/v1/uploads/{name}/file"
        sent = idle.client.get(here, headers=one)
        assert (sent.status_code, sent.content) == (200, data)
        assert sent.headers["Content-Type"] == media_type
        assert sent.headers["X-Content-Type-Options"] == "nosniff"
        assert sent.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert sent.headers["Cache-Control"] == "private, no-cache"
        disposition = f'inline; filename="{name[:12]}.{suffix}"'
        assert sent.headers["Content-Disposition"] == disposition
        known = idle.client.get(here, headers=one | {"If-None-Match": sent.headers["ETag"]})
        assert (known.status_code, known.content) == (304, b"")
        part = idle.client.get(here, headers=one | {"Range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, data[:10])
        assert idle.client.get(here, headers=admin).content == data
        strange = idle.client.get(here, headers=other | {"If-None-Match": sent.headers["ETag"]})
        assert strange.status_code == 404
        assert idle.client.get(here).status_code == 401
    idle.client.delete(f"/v1/uploads/{name}", headers=one)
    assert idle.client.get(here, headers=one).status_code == 404


def test_uploads_expire_and_jobs_keep_their_copies(door: Door) -> None:
    name = door.upload()
    assert door.service.uploads.expire(1) == 0
    job = door.done({"preset": "draft", "input": {"prompt": "a house", "image": name}})
    assert door.service.uploads.expire(-1) == 1
    assert _stored(door) == []
    assert door.client.get(f"/v1/uploads/{name}").status_code == 404
    assert door.client.get(f"/v1/uploads/{name}/file").status_code == 404
    rerun = door.client.post(job["links"]["rerun"], json={}).json()
    door.client.get(rerun["links"]["events"])
    assert door.client.get(rerun["links"]["self"]).json()["status"] == "succeeded"


def test_old_files_without_a_row_go_and_those_that_are_sent_again_stay(door: Door) -> None:
    """As a process leaves them that is killed after their row has gone."""
    kept, folder = door.upload(), door.service.jobs.data / "uploads"
    left, fresh = ("0" * 64, "1" * 64)
    for name in (left, f"{left}.image.png", fresh):
        path = folder / name[:2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"image")
    long_ago = time.time() - 7200
    for path in folder.rglob("*"):
        if path.is_file() and path.name != fresh:
            os.utime(path, (long_ago, long_ago))
    assert door.upload() == kept
    assert door.service.uploads.expire(1) == 1
    stored = {name.rpartition("/")[2].partition(".")[0] for name in _stored(door)}
    assert stored == {kept, fresh}


def test_what_is_sent_again_as_it_expires_stays(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = idle.upload()
    uploads, utime = idle.service.uploads, os.utime
    monkeypatch.setattr("ninefold.server.uploads._now", lambda: "2020-01-01T00:00:00+00:00")
    idle.upload()
    monkeypatch.undo()
    expired: list[int] = []

    def expire_then(*args: Any) -> None:
        utime(*args)
        if not expired:  # another server looks for old ones just here
            expired.append(uploads.expire(1))

    monkeypatch.setattr(os, "utime", expire_then)
    assert idle.upload() == name
    assert expired == [0]
    assert idle.client.get(f"/v1/uploads/{name}/file").status_code == 200


def test_nobody_sends_a_file_while_it_is_removed(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, uploads = idle.upload(), idle.service.uploads
    files = uploads._files

    def locked(upload_id: str) -> list[Path]:
        database = sqlite3.connect(idle.service.jobs.data / "ninefold.db", timeout=0)
        with closing(database), pytest.raises(sqlite3.OperationalError, match="locked"):
            database.execute("BEGIN IMMEDIATE")
        return files(upload_id)

    monkeypatch.setattr(uploads, "_files", locked)
    assert idle.client.delete(f"/v1/uploads/{name}").status_code == 204
    assert _stored(idle) == []


def test_an_upload_with_a_manifest_is_kept_as_an_ingredient(door: Door) -> None:
    photo = FileSigner(SelfMadeKey(None)).sign(image_file("jpeg", picture(64, 64)), claim("jpeg"))
    publisher = {"stage": "publisher", "params": {"sign": True}}
    asked = {
        "config": {"stages": [{"stage": "upscaler"}, publisher]},
        "input": {"image": door.upload(photo.data)},
    }
    job = door.done(asked)
    assert job["status"] == "succeeded", job
    data = door.client.get(job["outputs"][0]["url"]).content
    (parent,) = [
        item
        for item in active_manifest(data, "image/png")["ingredients"]
        if item["relationship"] == "parentOf"
    ]
    assert parent["active_manifest"] == active_manifest(photo.data, "image/jpeg")["label"]
