from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_models import NAMES, build_tiny, tiny_model


def test_the_same_name_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tiny_model("sd15", tmp_path / "a"), tiny_model("sd15", tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert Path("unet/diffusion_pytorch_model.safetensors") in files
    for file in files:
        if file.name != "model_index.json":
            assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_the_fixture_saves_each_once(tiny_models: Callable[[str], Path]) -> None:
    assert tiny_models("flux") == tiny_models("flux")
    index = json.loads((tiny_models("flux") / "model_index.json").read_text())
    assert index["_class_name"] == "FluxPipeline"


@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_no_weight_is_left_as_fresh_layers_start(name: str) -> None:
    import torch

    for part in build_tiny(name).components.values():
        if isinstance(part, torch.nn.Module):
            for weight in part.parameters():
                assert weight.numel() == 1 or weight.min() < weight.max()


def test_models_are_named_by_their_factories() -> None:
    assert {"sd15", "sdxl", "sd3", "flux"} <= NAMES
