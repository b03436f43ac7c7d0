"""Short names of models: which they are, what they mean, and where they are taken."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.engines import builtin
from ninefold.engines.defaults import build_engines
from ninefold.engines.detection import DETECTION
from ninefold.engines.file_memory import FileMemory, FileStamp
from ninefold.engines.hashing import lora_hash, read_sha256
from ninefold.engines.local_models import lookup as lookup_module
from ninefold.engines.local_models.identity import Identity, identify
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.places import Place
from ninefold.engines.settings import EngineSettings
from ninefold.engines.upscaling import UPSCALING
from ninefold.engines.weight_headers import read_header, read_safetensors
from tests.engines.conftest import needs_builtin
from tests.local_models.conftest import checkpoint, diffusers_folder, lora, safetensors


def settings(tmp_path: Path, *folders: Path) -> EngineSettings:
    return EngineSettings(
        device="cpu",
        model_folders=folders,
        library=tmp_path / "library",
        loras=tmp_path / "own-loras",
    )


def names(models: LocalModels) -> set[tuple[str, str]]:
    return {(model.kind, model.name) for model in models.models()}


def test_a_name_is_the_shortest_that_means_one_model(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    checkpoint(one / "only.safetensors")
    lora(one / "only-a-lora.safetensors")
    lora(one / "loras" / "only.safetensors")  # of another kind
    checkpoint(one / "sdxl" / "base.safetensors", fill=b"1")
    checkpoint(one / "sd15" / "base.safetensors", fill=b"2")
    checkpoint(one / "twin.safetensors", fill=b"3")
    checkpoint(two / "twin.safetensors", fill=b"4")
    models = LocalModels(settings(tmp_path, one, two))
    assert names(models) == {
        ("diffusion", "only"),
        ("lora", "only-a-lora"),
        ("lora", "only"),
        ("diffusion", "sdxl/base"),
        ("diffusion", "sd15/base"),
        ("diffusion", "one/twin"),
        ("diffusion", "two/twin"),
    }
    for name, path in models.paths("diffusion").items():
        found = models.find("diffusion", name)
        assert found is not None
        assert found.place.path == path
    file = models.find("diffusion", "only.safetensors")
    assert file is not None
    assert file.place.path == one / "only.safetensors"
    assert models.find("vae", "only") is None


def test_a_name_that_may_mean_several_is_reported_with_all_of_them(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a" / "sdxl" / "base.safetensors", fill=b"1")
    checkpoint(tmp_path / "a" / "sd15" / "base.safetensors", fill=b"2")
    models = LocalModels(settings(tmp_path, tmp_path / "a"))
    message = r"'base' may mean 2 models: sd15/base, sdxl/base\. Name"
    with pytest.raises(ModelError, match=message) as refused:
        models.find("diffusion", "base")
    assert str(tmp_path) not in str(refused.value)


def test_the_same_name_with_other_endings_is_told_apart_by_them(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a" / "checkpoints" / "base.safetensors")
    (tmp_path / "a" / "checkpoints" / "base.ckpt").write_bytes(b"x")
    models = LocalModels(settings(tmp_path, tmp_path / "a"))
    assert set(models.names("diffusion")) == {"base.ckpt", "base.safetensors"}


def test_links_to_one_file_are_one_model(tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "a" / "base.safetensors")
    (tmp_path / "b").mkdir()
    os.link(file, tmp_path / "b" / "base.safetensors")
    (tmp_path / "b" / "soft.safetensors").symlink_to(file)
    models = LocalModels(settings(tmp_path, tmp_path / "a", tmp_path / "b"))
    assert models.names("diffusion") == ("base",)


def test_folders_of_the_same_name_are_numbered(tmp_path: Path) -> None:
    for index, folder in enumerate(("x/models", "y/models")):
        checkpoint(tmp_path / folder / "base.safetensors", fill=bytes([index]))
    models = LocalModels(settings(tmp_path, tmp_path / "x/models", tmp_path / "y/models"))
    assert set(models.names("diffusion")) == {"models/base", "models-2/base"}


def test_new_models_are_found_at_once_and_headers_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    checkpoint(folder / "base.safetensors")
    models = LocalModels(settings(tmp_path, folder))
    assert models.names("diffusion") == ("base",)
    read: list[str] = []

    def counting(place: Place, *, allow_pickle: bool) -> Identity:
        read.append(place.name)
        return identify(place, allow_pickle=allow_pickle)

    monkeypatch.setattr(lookup_module, "identify", counting)
    checkpoint(folder / "new.safetensors", fill=b"1")
    assert models.names("diffusion") == ("base", "new")
    # Another process would read no header at all.
    assert LocalModels(models.settings).names("diffusion") == ("base", "new")
    assert read == ["new"]
    (folder / "base.safetensors").unlink()
    assert models.names("diffusion") == ("new",)


def test_what_older_versions_remembered_is_told_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "a" / "base.safetensors")
    chosen = settings(tmp_path, tmp_path / "a")
    FileMemory.of_user().remember(
        tmp_path / "a" / "base.safetensors",
        FileStamp.of(tmp_path / "a" / "base.safetensors"),
        lookup_module._FACT,
        '{"kind": "diffusion"}',
    )
    (found,) = LocalModels(chosen).models()
    assert found.identity.class_name == "StableDiffusionPipeline"


def test_without_settings_there_is_nothing() -> None:
    assert LocalModels().models() == ()
    assert LocalModels().find("diffusion", "anything") is None


def test_engines_take_short_names(tmp_path: Path) -> None:
    folder = tmp_path / "webui"
    safetensors(
        folder / "models" / "Lora" / "styles" / "ink.safetensors", {"a.lora_up.weight": (4,)}
    )
    model = folder / "models" / "Stable-diffusion" / "mine"
    diffusers_folder(model, "StableDiffusionPipeline")
    engines = build_engines(settings(tmp_path, folder))
    assert "mine" in engines.diffusion.models()
    assert "ink" in engines.diffusion.loras()
    info = engines.diffusion.describe("mine")
    assert (info.name, info.family.name) == ("mine", "Stable Diffusion")
    assert len(engines.diffusion.lora_hash("mine", "ink")) == 64
    with pytest.raises(InputError, match="no LoRA is called 'inc'"):
        engines.diffusion.lora_hash("mine", "inc")


@needs_builtin
def test_detectors_and_upscalers_are_taken_by_short_names(tmp_path: Path) -> None:
    folder = tmp_path / "comfy"
    for source, target in (
        ("detector/detector.onnx", "ultralytics/bbox/scenes.onnx"),
        ("upscaler/x2.onnx", "upscale_models/double.onnx"),
    ):
        (folder / target).parent.mkdir(parents=True)
        (folder / target).write_bytes((builtin.ROOT / source).read_bytes())
    (folder / "ultralytics" / "bbox" / "hand.pt").write_bytes(b"pickled")
    engines = build_engines(settings(tmp_path, folder))
    assert engines.detection.models() == ("detector", "scenes")
    assert engines.detection.labels("scenes") == engines.detection.labels("detector")
    assert engines.upscaling.models() == ("2x", "4x", "double")
    assert engines.upscaling.scale("double") == 2
    with pytest.raises(ModelError, match=r"yolo export model=hand\.pt"):
        engines.detection.labels("hand")


def test_a_name_that_means_several_fails_the_check_of_a_config(tmp_path: Path) -> None:
    checkpoint(tmp_path / "a" / "x" / "base.safetensors", fill=b"1")
    checkpoint(tmp_path / "a" / "y" / "base.safetensors", fill=b"2")
    engines = build_engines(settings(tmp_path, tmp_path / "a"))
    assert set(engines.diffusion.models()) >= {"x/base", "y/base"}
    with pytest.raises(ModelError, match="may mean 2 models: x/base, y/base"):
        engines.diffusion.check("base")


def test_a_short_name_goes_to_the_engine_that_reads_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "comfy" / "models"
    safetensors(folder / "upscale_models" / "soft.safetensors", {"conv_first.weight": (4, 3, 3, 3)})
    detector = folder / "detectors" / "find"
    safetensors(detector / "model.safetensors", {"x": (2, 2)})
    (detector / "config.json").write_text('{"architectures": ["RTDetrForObjectDetection"]}')
    engines = build_engines(settings(tmp_path, tmp_path / "comfy")).engines
    accepting = {
        name: [engine.name for engine in engines[kind] if engine.accepts(name)]
        for kind, name in ((UPSCALING, "soft"), (DETECTION, "find"))
    }
    assert accepting == {"soft": ["spandrel_upscaling"], "find": ["transformers_detection"]}


def test_endings_in_capitals_are_endings(tmp_path: Path) -> None:
    folder, loras = tmp_path / "models", tmp_path / "own-loras"
    shouted = checkpoint(folder / "Stable-diffusion" / "shouted.SAFETENSORS")
    mixed = lora(loras / "Mixed.SafeTensors")
    models = LocalModels(settings(tmp_path, folder))
    assert names(models) == {("diffusion", "shouted"), ("lora", "Mixed")}
    for text in ("shouted", "shouted.SAFETENSORS"):
        found = models.find("diffusion", text)
        assert found is not None
        assert found.place.path == shouted
        assert not found.identity.problem
    engines = build_engines(settings(tmp_path, folder))
    assert "shouted" in engines.diffusion.models()
    with pytest.raises(ModelError, match=r"shouted\.SAFETENSORS: its unet"):
        engines.diffusion.describe(str(shouted))  # which is no real one
    assert engines.diffusion.lora_hash("poster", "Mixed") == lora_hash(mixed)


def test_what_is_no_file_is_neither_opened_nor_listed(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for, for ever."""
    folder, loras = tmp_path / "models", tmp_path / "own-loras"
    for place in (folder / "Stable-diffusion", loras):
        place.mkdir(parents=True)
        os.mkfifo(place / "pipe.safetensors")
        (place / "folder.safetensors").mkdir()
    kept = checkpoint(folder / "Stable-diffusion" / "kept.safetensors")
    for beside in ("kept.json", "kept.civitai.info", "README.md"):
        os.mkfifo(kept.with_name(beside))
    engines = build_engines(settings(tmp_path, folder))
    assert names(engines.local_models) == {("diffusion", "kept")}
    assert not {"pipe", "folder"} & {*engines.diffusion.loras()}
    pipe = kept.with_name("pipe.safetensors")
    refused = r"pipe\.safetensors is a pipe, socket or device"
    with pytest.raises(ModelError, match=refused):
        engines.diffusion.describe(str(pipe))
    for read in (read_header, read_safetensors, read_sha256):
        with pytest.raises(ModelError, match=refused):
            read(pipe)


def test_names_hold_nothing_that_moves_the_cursor(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    checkpoint(folder / "two\nlines.safetensors", fill=b"1")
    checkpoint(folder / "\x1b[31mred ünï.safetensors", fill=b"2")
    models = LocalModels(settings(tmp_path, folder))
    shown = {"two\N{REPLACEMENT CHARACTER}lines", "\N{REPLACEMENT CHARACTER}[31mred ünï"}
    assert names(models) == {("diffusion", name) for name in shown}
    assert all(models.find("diffusion", name) is not None for name in shown)


def test_a_name_may_hold_what_stands_before_components(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    path = checkpoint(folder / "day|night.safetensors")
    engines = build_engines(settings(tmp_path, folder))
    for name in ("day|night", "day|night.safetensors", str(path)):
        assert engines.diffusion.accepts(name)
        with pytest.raises(ModelError, match=r"day\|night\.safetensors: its unet"):
            engines.diffusion.describe(name)  # which is no real one


def test_what_is_no_pickle_is_not_said_to_need_unpickling(tmp_path: Path) -> None:
    """Of random bytes torch says the same as of code."""
    (tmp_path / "noise.ckpt").write_bytes(bytes(range(123, 256)) * 20)
    with pytest.raises(ModelError, match=r"noise\.ckpt is damaged, cut short, or no file of torch"):
        read_header(tmp_path / "noise.ckpt")
    (tmp_path / "code.ckpt").write_bytes(pickle.dumps(Path("x"), protocol=2))
    with pytest.raises(ModelError, match=r"code\.ckpt holds more than tensors"):
        read_header(tmp_path / "code.ckpt")
