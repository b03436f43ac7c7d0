"""`ninefold models`: what people see of the models that they have."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ninefold.engines.engine_set import EngineSet
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.settings import EngineSettings
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli
from tests.hub_server import Repository, hub_server
from tests.local_models.conftest import checkpoint, diffusers_folder, lora, own_cache

__all__ = ["own_cache"]


@pytest.fixture
def engines(tmp_path: Path) -> EngineSet:
    folder = tmp_path / "models"
    checkpoint(folder / "checkpoints" / "base.safetensors")
    diffusers_folder(folder / "checkpoints" / "turbo", "StableDiffusionPipeline")
    (folder / "checkpoints" / "old.ckpt").write_bytes(pickle.dumps(Path(), protocol=2))
    metadata = {
        "modelspec.license": "MIT",
        "modelspec.title": "Ink",
        "modelspec.trigger_phrase": "ink drawing",
        "ss_base_model_version": "sd_v1",
        "ss_tag_frequency": json.dumps({"a": {"ink": 5}}),
    }
    lora(folder / "loras" / "ink.safetensors", metadata)
    settings = EngineSettings(
        model_folders=(folder,), library=tmp_path / "library", loras=tmp_path / "loras"
    )
    return replace(fake_engines(), local_models=LocalModels(settings))


def test_list_is_a_table(cli: Cli, engines: EngineSet) -> None:
    lines = cli("models", "list", engines=engines).out.splitlines()
    assert lines[0].split() == ["name", "kind", "family", "precision", "size", "license", "source"]
    rows = {line.split()[0]: line for line in lines[1:] if not line.startswith(" ")}
    assert {"poster", "detector", "2x", "base", "turbo", "old", "ink"} <= rows.keys()
    assert rows["base"].split()[1:4] == ["diffusion", "Stable", "Diffusion"]
    assert "fp16" in rows["base"]
    assert "kB" in rows["base"]
    assert rows["base"].endswith("models")
    assert "MIT" in rows["ink"]
    assert "Stable Diffusion Turbo" in rows["turbo"]
    assert "    cannot be used as it is: it is pickled" in "\n".join(lines)


def test_one_long_name_leaves_the_other_lines_as_they_are(
    cli: Cli, engines: EngineSet, tmp_path: Path
) -> None:
    before = cli("models", "list", engines=engines).out.splitlines()
    long = "a" * 150
    lora(tmp_path / "loras" / f"{long}.safetensors", {})
    lines = cli("models", "list", engines=engines).out.splitlines()
    assert any(line.startswith(f"{long}  lora") for line in lines)
    assert max(map(len, (line for line in lines if long not in line))) < max(map(len, before)) + 40


def test_a_file_that_cannot_be_read_has_the_size_that_it_has(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no weights" * 200)
    shown = cli("models", "show", str(tmp_path / "a.safetensors")).out
    assert "safetensors, 2 kB" in shown
    folder = diffusers_folder(tmp_path / "b", "HologramPipeline")
    for part in ("unet", "vae"):
        for file in (folder / part).glob("*.safetensors"):
            file.unlink()
    shown = cli("models", "show", str(folder)).out
    assert "0 B" not in shown
    assert "b asks for the pipeline HologramPipeline" in shown


def test_list_takes_a_kind_and_gives_json(cli: Cli, engines: EngineSet) -> None:
    found = cli("models", "list", "--kind", "lora", "--json", engines=engines).document
    assert [item["name"] for item in found] == ["sketch", "ink"]
    assert found[1]["title"] == "Ink"
    assert str(found).find("/") < 0  # no path of this machine
    assert cli("models", "list", "--kind", "vae", engines=engines).out == "no models of this kind\n"
    assert "Invalid value for '--kind'" in cli("models", "list", "--kind", "x").err


def test_show_tells_what_a_diffusion_model_can_do(cli: Cli, engines: EngineSet) -> None:
    shown = cli("models", "show", "turbo", engines=engines).out
    for line in (
        "name             turbo",
        "family           Stable Diffusion Turbo",
        "recognised by    Turbo, by its name alone",
        "starts from      a prompt, an image, an image and a mask",
        "size             512x512; 128 to 2048 in steps of 8",
        "steps            4",
        "negative prompt  acts at a guidance scale above 1",
        "prediction       v_prediction",
        "samplers         default, euler, euler_a",
        "weights take     fp32 48 B; fp16 or bf16 24 B",
    ):
        assert line in shown
    (document,) = cli("models", "show", "turbo", "--json", engines=engines).document
    assert document["starts_from"] == {
        "text": "diffusers",
        "image": "diffusers",
        "inpaint": "diffusers",
    }
    assert document["hash"] != ""


def test_show_tells_what_a_lora_is_for(cli: Cli, engines: EngineSet) -> None:
    shown = cli("models", "show", "ink", engines=engines).out
    for line in (
        "title            Ink",
        "made for",
        "triggers         ink drawing",
        "tags             ink",
    ):
        assert line in shown


def test_show_takes_a_path_and_the_built_in_model(cli: Cli, tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "anywhere" / "other.safetensors")
    assert "Stable Diffusion" in cli("models", "show", file).out
    assert "family" in cli("models", "show", "poster").out
    failed = cli("models", "show", "postr")
    assert (failed.code, failed.err) == (
        2,
        "error: no model is called 'postr'. `ninefold models list` shows what there is.\n",
    )


def test_show_opens_pickled_files_as_far_as_that_is_safe(cli: Cli, engines: EngineSet) -> None:
    shown = cli("models", "show", "old", engines=engines).out
    assert "problem          old.ckpt holds more than tensors, or was pickled" in shown


def test_a_folder_that_is_not_there_is_a_warning(cli: Cli, tmp_path: Path) -> None:
    settings = EngineSettings(model_folders=(tmp_path / "usb",), loras=tmp_path, library=tmp_path)
    engines = replace(fake_engines(), local_models=LocalModels(settings))
    listed = cli("models", "list", engines=engines)
    assert listed.code == 0
    assert f"warning: {tmp_path / 'usb'} is no folder" in listed.err


def test_options_before_the_command_are_not_lost_in_silence(cli: Cli, tmp_path: Path) -> None:
    for options in (["--json"], ["--settings", str(tmp_path / "own.toml")]):
        outcome = cli("models", *options, "list")
        assert outcome.code == 2
        assert "after the command" in outcome.err


def test_models_alone_lists_as_before(cli: Cli, engines: EngineSet) -> None:
    assert "poster: 128 x 128 pixels" in cli("models", engines=engines).out
    document = cli("models", "--json", engines=engines).document
    assert "poster" in document["diffusion"]


def test_folders_come_from_the_environment_and_the_settings_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "one" / "first.safetensors", fill=b"1")
    checkpoint(tmp_path / "two" / "second.safetensors", fill=b"2")
    (tmp_path / "settings.toml").write_text(f'model_folders = ["{tmp_path}/one", "{tmp_path}/two"]')
    from ninefold.cli import main
    from ninefold.core.settings import read_settings

    monkeypatch.setenv("NINEFOLD_MODEL_FOLDERS", f"{tmp_path}/one, ~/two")
    assert read_settings(EngineSettings).model_folders == (
        tmp_path / "one",
        Path("~/two").expanduser(),
    )
    monkeypatch.delenv("NINEFOLD_MODEL_FOLDERS")
    assert main(["models", "list", "--settings", str(tmp_path / "settings.toml")]) == 0


def test_add_verify_and_remove(cli: Cli, engines: EngineSet, tmp_path: Path) -> None:
    file = lora(tmp_path / "download" / "pen.safetensors", fill=b"5")
    added = cli("models", "add", file, engines=engines)
    assert (added.code, added.out) == (0, "pen\n")
    assert "lora, linked." in added.err
    listed = cli("models", "list", "--kind", "lora", engines=engines).out
    assert any(line.split()[0] == "pen" and line.endswith("added") for line in listed.splitlines())
    checked = cli("models", "verify", "pen", engines=engines)
    assert (checked.code, checked.out) == (0, "whole    pen pen.safetensors\n")
    with file.open("r+b") as stream:
        stream.truncate(100)
    checked = cli("models", "verify", engines=engines)
    assert checked.code == 1
    assert "damaged  pen pen.safetensors: 100 of" in checked.out
    (item,) = cli("models", "verify", "pen", "--json", engines=engines).document
    assert item["state"] == "damaged"
    refused = cli("models", "remove", "pen", engines=engines)
    assert (refused.code, "nobody is there to ask" in refused.err) == (2, True)
    assert cli("models", "remove", "pen", "--yes", engines=engines).code == 0
    assert cli("models", "verify", "pen", engines=engines).code == 2
    refused = cli("models", "remove", "ink", "--yes", engines=engines)
    assert (refused.code, "neither added nor pulled" in refused.err) == (2, True)


def test_pull_by_the_variables_that_the_hubs_tools_read(tmp_path: Path) -> None:
    source = lora(tmp_path / "source" / "ink.safetensors")
    with hub_server() as hub:
        hub.repositories["owner/ink"] = Repository(
            {"ink.safetensors": source.read_bytes()}, gated="hf_secret"
        )
        env = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_secret",
            "NINEFOLD_LIBRARY": str(tmp_path / "library"),
        }

        def pull(**changes: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "ninefold", "models", "pull", "owner/ink"],
                env=env | changes,
                capture_output=True,
                text=True,
                check=False,
            )

        offline = pull(HF_HUB_OFFLINE="1")
        assert (offline.returncode, "HF_HUB_OFFLINE is set" in offline.stderr) == (2, True)
        assert hub.requests == []
        gated = pull(HF_TOKEN="hf_other")
        assert (gated.returncode, "the model is gated" in gated.stderr) == (2, True)
        done = pull()
        assert (done.returncode, done.stdout) == (0, "ink\n")
        assert "hf_secret" not in done.stderr
    assert (tmp_path / "hf" / "hub" / "models--owner--ink").is_dir()


def test_pull_wants_a_repository(cli: Cli) -> None:
    failed = cli("models", "pull", "just-a-name")
    assert (failed.code, failed.err) == (
        2,
        "error: 'just-a-name': expected OWNER/NAME or OWNER/NAME@REVISION.\n",
    )
