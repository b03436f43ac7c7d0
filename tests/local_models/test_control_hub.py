"""Control models of the hub: what of a repository is fetched, and that nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.control_files import DiffusersControlEngine, find_control
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from tests.hub_server import Hub, Repository
from tests.local_models.conftest import safetensors

CONFIG = json.dumps({"_class_name": "ControlNetModel", "cross_attention_dim": 768}).encode()
NAME = "diffusion_pytorch_model"


def settings(folder: Path, *, allow_download: bool = True) -> EngineSettings:
    return EngineSettings(device="cpu", control=folder / "none", allow_download=allow_download)


def weights(folder: Path, **shapes: tuple[int, ...]) -> bytes:
    names = {name.replace("__", "."): shape for name, shape in shapes.items()}
    return safetensors(folder / "made.safetensors", names or {"a": (2,)}).read_bytes()


@pytest.fixture
def network(hub: Hub, tmp_path: Path) -> Repository:
    content = weights(tmp_path)
    files = {f"{NAME}{ending}": content for ending in (".safetensors", ".fp16.safetensors", ".bin")}
    files |= {f"depth/{name}": content for name in files} | {"other.safetensors": content}
    files |= {"config.json": CONFIG, "depth/config.json": CONFIG}
    hub.repositories["owner/net"] = Repository(files, revisions={"v1": "a" * 40})
    return hub.repositories["owner/net"]


def fetched(tmp_path: Path) -> set[str]:
    snapshots = (tmp_path / "hub").glob("models--*/snapshots/*")
    return {
        path.relative_to(snapshot).as_posix()
        for snapshot in snapshots
        for path in snapshot.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("owner/net", {f"{NAME}.fp16.safetensors", "config.json"}),
        ("owner/net:fp32", {f"{NAME}.fp16.safetensors", "config.json"}),
        ("owner/net@v1:fp16", {f"{NAME}.fp16.safetensors", "config.json"}),
        ("owner/net/depth", {f"depth/{NAME}.fp16.safetensors", "depth/config.json"}),
        (f"owner/net/depth/{NAME}", {f"depth/{NAME}.safetensors", "depth/config.json"}),
    ],
)
@pytest.mark.usefixtures("network")
def test_one_precision_is_fetched_and_found_again(
    hub: Hub, tmp_path: Path, reference: str, expected: set[str]
) -> None:
    found = find_control(reference, settings(tmp_path))
    assert found.info.bases == ("StableDiffusion",)
    assert found.name == reference
    assert fetched(tmp_path) == expected
    asked = len(hub.requests)
    again = find_control(reference, settings(tmp_path, allow_download=False))
    assert again.info == found.info
    assert len(hub.requests) == asked


@pytest.mark.usefixtures("network")
def test_nothing_is_asked_for_where_that_is_not_allowed(hub: Hub, tmp_path: Path) -> None:
    for reference in ("owner/net", "owner/net/depth", "owner/net@v1"):
        with pytest.raises(ModelError, match=r"not on this machine.*NINEFOLD_ALLOW_DOWNLOAD=1"):
            find_control(reference, settings(tmp_path, allow_download=False))
    assert hub.requests == []


@pytest.mark.parametrize(
    "reference",
    [
        "owner/net/../../x",
        "owner/net/..",
        "../net",
        "owner/..",
        "owner/net/depth/.",
        "owner/net//",
    ],
)
@pytest.mark.usefixtures("network")
def test_paths_that_lead_elsewhere_are_no_names(hub: Hub, tmp_path: Path, reference: str) -> None:
    chosen = settings(tmp_path)
    assert not DiffusersControlEngine(EngineResources(chosen)).accepts(reference)
    with pytest.raises(ModelError, match="no control model"):
        find_control(reference, chosen)
    assert hub.requests == []


@pytest.mark.usefixtures("network")
def test_what_a_repository_lacks_is_said_with_what_it_has(hub: Hub, tmp_path: Path) -> None:
    for reference, message in {
        "owner/net@v9": "no revision 'v9'",
        "owner/net/canny": r"no such file.*holds .*safetensors",
        f"owner/net/{NAME}.bin": r"expected a \.safetensors file",
        "owner/none": "no such repository",
    }.items():
        with pytest.raises(ModelError, match=message):
            find_control(reference, settings(tmp_path))
    hub.repositories["owner/old"] = Repository({"config.json": CONFIG, f"{NAME}.bin": b"pickle"})
    with pytest.raises(ModelError, match="needs unpickling"):
        find_control("owner/old", settings(tmp_path))
    assert fetched(tmp_path) == set()


def test_an_ip_adapter_comes_with_the_encoder_that_fits_it(hub: Hub, tmp_path: Path) -> None:
    adapter = weights(tmp_path, image_proj__proj__weight=(4, 8), ip__1__to_k_ip__weight=(4, 768))
    files = {"models/style.safetensors": adapter, "models/other.safetensors": adapter}
    for folder, width in (("models", 8), ("sdxl_models", 16)):
        encoder = f"{folder}/image_encoder"
        config = json.dumps({"projection_dim": width, "hidden_size": width * 3}).encode()
        files |= {f"{encoder}/config.json": config, f"{encoder}/pytorch_model.bin": b"pickle"}
        files[f"{encoder}/model.safetensors"] = weights(tmp_path)
    hub.repositories["owner/adapters"] = Repository(files)
    found = find_control("owner/adapters/models/style", settings(tmp_path))
    assert found.info.kind == "ip_adapter"
    assert fetched(tmp_path) == {
        "models/style.safetensors",
        "models/image_encoder/config.json",
        "models/image_encoder/model.safetensors",
        "sdxl_models/image_encoder/config.json",
    }
