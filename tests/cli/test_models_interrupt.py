"""Ctrl-C while a model is added or fetched, in a process of its own."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.hub_server import Hub, Repository, hub_server
from tests.local_models.conftest import checkpoint, diffusers_folder, safetensors

pytestmark = pytest.mark.slow
#: `ninefold models`, with what is called at one moment waiting there for Ctrl-C.
AT = """
import hashlib, shutil, sys, time
from ninefold.cli import main
from ninefold.engines.local_models.entries import Entries

def waits(*arguments, **_):
    if sys.argv[1] == "copying":
        source, target = arguments[:2]
        with open(source, "rb") as whole, open(target, "wb") as half:
            half.write(whole.read(100))
    print("here", flush=True)
    time.sleep(120)

owner, name = {
    "hashing": (hashlib, "file_digest"),
    "copying": (shutil, "copyfile"),
    "keeping": (Entries, "add"),
}[sys.argv.pop(1)]
setattr(owner, name, waits)
sys.exit(main())
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Folders of the test's own."""
    return os.environ | {
        "NINEFOLD_LIBRARY": str(tmp_path / "library"),
        "NINEFOLD_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
    }


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as hub:
        yield hub


def models(env: Mapping[str, str], folder: Path, *arguments: object) -> tuple[int, str, str]:
    """The exit code of `ninefold models`, and what it wrote."""
    process = started(env, folder, "-m", "ninefold", "models", *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode is not None
    return process.returncode, out, err


def started(env: Mapping[str, str], folder: Path, *arguments: object) -> Forked:
    given = [str(argument) for argument in arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Forked(given, cwd=folder, env=env, **pipes)


def interrupted(process: Forked) -> None:
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("moment", ["hashing", "copying", "keeping"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_nothing_of_an_add_is_listed(
    tmp_path: Path, env: dict[str, str], moment: str, what: str
) -> None:
    source = tmp_path / "download" / "new"
    if what == "folder":
        diffusers_folder(source)
    else:
        source = checkpoint(source.with_suffix(".safetensors"))
    process = started(env, tmp_path, "-c", AT, moment, "models", "add", source, "--as", "copy")
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    interrupted(process)
    left = [path for path in (tmp_path / "library").rglob("*") if path.is_file()]
    # What was whole and had no entry yet is no model: the next add takes its place.
    assert moment == "keeping" or [path.name for path in left if path.name != ".lock"] == []
    assert "new" not in models(env, tmp_path, "list")[1]
    assert models(env, tmp_path, "add", source, "--as", "copy")[:2] == (0, "new\n")
    assert models(env, tmp_path, "verify", "new")[0] == 0


def test_nothing_of_a_pull_is_listed_and_the_next_goes_on(
    tmp_path: Path, env: dict[str, str], hub: Hub
) -> None:
    source = diffusers_folder(tmp_path / "source" / "model")
    weights = "unet/diffusion_pytorch_model.safetensors"
    safetensors(source / weights, {"a": (1000, 500)})
    files = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in source.rglob("*")
        if path.is_file()
    }
    hub.repositories["owner/model"] = Repository(files)
    hub.slow[weights] = 0.05
    env["HF_ENDPOINT"] = hub.url
    process = started(env, tmp_path, "-m", "ninefold", "models", "pull", "owner/model")
    others = {
        hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        for path, data in files.items()
        if path != weights
    }
    while not others <= {path.name for path in tmp_path.glob("hf/**/blobs/*")}:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    while not hub.asked(weights):  # the last file alone is on its way, for ten seconds
        time.sleep(0.02)
    time.sleep(0.5)
    interrupted(process)
    assert not list((tmp_path / "hf").glob("**/snapshots/**/*"))
    assert "owner/model" not in models(env, tmp_path, "list")[1]
    hub.slow.clear()
    code, out, err = models(env, tmp_path, "pull", "owner/model")
    assert (code, out) == (0, "owner/model\n"), err
    first, rest = hub.asked(weights)
    assert first is None
    assert rest is not None
    assert rest.startswith("bytes=")
    assert "owner/model" in models(env, tmp_path, "list")[1]
