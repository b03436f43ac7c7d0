"""What is missing around a server, as its admins see it: no paths, no secrets, one look for all."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.engines import builtin
from ninefold.health import models
from ninefold.health.findings import Finding
from ninefold.server.health_checks import HealthChecks
from ninefold.server.studio import _check
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.certificates import issue, time_stamp_authority
from tests.server.conftest import Door, Open
from tests.support import run


def checked(door: Door, **params: Any) -> dict[str, Any]:
    """A report, for an admin."""
    answer = door.client.get("/v1/system/checks", params=params, headers=door.headers("admin"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(report: dict[str, Any], name: str) -> dict[str, Any]:
    """The one check of a name."""
    [found] = [item for item in report["checks"] if item["name"] == name]
    return dict(found)


def test_what_there_is(idle: Door) -> None:
    report = checked(idle)
    assert report["ok"] is True
    assert report["seconds"] >= 0
    sections = list(dict.fromkeys(item["section"] for item in report["checks"]))
    assert sections == ["versions", "device", "models", "folders", "signing", "studio"]
    assert all((item["verdict"] == "ok") is (item["remedy"] is None) for item in report["checks"])
    assert named(report, "database")["found"] == "the database: up to date"
    assert named(report, "data")["found"].startswith("the data folder: ")
    assert named(report, "pydantic")["found"] == metadata.version("pydantic")
    for name in ("detector/detector.onnx", "poster/unet/diffusion_pytorch_model.safetensors"):
        assert named(report, name)["found"] == "as it shipped"


def test_what_is_missing_says_how_to_get_it(
    open_door: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(os.sched_getaffinity(0))
    damaged = [("upscaler/x4.onnx", "The built-in weights are cut short. Reinstall ninefold.")]
    monkeypatch.setattr(builtin, "check_all", lambda: iter(damaged))
    door = open_door(worker=False, wildcards=tmp_path / "gone", threads=cores + 1)
    report = checked(door)
    assert report["ok"] is False
    assert {item["name"] for item in report["checks"] if item["verdict"] == "missing"} == {
        "upscaler/x4.onnx",
        "wildcards",
    }
    assert named(report, "upscaler/x4.onnx")["remedy"] == damaged[0][1]
    assert named(report, "wildcards")["remedy"].startswith("make the wildcards folder, or set")
    assert named(report, "threads")["verdict"] == "note"
    assert f"NINEFOLD_THREADS to {cores}" in named(report, "threads")["remedy"]


def test_a_server_without_a_studio_says_so() -> None:
    [missing], [there] = list(_check({})), list(_check({"index.html": None}))  # type: ignore[dict-item]
    assert (missing.verdict, there.verdict) == ("note", "ok")
    assert "make studio" in str(missing.remedy)


def test_no_path_and_no_secret_is_told(
    open_door: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = issue().write(tmp_path / "my keys, and (others)")
    (tmp_path / "my keys, and (others)" / "key.pem").chmod(0o644)
    given["NINEFOLD_TIMESTAMP_URL"] = "http://127.0.0.1:9/path?key=hush"
    broken = Finding("plugins", "mirror", "x", f"cannot open {tmp_path}/site/mirror.py: no such")
    monkeypatch.setattr(models, "check_plugins", lambda: iter([broken]))
    door = open_door(
        replace(fake_engines(), signing=read_settings(SigningSettings, given)),
        worker=False,
        model_folders=(tmp_path / "models of mine", tmp_path / "models"),
        components=("black-forest-labs/FLUX.1-dev", str(tmp_path / "parts, more")),
        wildcards=tmp_path / "wild cards",
        loras=tmp_path / "data" / "lo ras",
        marks=tmp_path / "marks",
        models=(str(tmp_path / "poster.safetensors"),),
    )
    answer = door.client.get("/v1/system/checks", headers=door.headers("admin"))
    for text in (str(tmp_path), tmp_path.name, "hush", "/path", "PRIVATE", "of mine", "lo ras"):
        assert text not in answer.text
    report = answer.json()
    folders = [item["found"] for item in report["checks"] if item["name"] == "models"]
    assert folders == ["model folder 1", "model folder 2"]
    assert named(report, "key")["remedy"] == "chmod 600 the signing key"
    assert named(report, "poster.safetensors")["section"] == "models"
    assert "black-forest-labs/FLUX.1-dev" in answer.text
    assert "components 2" in answer.text
    assert named(report, "mirror")["remedy"] == "cannot open [path removed]: no such"


def test_a_database_is_not_named() -> None:
    url = "postgresql://operator:hush@127.0.0.1:1/customers?password=hush&sslpassword=hush"
    health = HealthChecks(Settings(database=url), fake_engines())
    findings = run(health.report(0)).findings
    [database] = [finding for finding in findings if finding.name == "database"]
    assert (database.found, database.verdict) == ("the database", "missing")
    assert str(database.remedy).startswith("the database: ")
    assert "hush" not in str(findings)
    assert "customers" not in str(findings)


def test_the_time_stamp_authority_is_asked(open_door: Open, tmp_path: Path) -> None:
    def engines(policy: str) -> Any:
        given = {"NINEFOLD_TIMESTAMP_URL": authority.url, "NINEFOLD_TIMESTAMP_POLICY": policy}
        return replace(fake_engines(), signing=read_settings(SigningSettings, given))

    with time_stamp_authority(tmp_path / "tsa") as authority:
        door = open_door(engines("require"), worker=False)
        stamps = named(checked(door), "time stamps")
        assert (stamps["verdict"], "gives them, require" in stamps["found"]) == ("ok", True)
        authority.instead = (503, b"later")
        assert named(checked(door), "time stamps") == stamps  # it is not asked for every page
        stamps = named(checked(door, max_age=0), "time stamps")
        assert stamps["verdict"] == "missing"
        assert "answered with status 503" in stamps["remedy"]
        preferred = open_door(engines("prefer"), worker=False)
        assert named(checked(preferred), "time stamps")["verdict"] == "note"


def test_a_check_that_fails_leaves_the_others(
    idle: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Iterator[Finding]:
        yield Finding("plugins", "half", "seen")
        raise RuntimeError("secret words")

    monkeypatch.setattr(models, "check_plugins", fails)
    with caplog.at_level(logging.ERROR):
        report = checked(idle)
    assert "secret words" in caplog.text
    assert "secret words" not in str(report)
    found = named(report, "plugins")
    assert (found["section"], found["verdict"]) == ("checks", "missing")
    assert "log" in found["remedy"]
    assert named(report, "database")["verdict"] == "ok"


@pytest.mark.parametrize("age", [-1, "nan", "inf", 1e9, "old"])
def test_an_age_that_is_none_is_refused(idle: Door, age: object) -> None:
    params = {"max_age": str(age)}
    answer = idle.client.get("/v1/system/checks", params=params, headers=idle.headers("admin"))
    assert answer.status_code == 422


class Gated:
    """A check that waits until it may go on, and counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self) -> Iterator[Finding]:
        self.runs += 1
        self.began.set()
        assert self.go.wait(60)
        yield Finding("gate", "gate", f"run {self.runs}")


def gated(monkeypatch: pytest.MonkeyPatch) -> tuple[Gated, Callable[[Callable[[], float]], Any]]:
    """A gate, and what makes checks of nothing but it."""
    gate = Gated()
    monkeypatch.setattr("ninefold.server.health_checks.server_checks", lambda *_: {"gate": gate})
    return gate, lambda clock: HealthChecks(Settings(), fake_engines(), clock)


def test_all_who_ask_at_once_share_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, made = gated(monkeypatch)
    now = [0.0]

    async def story() -> None:
        health = made(lambda: now[0])
        first, *others = [asyncio.ensure_future(health.report(0)) for _ in range(5)]
        while not gate.began.is_set():  # the loop goes on meanwhile
            await asyncio.sleep(0.001)
        first.cancel()  # its client went away
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.go.set()
        reports = await asyncio.gather(*others)
        assert len({id(report) for report in reports}) == 1
        assert gate.runs == 1
        now[0] = 10
        assert await health.report(11) is reports[0]
        assert (await health.report(10)).findings[0].found == "run 2"
        assert (await health.report(0)).findings[0].found == "run 3"
        await health.close()

    run(story())


def test_closing_waits_for_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, made = gated(monkeypatch)

    async def story() -> None:
        health = made(lambda: 0.0)
        asked = asyncio.ensure_future(health.report(0))
        while not gate.began.is_set():
            await asyncio.sleep(0.001)
        await health.close()
        assert not gate.go.is_set()
        with pytest.raises(asyncio.CancelledError):
            await asked
        gate.go.set()

    run(story())
