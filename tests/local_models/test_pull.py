"""Models fetched from a hub on this machine: which files, under which name, and gone again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.defaults import build_engines
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.local_models.maintenance import remove_model, verify_models
from ninefold.engines.local_models.pull import pull_model
from ninefold.engines.references import HubName
from ninefold.engines.settings import EngineSettings
from tests.hub_server import Hub, Repository
from tests.local_models.conftest import checkpoint, diffusers_folder, lora, safetensors


@pytest.fixture
def models(tmp_path: Path) -> LocalModels:
    return LocalModels(EngineSettings(library=tmp_path / "library", loras=tmp_path / "loras"))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def diffusers_repository(tmp_path: Path) -> Repository:
    """As models are shipped: two precisions, pickled twins, pictures, a single file of all."""
    folder = diffusers_folder(tmp_path / "source" / "model", "StableDiffusionPipeline")
    for part in ("unet", "vae"):
        safetensors(folder / part / "diffusion_pytorch_model.fp16.safetensors", {"a": (2, 3)})
        (folder / part / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    checkpoint(folder / "whole.safetensors")
    (folder / "picture.png").write_bytes(b"png")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return Repository(content(folder))


def test_of_a_diffusers_model_one_precision_comes(
    hub: Hub, models: LocalModels, tmp_path: Path
) -> None:
    hub.repositories["owner/model"] = diffusers_repository(tmp_path)
    (entry,) = pull_model(models, HubName("owner/model"))
    assert set(entry.files) == {
        "model_index.json",
        "README.md",
        "scheduler/scheduler_config.json",
        *(f"{part}/config.json" for part in ("unet", "vae")),
        *(f"{part}/diffusion_pytorch_model.fp16.safetensors" for part in ("unet", "vae")),
    }
    assert set(content(entry.path)) == set(entry.files)
    found = models.find("diffusion", "owner/model")
    assert found is not None
    assert found.identity.card.license == "mit"
    assert models.settings is not None
    info = build_engines(models.settings).diffusion.describe("owner/model")
    assert (info.name, info.family.name) == ("owner/model", "Stable Diffusion")
    assert all(item.state == "whole" for item in verify_models(models))


def test_a_variant_that_is_asked_for_comes(hub: Hub, models: LocalModels, tmp_path: Path) -> None:
    hub.repositories["owner/model"] = diffusers_repository(tmp_path)
    (entry,) = pull_model(models, HubName("owner/model", variant="fp32"))
    assert entry.name == "owner/model"


def test_a_file_that_is_asked_for_comes_alone(
    hub: Hub, models: LocalModels, tmp_path: Path
) -> None:
    hub.repositories["owner/model"] = diffusers_repository(tmp_path)
    (entry,) = pull_model(models, HubName("owner/model"), files=["whole.safetensors"])
    assert (entry.name, entry.kind, set(entry.files)) == ("whole", "diffusion", {""})
    assert models.find("diffusion", "whole") is not None
    with pytest.raises(ModelError, match=r"no file 'hole.safetensors'. Did you mean"):
        pull_model(models, HubName("owner/model"), files=["hole.safetensors"])
    with pytest.raises(ModelError, match="needs unpickling"):
        pull_model(models, HubName("owner/model"), files=["vae/diffusion_pytorch_model.bin"])


def test_a_network_of_its_own(hub: Hub, models: LocalModels, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    safetensors(folder / "diffusion_pytorch_model.safetensors", {"a": (1,)})
    safetensors(folder / "diffusion_pytorch_model.fp16.safetensors", {"a": (1,)})
    (folder / "config.json").write_text(json.dumps({"_class_name": "ControlNetModel"}))
    hub.repositories["owner/canny"] = Repository(content(folder))
    (entry,) = pull_model(models, HubName("owner/canny"))
    assert entry.kind == "control"
    assert set(entry.files) == {"config.json", "diffusion_pytorch_model.fp16.safetensors"}


def test_a_lora_of_peft(hub: Hub, models: LocalModels, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    safetensors(folder / "adapter_model.safetensors", {"a.lora_A.weight": (4, 4)})
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4}))
    hub.repositories["owner/lora"] = Repository(content(folder))
    (entry,) = pull_model(models, HubName("owner/lora"))
    assert (entry.kind, entry.name) == ("lora", "owner/lora")


def test_of_several_files_one_has_to_be_chosen(
    hub: Hub, models: LocalModels, tmp_path: Path
) -> None:
    lora(tmp_path / "source" / "ink.safetensors")
    hub.repositories["owner/loras"] = Repository(content(tmp_path / "source"))
    (entry,) = pull_model(models, HubName("owner/loras"))
    assert (entry.name, entry.kind) == ("ink", "lora")
    hub.repositories["owner/loras"].files["pen.safetensors"] = b"x"
    with pytest.raises(ModelError, match=r"holds 2 models: ink\.safetensors .*Choose with --file"):
        pull_model(models, HubName("owner/loras"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model.pt": b"x"}, r"pickled alone \(model\.pt\)"),
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, r"pickled alone"),
        ({"README.md": b"x"}, r"holds no weights that are read here; it has README\.md"),
    ],
)
def test_what_cannot_be_used_is_not_fetched(
    hub: Hub, models: LocalModels, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    hub.repositories["owner/other"] = Repository(files)
    with pytest.raises(ModelError, match=message):
        pull_model(models, HubName("owner/other"))
    assert models.models() == ()


def test_removing_leaves_what_others_use(hub: Hub, models: LocalModels, tmp_path: Path) -> None:
    hub.repositories["owner/model"] = diffusers_repository(tmp_path)
    pull_model(models, HubName("owner/model"))
    pull_model(models, HubName("owner/model"), files=["whole.safetensors"])
    pull_model(models, HubName("owner/model"), files=["README.md"])
    cache = tmp_path / "hub" / "models--owner--model"
    snapshot = cache / "snapshots" / ("a" * 40)
    remove_model(models, "owner/model")
    assert set(content(snapshot)) == {"whole.safetensors", "README.md"}
    assert models.names("diffusion") == ("whole",)
    remove_model(models, "whole")
    remove_model(models, "README")
    assert not cache.exists()


def test_removing_leaves_other_revisions(hub: Hub, models: LocalModels, tmp_path: Path) -> None:
    repository = diffusers_repository(tmp_path)
    hub.repositories["owner/model"] = repository
    pull_model(models, HubName("owner/model"))
    repository.commit = "b" * 40
    repository.revisions["v2"] = "b" * 40
    (entry,) = pull_model(models, HubName("owner/model", "v2"))
    assert entry.name == "owner/model@v2"
    remove_model(models, "owner/model@v2")
    assert models.names("diffusion") == ("owner/model",)
    assert all(item.state == "whole" for item in verify_models(models))
    refs = {path.name for path in (tmp_path / "hub" / "models--owner--model" / "refs").iterdir()}
    assert refs == {"main"}


def test_what_was_cut_is_no_model_until_it_is_whole(
    hub: Hub, models: LocalModels, tmp_path: Path
) -> None:
    checkpoint(tmp_path / "source" / "big.safetensors")
    hub.repositories["owner/big"] = Repository(content(tmp_path / "source"))
    hub.cuts["big.safetensors"] = [500] + [0] * 5
    with pytest.raises(ModelError, match="kept"):
        pull_model(models, HubName("owner/big"))
    assert models.models() == ()
    (entry,) = pull_model(models, HubName("owner/big"))
    assert hub.asked("big.safetensors")[-1] == "bytes=500-"
    assert entry.path.read_bytes() == (tmp_path / "source" / "big.safetensors").read_bytes()
