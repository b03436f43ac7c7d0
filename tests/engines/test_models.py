from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.checks import nearest_sizes
from ninefold.engines.hashing import file_sha256, lora_hash, weights_hash
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
from ninefold.engines.settings import EngineSettings

from .conftest import needs_builtin

SETTINGS = EngineSettings(device="cpu")


#: A tensor without numbers, in a header.
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def safetensors(path: Path, header: dict[str, Any], body: bytes = b"weights") -> Path:
    content = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content + body)
    return path


def test_a_file_is_hashed_as_automatic1111_does(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "model.safetensors", {})
    assert weights_hash([path], tmp_path) == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"changed")
    assert file_sha256(path) == hashlib.sha256(b"changed").hexdigest()


def test_a_folder_is_hashed_whatever_the_order(tmp_path: Path) -> None:
    files = [safetensors(tmp_path / f"{name}.safetensors", {}, name.encode()) for name in "ab"]
    assert weights_hash(files, tmp_path) == weights_hash(files[::-1], tmp_path)


def test_loras_are_hashed_by_header_or_body(tmp_path: Path) -> None:
    tensor = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
    plain = safetensors(tmp_path / "a.safetensors", {"a": tensor}, b"body")
    assert lora_hash(plain) == hashlib.sha256(b"body").hexdigest()
    header = {"__metadata__": {"sshs_model_hash": "abcdef0123456789"}}
    assert lora_hash(safetensors(tmp_path / "b.safetensors", header, b"")) == "abcdef0123456789"
    for other in ("too short", "/home/jane/not a hash", "ab" * 40):
        header = {"__metadata__": {"sshs_model_hash": other}}
        path = safetensors(tmp_path / f"{len(other)}.safetensors", header, b"")
        assert lora_hash(path) == hashlib.sha256(b"").hexdigest(), other
    (tmp_path / "c.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="safetensors"):
        lora_hash(tmp_path / "c.safetensors")
    cut = safetensors(tmp_path / "d.safetensors", {"a": tensor}, b"bo")
    with pytest.raises(ModelError, match=r"d\.safetensors is not a readable.*Download"):
        lora_hash(cut)


def test_a_missing_built_in_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing.*Reinstall"):
        resolve("poster", SETTINGS, tmp_path)


@needs_builtin
def test_the_built_in_model_says_what_it_knows() -> None:
    info = describe(resolve("poster", SETTINGS))
    assert info.native_size == (256, 256)
    assert "house" in info.words
    assert info.examples
    assert info.hint


def test_a_folder_without_a_sidecar_is_described_by_its_configs(tiny_folder: Path) -> None:
    info = describe(resolve(str(tiny_folder), SETTINGS))
    assert (info.name, info.native_size, info.size_multiple) == ("tiny", (64, 64), 4)
    assert info.words == frozenset()
    assert (info.steps, info.guidance_scale) == (30, 7.5)


def test_a_sidecar_wins(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(tiny_folder, folder)
    (folder / "ninefold.json").write_text('{"native_size": [96, 64], "default": {"steps": 5}}')
    info = describe(resolve(str(folder), SETTINGS))
    assert (info.native_size, info.steps) == ((96, 64), 5)
    (folder / "ninefold.json").write_text("{")
    with pytest.raises(ModelError, match=r"ninefold\.json"):
        describe(resolve(str(folder), SETTINGS))


def test_a_hub_model_that_is_not_cached_says_how_to_allow_the_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"pull nobody/nothing.*NINEFOLD_ALLOW_DOWNLOAD=1"):
        resolve("nobody/nothing", SETTINGS)


def test_a_folder_that_is_no_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model_index\.json"):
        resolve(str(tmp_path), SETTINGS)
    (tmp_path / "model_index.json").write_text('{"_class_name": ["pipeline", "Own"]}')
    with pytest.raises(ModelError, match="code of its own"):
        resolve(str(tmp_path), SETTINGS)


def test_nearest_sizes_are_multiples_in_range(tiny_folder: Path) -> None:
    info = describe(resolve(str(tiny_folder), SETTINGS))
    assert nearest_sizes(62, info) == (60, 64)
    assert nearest_sizes(64, info) == (64,)
    assert nearest_sizes(1, info) == (16,)
    assert nearest_sizes(9999, info) == (256,)
