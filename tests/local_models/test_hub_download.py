"""Downloads from a hub on this machine: cut, damaged, gated, redirected, refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.hub import cached_folder
from ninefold.engines.hub_download import PART, HubRepository
from ninefold.engines.references import HubName
from tests.hub_server import Hub, Repository
from tests.local_models.conftest import LARGE

NAME = HubName("owner/model")


def fetch(*paths: str, name: HubName = NAME) -> Path:
    return HubRepository.look_up(name).fetch(paths)


def parts(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(f"*{PART}")]


def test_files_arrive_whole_where_other_tools_look_for_them(hub: Hub, tmp_path: Path) -> None:
    import huggingface_hub

    folder = fetch("config.json", "unet/weights.safetensors")
    assert (folder / "unet" / "weights.safetensors").read_bytes() == LARGE
    assert (folder / "config.json").read_bytes() == b"{}"
    assert not (folder / "other.bin").exists()
    assert cached_folder(NAME) == folder
    library: Any = huggingface_hub
    found = library.hf_hub_download("owner/model", "config.json", local_files_only=True)
    assert Path(found) == folder / "config.json"
    assert parts(tmp_path) == []
    # Nothing is fetched twice, and a later revision shares what is the same.
    count = len(hub.asked("unet/weights.safetensors"))
    hub.repositories["owner/model"].commit = "b" * 40
    assert fetch("unet/weights.safetensors").name == "b" * 40
    assert len(hub.asked("unet/weights.safetensors")) == count


def test_a_cut_connection_goes_on_where_it_broke_off(hub: Hub) -> None:
    hub.cuts["unet/weights.safetensors"] = [300_000, 1, 200_000]
    folder = fetch("unet/weights.safetensors")
    assert (folder / "unet/weights.safetensors").read_bytes() == LARGE
    ranges = hub.asked("unet/weights.safetensors")
    assert ranges == [None, "bytes=300000-", "bytes=300001-", "bytes=500001-"]


def test_another_process_goes_on_where_one_was_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cuts["unet/weights.safetensors"] = [300_000] + [0] * 5
    with pytest.raises(ModelError, match=r"what has arrived is kept"):
        fetch("config.json", "unet/weights.safetensors")
    assert cached_folder(NAME) is None  # nothing half shows
    # The small file may have been cut off, too: they come side by side.
    assert 300_000 in [path.stat().st_size for path in tmp_path.rglob(f"*{PART}")]
    fetch("config.json", "unet/weights.safetensors")
    assert hub.asked("unet/weights.safetensors")[-1] == "bytes=300000-"


def test_a_server_without_ranges_begins_anew(hub: Hub) -> None:
    hub.ignores_ranges = True
    hub.cuts["unet/weights.safetensors"] = [300_000]
    folder = fetch("unet/weights.safetensors")
    assert (folder / "unet/weights.safetensors").read_bytes() == LARGE


@pytest.mark.parametrize("path", ["unet/weights.safetensors", "config.json"])
def test_a_file_with_another_hash_is_removed_and_named(hub: Hub, tmp_path: Path, path: str) -> None:
    true = hub.repositories["owner/model"].files[path]
    hub.damaged[path] = bytes(len(true))
    with pytest.raises(ModelError, match=rf"owner/model: {path} is not what the hub says"):
        fetch(path)
    assert parts(tmp_path) == []
    assert cached_folder(NAME) is None
    hub.damaged.clear()
    assert (fetch(path) / path).read_bytes() == true


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_length_is_refused(hub: Hub, tmp_path: Path, change: int) -> None:
    hub.damaged["config.json"] = b"{}x" if change > 0 else b"{"
    with pytest.raises(ModelError, match=r"config\.json|cannot be fetched"):
        fetch("config.json")
    assert cached_folder(NAME) is None


def test_trouble_of_the_server_is_waited_out(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda _: None))
    hub.statuses = [503, 429]
    fetch("config.json")


def test_a_token_opens_what_is_gated_and_stays_with_the_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.repositories["owner/model"].gated = "hf_secret"
    with pytest.raises(
        ModelError, match=r"gated\. Accept its terms at http.*/owner/model, and set"
    ):
        fetch("unet/weights.safetensors")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelError, match="gated"):
        fetch("unet/weights.safetensors")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.cuts["unet/weights.safetensors"] = [10]
    caplog.set_level("DEBUG")
    fetch("unet/weights.safetensors")
    assert {given for _, origin, _, _, given in hub.requests if origin == "cdn"} == {None}
    assert "hf_secret" not in caplog.text
    assert "hf_wrong" not in caplog.text


def test_what_is_private_or_not_there_is_said_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["owner/mine"] = Repository({"a": b"a"}, private="hf_mine")
    for name in ("owner/mine", "owner/typo"):
        with pytest.raises(ModelError, match=rf"{name}: http.* has no such repository, or it is"):
            fetch("a", name=HubName(name))
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert (fetch("a", name=HubName("owner/mine")) / "a").read_bytes() == b"a"


def test_revisions(hub: Hub) -> None:
    hub.repositories["owner/model"].revisions = {"v1.0": "c" * 40}
    hub.repositories["owner/model"].commit = "c" * 40
    name = HubName("owner/model", "v1.0")
    assert fetch("config.json", name=name).name == "c" * 40
    assert cached_folder(name) is not None
    assert cached_folder(NAME) is None
    with pytest.raises(ModelError, match=r"has no revision 'v2'\. Check it, or leave it out"):
        fetch("config.json", name=HubName("owner/model", "v2"))


def test_offline_is_said_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        fetch("config.json")
    assert hub.requests == []


def test_a_hub_that_does_not_answer_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"cannot be fetched from http://127\.0\.0\.1:9"):
        fetch("config.json")


@pytest.mark.parametrize("path", ["../escaped", "/etc/x", "a/../../b", "a\\..\\b"])
def test_names_that_lead_out_of_the_folder_are_left_out(hub: Hub, path: str) -> None:
    hub.repositories["owner/model"].files[path] = b"x"
    assert path not in HubRepository.look_up(NAME).files


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=500_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    message = r"0\.00 GB are still to come \(unet/weights\.safetensors\), and 0\.00 GB are free at"
    with pytest.raises(ModelError, match=message):
        fetch("unet/weights.safetensors")
    assert hub.asked("unet/weights.safetensors") == []


def test_a_disk_that_fills_meanwhile_keeps_nothing_half(hub: Hub, tmp_path: Path) -> None:
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "from ninefold.core.errors import ModelError\n"
        "from ninefold.engines.hub_download import HubRepository\n"
        "from ninefold.engines.references import HubName\n"
        "try:\n"
        "    HubRepository.look_up(HubName('owner/model')).fetch(['config.json', "
        "'unet/weights.safetensors'])\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert "GB are still to come" in done.stdout, done.stderr
    assert "unet/weights.safetensors" in done.stdout
    assert parts(tmp_path) == []
    assert cached_folder(NAME) is None


def test_processes_that_fetch_the_same_share_one_download(hub: Hub, tmp_path: Path) -> None:
    program = (
        "from ninefold.engines.hub_download import HubRepository\n"
        "from ninefold.engines.references import HubName\n"
        "HubRepository.look_up(HubName('owner/model')).fetch(['unet/weights.safetensors'])\n"
    )
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}
    running = [subprocess.Popen([sys.executable, "-c", program], env=env) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert hub.asked("unet/weights.safetensors") == [None]
