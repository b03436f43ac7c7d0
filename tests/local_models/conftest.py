"""Tiny files of every kind of model, in the layouts of the tools that people have."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ninefold.engines import hub_download
from tests.hub_server import Hub, Repository, hub_server

#: A time long ago, so that what is read of a file is remembered at once.
LONG_AGO = 1_000_000_000
#: The content of a large file on the hub.
LARGE = bytes(range(256)) * 4000
_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}

CHECKPOINT = {
    "model.diffusion_model.input_blocks.0.0.weight": (4, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 768),
    "first_stage_model.decoder.conv_in.weight": (4, 4, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.position_ids": (1, 77),
}
_LORA_LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
LORA = {
    f"{_LORA_LAYER}.lora_down.weight": (4, 768),
    f"{_LORA_LAYER}.lora_up.weight": (320, 4),
    f"{_LORA_LAYER}.alpha": (1,),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def safetensors(
    path: Path,
    tensors: Mapping[str, tuple[int, ...]],
    *,
    dtype: str = "F16",
    metadata: Mapping[str, str] | None = None,
    fill: bytes = b"\0",
) -> Path:
    """A safetensors file of those shapes."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    at = 0
    for name, shape in tensors.items():
        size = _BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + fill * at)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def checkpoint(path: Path, *, fill: bytes = b"\0") -> Path:
    """A checkpoint of Stable Diffusion 1, as far as its names tell."""
    return safetensors(path, CHECKPOINT, fill=fill)


def lora(path: Path, metadata: Mapping[str, str] | None = None, *, fill: bytes = b"\0") -> Path:
    """A LoRA as kohya's trainer writes it."""
    return safetensors(path, LORA, metadata=metadata, fill=fill)


def diffusers_folder(path: Path, class_name: str = "StableDiffusionXLPipeline") -> Path:
    """A folder in diffusers' layout, with weights of a few bytes."""
    parts = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
    path.mkdir(parents=True)
    index: dict[str, object] = {"_class_name": class_name}
    index |= {name: ["diffusers", of] for name, of in parts.items()}
    index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
    (path / "model_index.json").write_text(json.dumps(index))
    for name, of in parts.items():
        safetensors(path / name / "diffusion_pytorch_model.safetensors", {"a": (2, 3)})
        (path / name / "config.json").write_text(json.dumps({"_class_name": of}))
    (path / "scheduler").mkdir()
    scheduler = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction"}
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository, and an empty cache."""
    from huggingface_hub import constants

    with hub_server() as hub:
        hub.repositories["owner/model"] = Repository(
            {"config.json": b"{}", "unet/weights.safetensors": LARGE, "other.bin": b"x" * 5000}
        )
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub_download, "_PAUSE", 0.0)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")
        yield hub
