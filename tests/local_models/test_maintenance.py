"""Adding, removing and checking models."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.local_models.entries import Entries, Entry
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.maintenance import AddAs, add_model, remove_model, verify_models
from ninefold.engines.settings import EngineSettings
from tests.local_models.conftest import LONG_AGO, checkpoint, diffusers_folder, lora


@pytest.fixture
def models(tmp_path: Path) -> LocalModels:
    checkpoint(tmp_path / "mine" / "found.safetensors", fill=b"7")
    return LocalModels(
        EngineSettings(
            model_folders=(tmp_path / "mine",),
            library=tmp_path / "library",
            loras=tmp_path / "loras",
        )
    )


def left(tmp_path: Path) -> set[str]:
    """The files in ninefold's own folder."""
    folder = tmp_path / "library"
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix() for path in files}


@pytest.mark.parametrize("how", ["link", "copy", "reference"])
def test_a_file_is_added_found_and_removed(models: LocalModels, tmp_path: Path, how: AddAs) -> None:
    file = lora(tmp_path / "download" / "ink.safetensors")
    entry = add_model(models, str(file), how=how)
    assert (entry.name, entry.kind, entry.holding) == ("ink", "lora", how)
    found = models.find("lora", "ink")
    assert found is not None
    assert found.place.path.read_bytes() == file.read_bytes()
    assert os.path.samefile(found.place.path, file) == (how != "copy")
    assert remove_model(models, "ink").name == "ink"
    assert models.find("lora", "ink") is None
    assert file.is_file()
    assert left(tmp_path) == set()


def test_a_folder_is_added_under_another_name(models: LocalModels, tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "download" / "model")
    entry = add_model(models, str(folder), name="my model")
    assert entry.path == tmp_path / "library" / "files" / "my model"
    assert set(entry.files) >= {"model_index.json", "unet/diffusion_pytorch_model.safetensors"}
    found = models.find("diffusion", "my model")
    assert found is not None
    assert found.identity.class_name == "StableDiffusionXLPipeline"
    remove_model(models, "my model")
    assert left(tmp_path) == set()


def test_what_is_no_model_is_refused_and_leaves_nothing(
    models: LocalModels, tmp_path: Path
) -> None:
    lora(tmp_path / "set" / "a.safetensors")
    lora(tmp_path / "set" / "b.safetensors", fill=b"1")
    cut = checkpoint(tmp_path / "cut.safetensors")
    cut.write_bytes(cut.read_bytes()[:-1])
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    for source, message in {
        "missing.safetensors": r"is not there\. Name a file or a folder",
        "set": r"holds 2 models \(a\.safetensors, b\.safetensors\): add them one by one",
        "cut.safetensors": r"is not added: cut\.safetensors is cut short",
        "note.txt": "is no model file: expected",
        "empty": "holds no model",
        "evil.pt": r"is not added: evil\.pt (holds more|is damaged)",
    }.items():
        with pytest.raises(ModelError, match=message):
            add_model(models, str(tmp_path / source))
    assert left(tmp_path) == set()


def test_a_name_that_is_taken_or_leads_elsewhere_is_refused(
    models: LocalModels, tmp_path: Path
) -> None:
    file = checkpoint(tmp_path / "download" / "new.safetensors")
    for name in ("../out", "a/b", ".hidden", "a|b", "a:b", "owner@rev", "-x", " "):
        with pytest.raises(ModelError, match="cannot be a model's name"):
            add_model(models, str(file), name=name)
    with pytest.raises(ModelError, match="'found' is there already"):
        add_model(models, str(file), name="found")
    add_model(models, str(file))
    with pytest.raises(ModelError, match="'new' is there already"):
        add_model(models, str(file))


def test_a_disk_that_cannot_hold_it_leaves_nothing(
    models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkpoint(tmp_path / "download" / "new.safetensors")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(ModelError, match=r"cannot be kept in .* \(No space left on device\)"):
        add_model(models, str(file), how="copy")
    assert left(tmp_path) == set()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_an_add_that_was_interrupted_can_be_repeated(
    models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    source = tmp_path / "download" / "new"
    if what == "folder":
        diffusers_folder(source)
    else:
        source = checkpoint(source.with_suffix(".safetensors"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add_model(models, str(source))
    assert models.find("diffusion", "new") is None
    add_model(models, str(source))
    assert models.find("diffusion", "new") is not None
    assert states(models, "new") == {"new": "whole"}


def test_the_files_of_another_model_stay(models: LocalModels, tmp_path: Path) -> None:
    add_model(models, str(lora(tmp_path / "download" / "ink.safetensors")))
    before = left(tmp_path)
    folder = diffusers_folder(tmp_path / "download" / "model")
    with pytest.raises(ModelError, match=r"is where the model 'ink' is kept\. Choose another"):
        add_model(models, str(folder), name="ink.safetensors")
    assert left(tmp_path) == before


def test_what_lies_in_other_folders_is_never_removed(models: LocalModels, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"neither added nor pulled: it lies at .*found"):
        remove_model(models, "found")
    assert (tmp_path / "mine" / "found.safetensors").is_file()
    with pytest.raises(ModelError, match="no model is called 'fond'"):
        remove_model(models, "fond")


def states(models: LocalModels, name: str | None = None) -> dict[str, str]:
    return {item.model: item.state for item in verify_models(models, name)}


def test_verify_remembers_and_compares(models: LocalModels, tmp_path: Path) -> None:
    add_model(models, str(lora(tmp_path / "download" / "ink.safetensors")), how="copy")
    kept = tmp_path / "library" / "files" / "ink.safetensors"
    assert states(models) == {"found": "new", "ink": "whole"}
    assert states(models) == {"found": "whole", "ink": "whole"}
    # The same size and time, other bytes: nothing but reading them tells.
    for file in (kept, tmp_path / "mine" / "found.safetensors"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        with file.open("r+b") as stream:
            stream.write(content)
        os.utime(file, (LONG_AGO, LONG_AGO))
    assert states(models) == {"found": "damaged", "ink": "damaged"}
    assert states(models, "ink") == {"ink": "damaged"}


def test_verify_names_files_that_are_cut_or_gone(models: LocalModels, tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "download" / "model")
    add_model(models, str(folder), how="copy")
    add_model(models, str(lora(tmp_path / "download" / "ink.safetensors")), how="reference")
    kept = tmp_path / "library" / "files" / "model"
    (kept / "model_index.json").write_text("{}")
    weights = kept / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    (tmp_path / "download" / "ink.safetensors").unlink()
    found = {(item.model, item.file): item for item in verify_models(models) if item.is_bad}
    assert set(found) == {
        ("model", "model_index.json"),
        ("model", "unet/diffusion_pytorch_model.safetensors"),
        ("ink", str(tmp_path / "download" / "ink.safetensors")),
    }
    assert "bytes are there" in found["model", "unet/diffusion_pytorch_model.safetensors"].problem
    with pytest.raises(ModelError, match="no model is called"):
        list(verify_models(models, "nothing"))


def test_entries_that_cannot_be_read_are_left_out(models: LocalModels, tmp_path: Path) -> None:
    add_model(models, str(lora(tmp_path / "download" / "ink.safetensors")))
    entries = Entries(tmp_path / "library")
    (entry,) = entries.all()
    file = next(entries.folder.iterdir())
    for text in ("", "[]", "{}", file.read_text().replace('"layout": 1', '"layout": 9')):
        (entries.folder / "broken.json").write_text(text)
        assert entries.all() == (entry,)
        with pytest.raises(ModelError, match=r"broken\.json cannot be read"):
            entries.get("broken")


def test_what_was_damaged_from_the_start_is_named(models: LocalModels, tmp_path: Path) -> None:
    cut = checkpoint(tmp_path / "mine" / "cut.safetensors", fill=b"8")
    cut.write_bytes(cut.read_bytes()[:-1])
    bad = [item for item in verify_models(models, "cut") if item.is_bad]
    assert [item.file for item in bad] == ["cut.safetensors"]
    assert "cut.safetensors is cut short" in bad[0].problem


def test_two_that_add_one_name_at_once_get_one_model(
    models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found the name free and have their copies ready before either is kept."""
    files = [
        checkpoint(tmp_path / str(number) / "twin.safetensors", fill=str(number).encode())
        for number in range(4)
    ]
    ready = threading.Barrier(len(files), timeout=60)
    copy = shutil.copystat

    def copied(*args: object) -> None:
        copy(*args)  # type: ignore[arg-type]
        ready.wait()

    monkeypatch.setattr(shutil, "copystat", copied)

    def added(file: Path) -> Entry | str:
        try:
            return add_model(models, str(file), how="copy")
        except ModelError as error:
            return str(error)

    with ThreadPoolExecutor(len(files)) as pool:
        outcomes = list(pool.map(added, files))
    (entry,) = [item for item in outcomes if isinstance(item, Entry)]
    assert sum("'twin' is there already" in str(item) for item in outcomes) == len(files) - 1
    assert entry.path.read_bytes() == files[outcomes.index(entry)].read_bytes()
    assert set(states(models, "twin").values()) == {"whole"}
    assert left(tmp_path) == {"entries/twin.json", "files/twin.safetensors"}


def test_what_a_killed_command_left_is_removed_a_day_later(
    models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned = tmp_path / "library" / "files" / ".0123456789abcdef"
    (abandoned / "unet").mkdir(parents=True)
    add_model(models, str(checkpoint(tmp_path / "one.safetensors")), how="copy")
    assert abandoned.is_dir()  # it may be another's that is at work
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90_000)
    add_model(models, str(checkpoint(tmp_path / "two.safetensors")), how="copy")
    assert not abandoned.exists()
    assert (tmp_path / "library" / "files" / "one.safetensors").is_file()
