"""`ninefold doctor`: what there is, what is missing and how to get it, and no secrets."""

from __future__ import annotations

import re
import shutil
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ninefold.core.plugins import Plugin
from ninefold.engines import builtin
from ninefold.files.manifest_store import ManifestStore
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.health import machine, models
from tests.certificates import issue
from tests.cli.conftest import Cli, Outcome

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def finding(outcome: Outcome, name: str) -> dict[str, Any]:
    [found] = [item for item in outcome.document["findings"] if item["name"] == name]
    return dict(found)


def test_it_shows_all_at_a_glance(cli: Cli) -> None:
    shown = cli("doctor")
    assert shown.code == 0, shown.out
    for section in ("versions", "device", "memory", "models", "folders"):
        assert re.search(rf"^{section}$", shown.out, re.MULTILINE)
    assert shown.out.endswith("all that is needed is there\n")
    assert not Path("ninefold-data").exists()
    reported = cli("doctor", "--json")
    assert reported.code == 0
    assert reported.document["ok"] is True
    assert "the first job makes it" in finding(reported, "database")["found"]
    assert finding(reported, "poster/unet/diffusion_pytorch_model.safetensors")["remedy"] is None


def test_components_that_are_nowhere_are_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NINEFOLD_COMPONENTS", "black-forest-labs/FLUX.1-dev,/no/such/folder")
    reported = cli("doctor", "--json")
    assert reported.code == 0  # they may be for models that nobody asks for
    rows = [item for item in reported.document["findings"] if item["name"] == "components"]
    assert [item["remedy"] for item in rows] == [
        None,
        "make /no/such/folder, or leave it out of components",
    ]


def test_what_is_missing_is_an_exit_code_and_a_remedy(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name in ("dbos", "onnxscript"):
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setenv("NINEFOLD_WILDCARDS", str(tmp_path / "gone"))
    monkeypatch.setenv("NINEFOLD_DEVICE", "cuda")
    monkeypatch.setattr(machine, "cards", list)
    outcome = cli("doctor", "--json")
    assert outcome.code == 1
    missing = {
        item["name"] for item in outcome.document["findings"] if item["needed"] and item["remedy"]
    }
    assert missing == {"dbos", "wildcards", "nvidia"}
    assert finding(outcome, "dbos")["remedy"] == "pip install dbos"
    assert "ninefold[training]" in finding(outcome, "onnxscript")["remedy"]
    assert "3 missing" in cli("doctor").out


def test_bad_settings_and_a_data_folder_that_is_a_file_are_reported(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NINEFOLD_THREADS", "many")
    outcome = cli("doctor", "--json", "--data", tmp_path / "file" / "data")
    assert outcome.code == 1
    assert "NINEFOLD_THREADS" in finding(outcome, "settings")["remedy"]
    assert f"{tmp_path / 'file'} is no folder" in finding(outcome, "data")["remedy"]
    outcome = cli("doctor", "--json", "--data", tmp_path / ("long" * 200))
    assert "not there yet" in finding(outcome, "data")["found"]


def test_a_full_disk_is_reported(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    outcome = cli("doctor", "--json")
    assert outcome.code == 1
    assert finding(outcome, "data")["remedy"].startswith("free some space")


@pytest.mark.parametrize("port", ["[::1", "host:many"])
def test_a_url_that_cannot_be_read_is_reported(cli: Cli, port: str) -> None:
    url = f"postgresql://user:hush@{port}/name"
    outcome = cli("doctor", "--json", "--database", url)
    assert outcome.code == 1
    assert "expected a URL" in finding(outcome, "database")["remedy"]
    assert cli("jobs", "list", "--database", url).err.startswith("error: database: expected a URL")


def test_a_plugin_that_cannot_be_used_is_a_note(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Plugin("stage", "mirror", "mirrors:Mirror", "mirrors", "1", "no module mirrors")
    monkeypatch.setattr(models, "plugins", lambda: (broken,))
    outcome = cli("doctor", "--json")
    assert outcome.code == 0
    assert finding(outcome, "mirror")["remedy"] == "no module mirrors"


def test_no_password_is_printed(cli: Cli) -> None:
    url = "postgresql://user:hush@127.0.0.1:1/name?password=hush&sslpassword=hush"
    for arguments in (("doctor",), ("doctor", "--json"), ("jobs", "list")):
        outcome = cli(*arguments, "--database", url)
        assert outcome.code != 0
        assert "127.0.0.1" in outcome.out + outcome.err
        assert "hush" not in outcome.out + outcome.err


def test_a_database_of_a_newer_version_is_reported(cli: Cli) -> None:
    import sqlite3

    assert cli("submit", "a house", "--preset", "draft").code == 0
    assert "up to date" in finding(cli("doctor", "--json"), "database")["found"]
    with sqlite3.connect("ninefold-data/ninefold.db") as connection:
        connection.execute("UPDATE ninefold_migrations SET version_num = '9999'")
    outcome = cli("doctor", "--json")
    assert outcome.code == 1
    assert "Upgrade ninefold" in finding(outcome, "database")["remedy"]


def test_a_damaged_database_is_reported_with_the_remedy(cli: Cli) -> None:
    assert cli("submit", "a house", "--preset", "draft").code == 0
    database = Path("ninefold-data/ninefold.db")
    header = database.read_bytes()[:100]
    for other in Path("ninefold-data").glob("ninefold.db-*"):
        other.unlink()
    database.write_bytes(header + bytes(range(256)) * 200)
    outcome = cli("doctor", "--json")
    assert outcome.code == 1
    remedy = finding(outcome, "database")["remedy"]
    assert "Put a backup in its place" in remedy
    assert "URL" not in remedy
    assert "Put a backup in its place" in cli("submit", "a house", "--preset", "draft").err


def test_a_damaged_model_is_found(tmp_path: Path) -> None:
    root = tmp_path / "builtin"
    shutil.copytree(builtin.ROOT, root)
    (root / "detector" / "detector.onnx").write_bytes(b"cut")
    (root / "upscaler" / "x4.onnx").unlink()
    found = {name: problem for name, problem in builtin.check_all(root) if problem}
    assert found.keys() == {"detector/detector.onnx", "upscaler/x4.onnx"}
    assert all("Reinstall ninefold" in problem for problem in found.values())


def test_versions_are_shown_of_what_ninefold_stands_on() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    needed = {re.split(r"[\[>=<]", text)[0] for text in project["dependencies"]}
    assert set(machine.LIBRARIES) <= needed
    for extra, name in machine.EXTRAS.items():
        assert any(text.startswith(name) for text in project["optional-dependencies"][extra])


# -- signing --------------------------------------------------------------------------------------


def test_who_signs(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"

    def certificate() -> dict[str, Any]:
        return finding(cli("doctor", "--json", "--data", str(data)), "certificate")

    assert certificate()["found"].startswith("none yet; the first signed file makes one;")
    assert not data.exists()
    key = SelfMadeKey(data / "signing").certificates
    assert certificate()["found"].startswith("ninefold, until 20")
    assert certificate()["needed"] is False
    (data / "signing" / "self-made.pem").write_text(key)
    outcome = cli("doctor", "--json", "--data", str(data))
    assert outcome.code == 1
    assert "Remove the" in finding(outcome, "certificate")["remedy"]
    for name, value in issue().write(tmp_path / "keys").items():
        monkeypatch.setenv(name, value)
    assert re.match(r"test signer, until \d{4}-\d\d-\d\d$", certificate()["found"])
    (tmp_path / "keys" / "key.pem").chmod(0o644)
    loose = finding(cli("doctor", "--json", "--data", str(data)), "key")
    assert loose["remedy"] == f"chmod 600 {tmp_path}/keys/key.pem"
    issue(days=(-9, -1)).write(tmp_path / "keys")
    outcome = cli("doctor", "--json", "--data", str(data))
    assert outcome.code == 1
    assert "expired on" in finding(outcome, "certificate")["remedy"]
    assert "PRIVATE" not in outcome.out
    ManifestStore(data / "manifests").save(bytes(8), b"{}")
    outcome = cli("doctor", "--json", "--data", str(data))
    assert finding(outcome, "manifests")["found"].startswith("of 1 published images")
