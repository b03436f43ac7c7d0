"""Where models are found: every layout that tools have, and what is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.places import Kind, Search
from ninefold.engines.settings import EngineSettings
from tests.local_models.conftest import checkpoint, diffusers_folder, lora, safetensors


def found(root: Path) -> dict[str, Kind | None]:
    search = Search()
    search.folder(root, "root")
    assert search.problems == []
    return {place.name: place.hint for place in search.places}


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_a_plain_folder(tmp_path: Path) -> None:
    root = tmp_path / "models"
    checkpoint(root / "a.safetensors")
    lora(root / "loras" / "styles" / "b.safetensors")
    diffusers_folder(root / "deep" / "c")
    for name in ("readme.txt", "a.png", ".hidden.safetensors", "vague.bin", "sub/.git/x.onnx"):
        touch(root / name)
    assert found(root) == {"a": None, "styles/b": "lora", "deep/c": None}


@pytest.mark.parametrize("marker", ["webui.py", "launch.py"])
def test_automatic1111_and_forge(tmp_path: Path, marker: str) -> None:
    touch(tmp_path / marker)
    files = {
        "models/Stable-diffusion/sdxl/base.safetensors": ("sdxl/base", "diffusion"),
        "models/Stable-diffusion/old.ckpt": ("old", "diffusion"),
        "models/Lora/detail.safetensors": ("detail", "lora"),
        "models/VAE/vae-ft-mse.pt": ("vae-ft-mse", "vae"),
        "models/text_encoder/clip_l.safetensors": ("clip_l", "text_encoder"),
        "models/ControlNet/canny.pth": ("canny", "control"),
        "extensions/sd-webui-controlnet/models/depth.safetensors": ("depth", "control"),
        "embeddings/bad-hands.pt": ("bad-hands", "embedding"),
        "models/ESRGAN/4x.pth": ("4x", "upscaler"),
        "models/RealESRGAN/2x.onnx": ("2x", "upscaler"),
        "models/adetailer/face_yolov8n.pt": ("face_yolov8n", "detector"),
    }
    passed_over = [
        "venv/lib/site-packages/torch/x.pt",
        "repositories/other/y.safetensors",
        "models/VAE-approx/model.pt",
        "models/Codeformer/codeformer.pth",
        "outputs/z.safetensors",
    ]
    for path in (*files, *passed_over):
        touch(tmp_path / path)
    assert found(tmp_path) == dict(files.values())


def test_comfyui(tmp_path: Path) -> None:
    touch(tmp_path / "main.py")
    folders: dict[str, Kind] = {
        "checkpoints": "diffusion",
        "diffusion_models": "diffusion",
        "unet": "diffusion",
        "loras": "lora",
        "text_encoders": "text_encoder",
        "clip": "text_encoder",
        "vae": "vae",
        "controlnet": "control",
        "upscale_models": "upscaler",
        "embeddings": "embedding",
        "ultralytics/bbox": "detector",
    }
    for folder in (*folders, "clip_vision", "vae_approx"):
        touch(tmp_path / "models" / folder / f"{folder.replace('/', '-')}.safetensors")
    expected = {name: kind for name, kind in folders.items() if "/" not in name}
    assert found(tmp_path) == {**expected, "bbox/ultralytics-bbox": "detector"}
    # The folder of models alone gives the same.
    assert found(tmp_path / "models") == {**expected, "bbox/ultralytics-bbox": "detector"}


def test_extra_model_paths_of_comfyui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISK", str(tmp_path / "disk"))
    comfy = tmp_path / "comfy"
    touch(comfy / "main.py")
    (comfy / "extra_model_paths.yaml").write_text(
        "a111:\n"
        "    base_path: ../webui/\n"
        "    is_default: true\n"
        "    checkpoints: models/Stable-diffusion\n"
        "    loras: |\n"
        "         models/Lora\n"
        "         models/LyCORIS\n"
        "    custom_nodes: nodes\n"
        "other:\n"
        "    vae: $DISK/vae\n"
        "    nothing: missing\n"
    )
    touch(tmp_path / "webui/models/Stable-diffusion/a.safetensors")
    touch(tmp_path / "webui/models/Lora/b.safetensors")
    touch(tmp_path / "webui/models/LyCORIS/c.safetensors")
    touch(tmp_path / "webui/nodes/d.safetensors")
    touch(tmp_path / "disk/vae/e.safetensors")
    assert found(comfy) == {"a": "diffusion", "b": "lora", "c": "lora", "e": "vae"}


DEEP = "[" * 1000 + "]" * 1000


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "a: 5\n", "\x00", "", DEEP])
def test_a_damaged_file_of_paths_is_reported_and_the_rest_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    touch(tmp_path / "a.safetensors")
    search = Search()
    search.folder(tmp_path, "root")
    assert [place.name for place in search.places] == ["a"]
    broken = text in ("a: [", "\x00", DEEP)
    assert [("extra_model_paths.yaml" in line) for line in search.problems] == [True] * broken


def hub_cache(root: Path) -> Path:
    """A repository at two revisions, one that is a single file, one that was never finished."""
    commit, older = "a" * 40, "b" * 40
    model = root / "models--owner--model"
    diffusers_folder(model / "snapshots" / commit)
    diffusers_folder(model / "snapshots" / older)
    (model / "refs" / "pr").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    (model / "refs" / "pr" / "1").write_text(older)
    loras = root / "models--owner--loras"
    blob = lora(loras / "blobs" / ("c" * 64))
    (loras / "snapshots" / commit).mkdir(parents=True)
    (loras / "snapshots" / commit / "style.safetensors").symlink_to(blob)
    (root / "models--owner--nothing" / "blobs").mkdir(parents=True)
    (root / "datasets--owner--data" / "snapshots" / commit).mkdir(parents=True)
    return root


@pytest.mark.parametrize("below", ["hub", "."])
def test_the_cache_of_the_hub(tmp_path: Path, below: str) -> None:
    hub_cache(tmp_path / below)
    commit = "a" * 40
    assert set(found(tmp_path)) == {
        "owner/model",
        "owner/model@pr/1",
        f"owner/loras@{commit}/style",
    }


def test_configs_beside_a_single_file_are_no_model_of_their_own(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a.safetensors")
    diffusers_folder(tmp_path / "a")
    assert found(tmp_path) == {"a": None}


def test_a_network_in_a_folder_of_its_own_is_one_model(tmp_path: Path) -> None:
    folder = tmp_path / "controlnet" / "depth"
    safetensors(folder / "diffusion_pytorch_model.safetensors", {"a": (1,)})
    safetensors(folder / "diffusion_pytorch_model.fp16.safetensors", {"a": (1,)})
    (folder / "config.json").write_text("{}")
    assert found(tmp_path) == {"depth": "control"}


def test_the_folder_may_be_a_model_itself(tmp_path: Path) -> None:
    assert found(diffusers_folder(tmp_path / "mine")) == {"mine": None}


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "disk" / "a.safetensors")
    root = tmp_path / "models"
    (root / "loras").mkdir(parents=True)
    (root / "loras" / "linked").symlink_to(tmp_path / "disk")
    (root / "loras" / "circle").symlink_to(root)
    (root / "loras" / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "disk" / "back").symlink_to(tmp_path / "disk")
    assert found(root) == {"linked/a": "lora"}


def test_links_to_themselves_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "models" / "a.safetensors")
    for name in ("loop.safetensors", "loop", "extra_model_paths.yaml"):
        (tmp_path / "models" / name).symlink_to(name)
    assert found(tmp_path / "models") == {"a": None}
    (tmp_path / "root").symlink_to("root")
    search = Search()
    search.folder(tmp_path / "root", "root")
    assert len(search.problems) == 1


def test_a_path_that_cannot_be_one_is_reported(tmp_path: Path) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text('a:\n  vae: "null\\0byte"\n')
    touch(tmp_path / "a.safetensors")
    search = Search()
    search.folder(tmp_path, "root")
    assert [place.name for place in search.places] == ["a"]
    assert "cannot be read" in search.problems[0]


Closed = Callable[[Path], None]


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Closed:
    """Lets a folder be as one that its user may not look into."""
    closed: list[Path] = []

    def guarded(function: Any) -> Any:
        def guard(path: Any, *args: Any, **options: Any) -> Any:
            if any(Path(path).is_relative_to(folder) for folder in closed):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **options)

        return guard

    monkeypatch.setattr(os, "scandir", guarded(os.scandir))
    for name in ("stat", "iterdir"):
        monkeypatch.setattr(Path, name, guarded(getattr(Path, name)))
    return closed.append


def test_a_folder_that_cannot_be_read_leaves_the_others(tmp_path: Path, close: Closed) -> None:
    touch(tmp_path / "one" / "a.safetensors")
    touch(tmp_path / "one" / "closed" / "b.safetensors")
    touch(tmp_path / "dead" / "c.safetensors")
    settings = EngineSettings(
        model_folders=(tmp_path / "dead", tmp_path / "one"), library=tmp_path / "dead" / "library"
    )
    assert len(LocalModels(settings).models()) == 3
    close(tmp_path / "dead")
    close(tmp_path / "one" / "closed")
    library = LocalModels(settings)
    assert [model.name for model in library.models()] == ["a"]
    for folder in ("dead", "one/closed"):
        assert f"{tmp_path / folder} cannot be read: Permission denied." in library.problems()
    assert library.models() == library.models()


def test_a_snapshot_that_cannot_be_read_leaves_the_others(tmp_path: Path, close: Closed) -> None:
    model = hub_cache(tmp_path) / "models--owner--model"
    close(model / "snapshots" / ("a" * 40))
    search = Search()
    search.folder(tmp_path, "hub")
    names = {place.name for place in search.places}
    assert {"owner/model@pr/1", f"owner/loras@{'a' * 40}/style"} == names
    assert any("cannot be read: Permission denied." in line for line in search.problems)


def test_a_folder_that_may_be_read_now_is_looked_into_again(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b.safetensors")
    search = Search()
    search.folder(tmp_path, "root")
    (tmp_path / "a").chmod(0o700)
    assert not search.is_current()


def test_a_folder_that_is_not_there_is_reported_and_found_once_it_is(tmp_path: Path) -> None:
    search = Search()
    search.folder(tmp_path / "usb", "usb")
    assert "usb is no folder" in search.problems[0]
    assert search.is_current()
    touch(tmp_path / "usb" / "a.safetensors")
    assert not search.is_current()


def test_what_was_found_holds_until_a_folder_changes(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b" / "c.safetensors")
    search = Search()
    search.folder(tmp_path, "root")
    assert search.is_current()
    os.utime(tmp_path / "a" / "b", (1, 1))
    assert not search.is_current()


def test_names_that_are_no_utf_8_can_be_shown(tmp_path: Path) -> None:
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.safetensors")))
    assert list(found(tmp_path)) == ["caf\N{REPLACEMENT CHARACTER}"]
