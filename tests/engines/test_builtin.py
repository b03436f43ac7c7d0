"""Built-in weights that are not what shipped are refused, with what is wrong and the remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.values import Lora
from ninefold.engines import builtin
from ninefold.engines.loras import find_loras, lora_files
from ninefold.engines.matting import OnnxMattingEngine
from ninefold.engines.models import resolve
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import HAS_BUILTIN

pytestmark = pytest.mark.skipif(not HAS_BUILTIN, reason="the built-in models are not there")

SETTINGS = EngineSettings(device="cpu", threads=1)
GREY = np.full((32, 32, 3), 128, np.uint8)
Damage = Callable[[bytes], bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(builtin.ROOT, tmp_path / "builtin"))


def cut(content: bytes) -> bytes:
    return content[:-100]


def empty(content: bytes) -> bytes:
    return b""


def changed(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def longer(content: bytes) -> bytes:
    return content + b"\0"


def use(root: Path, file: str) -> None:
    """What an engine does with a built-in file before it is run."""
    if file.startswith("poster"):
        resolve("poster", SETTINGS, root)
    elif file.startswith("detector"):
        OnnxDetectionEngine(EngineResources(SETTINGS, root)).detect("detector", GREY, 0.5)
    elif file.startswith("matting"):
        OnnxMattingEngine(EngineResources(SETTINGS, root)).matte("matting", GREY)
    elif file.startswith("upscaler"):
        OnnxUpscaleEngine(EngineResources(SETTINGS, root)).upscale(
            "2x" if "x2" in file else "4x", GREY
        )
    else:
        find_loras([Lora(Path(file).stem)], lora_files(root / "none", root), root)


def weights() -> list[str]:
    kinds = ("*.safetensors", "*.onnx")
    found = [path for kind in kinds for path in builtin.ROOT.rglob(kind)]
    return sorted(path.relative_to(builtin.ROOT).as_posix() for path in found)


@pytest.mark.parametrize("file", weights())
def test_what_ships_passes(root: Path, file: str) -> None:
    use(root, file)


@pytest.mark.parametrize("file", weights())
@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        (cut, "cut short"),
        (empty, "cut short"),
        (changed, "changed, or of another version"),
        (longer, "changed, or of another version"),
    ],
)
def test_damaged_weights_are_refused(root: Path, file: str, damage: Damage, reported: str) -> None:
    path = root / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=rf"{file}.*{reported}.*Reinstall ninefold"):
        use(root, file)


def test_weights_that_change_while_in_use_are_noticed(root: Path) -> None:
    engine = OnnxDetectionEngine(EngineResources(SETTINGS, root))
    engine.detect("detector", GREY, 0.5)
    path = root / "detector" / "detector.onnx"
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(ModelError, match="cut short"):
        engine.detect("detector", GREY, 0.5)


def test_weights_of_another_version_are_refused_by_that_version(root: Path) -> None:
    reported = rewrite(
        root, lambda entry: entry["sha256"].update(dict.fromkeys(entry["sha256"], "0"))
    )
    with pytest.raises(ModelError, match=rf"another version than the {reported} of 'poster'"):
        use(root, "poster/unet")


def rewrite(root: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the poster's entry in models.json; gives its version."""
    index = json.loads((root / "models.json").read_text())
    change(index["poster"])
    (root / "models.json").write_text(json.dumps(index))
    version: str = index["poster"]["version"]
    return version


def test_a_weight_file_that_does_not_ship_is_refused(root: Path) -> None:
    (root / "poster" / "unet" / "more.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="does not ship"):
        use(root, "poster/unet")


@pytest.mark.parametrize("content", ["{", "[]", '{"poster": 1}', '{"poster": {"path": "poster"}}'])
def test_a_damaged_index_is_refused(root: Path, content: str) -> None:
    (root / "models.json").write_text(content)
    with pytest.raises(ModelError, match=r"Reinstall ninefold"):
        use(root, "poster/unet")


def test_a_missing_index_is_refused(root: Path) -> None:
    (root / "models.json").unlink()
    with pytest.raises(ModelError, match=r"models\.json cannot be read.*Reinstall"):
        use(root, "detector/detector.onnx")


def test_files_elsewhere_are_the_users_own(tmp_path: Path, root: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"x")
    builtin.verify(tmp_path / "own.safetensors", root)
