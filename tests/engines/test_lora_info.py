"""A LoRA's header tells what it is for, and one for another family is refused by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ninefold.core.errors import ModelError
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import family_of_class
from ninefold.engines.loras import check_fit, identify_lora
from ninefold.engines.loras.blocks import block_weight, block_weights
from ninefold.engines.weight_headers import WeightsHeader, read_safetensors

CROSS = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def write(path: Path, shapes: dict[str, tuple[int, ...]], **metadata: str) -> Path:
    arrays: dict[str, Any] = {key: np.zeros(shape, np.float16) for key, shape in shapes.items()}
    save_file(arrays, path, metadata or None)
    return path


def lora(name: str, ins: int, outs: int = 320, rank: int = 4) -> dict[str, tuple[int, ...]]:
    return {f"{name}.lora_down.weight": (rank, ins), f"{name}.lora_up.weight": (outs, rank)}


@pytest.mark.parametrize(
    ("shapes", "metadata", "base", "form", "rank"),
    [
        (lora(CROSS, 768), {}, "Stable Diffusion 1", "LoRA", 4),
        (lora(CROSS, 1024), {}, "Stable Diffusion 2", "LoRA", 4),
        (lora(CROSS, 2048, rank=8), {}, "SDXL", "LoRA", 8),
        (lora("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280), {}, "SDXL", "LoRA", 4),
        (lora("lora_unet_double_blocks_0_img_attn_qkv", 3072), {}, "FLUX.1", "LoRA", 4),
        (
            {"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (16, 3072)},
            {},
            "FLUX.1",
            "LoRA",
            16,
        ),
        (
            {"diffusion_model.transformer_blocks.0.img_mlp.net.2.lora_A.weight": (16, 3072)},
            {},
            "Qwen-Image",
            "LoRA",
            16,
        ),
        (
            lora("lora_unet_joint_blocks_0_x_block_attn_qkv", 1536),
            {},
            "Stable Diffusion 3",
            "LoRA",
            4,
        ),
        (
            lora("x", 8),
            {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"},
            "SDXL",
            "LoRA",
            4,
        ),
        (lora("x", 8), {"ss_base_model_version": "sd_v1"}, "Stable Diffusion 1", "LoRA", 4),
        (lora("x", 8), {"ss_base_model_version": "sd3m"}, "Stable Diffusion 3", "LoRA", 4),
        (lora("x", 8), {"ss_base_model_version": "flux1"}, "FLUX.1", "LoRA", 4),
        (lora("x", 8), {"modelspec.architecture": "flux-2-dev/lora"}, "FLUX.2", "LoRA", 4),
        (lora("x", 8), {}, "", "LoRA", 4),
        (
            {f"{CROSS}.hada_w1_a": (320, 6), f"{CROSS}.hada_w1_b": (6, 768)},
            {},
            "Stable Diffusion 1",
            "LoHa",
            6,
        ),
        ({"lycoris_x.lokr_w1": (4, 4), "lycoris_x.lokr_w2_b": (5, 8)}, {}, "", "LoKr", 5),
        (
            {**lora(CROSS, 768), f"{CROSS}.dora_scale": (320, 1)},
            {},
            "Stable Diffusion 1",
            "DoRA",
            4,
        ),
        ({"lora_unet_conv.lora_down.weight": (4, 8, 3, 3)}, {}, "", "LoCon", 4),
        ({"lora_unet_x.oft_blocks": (4, 8, 8)}, {}, "", "OFT", 0),
    ],
)
def test_a_header_tells_family_form_and_rank(
    shapes: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
    base: str,
    form: str,
    rank: int,
    tmp_path: Path,
) -> None:
    found = identify_lora(write(tmp_path / "own.safetensors", shapes, **metadata))
    assert (found.base, found.format, found.rank) == (base, form, rank)


@pytest.mark.parametrize(
    ("layers", "base"),
    [
        (["layers.0.attn.to_q", "context_refiner.0.attn.to_q"], "Lumina 2"),
        (["layers.0.attention.to_q", "noise_refiner.0.attention.to_k"], "Z-Image"),
        (["single_transformer_blocks.0.attn.to_q", "joint_transformer_blocks.0.ff.x"], "AuraFlow"),
        (["single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_q"], "FLUX.1"),
        (["double_stream_blocks.0.block.attn1.to_q"], "HiDream-I1"),
        (["layers.0.attention.qkv"], ""),
    ],
)
def test_layers_that_one_family_has_alone_tell_it(
    layers: list[str], base: str, tmp_path: Path
) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        f"transformer.{layer}.lora_A.weight": (4, 64) for layer in layers
    }
    assert identify_lora(write(tmp_path / "own.safetensors", shapes)).base == base


def test_whether_it_changes_text_encoders_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    write(path, lora(CROSS, 768))
    assert not identify_lora(path).text_encoders
    write(path, lora("lora_te_x", 768))
    assert identify_lora(path).text_encoders


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable safetensors file"),
        (b"\x80\x04\x95pickled", "not a readable safetensors file"),
        (b"PK\x03\x04" + b"\0" * 60, "not a readable safetensors file"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        identify_lora(path)


def test_a_file_that_is_cut_short_and_one_that_is_no_lora_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "own.safetensors", lora(CROSS, 768))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        identify_lora(path)
    write(path, {"model.diffusion_model.input_blocks.0.0.weight": (4, 4)})
    with pytest.raises(ModelError, match=r"own\.safetensors is no LoRA: none of its 1 tensors"):
        identify_lora(path)


@pytest.mark.parametrize(
    ("pipeline", "width", "refused"),
    [
        ("StableDiffusionPipeline", 768, ""),
        ("StableDiffusionPipeline", 2048, "is for SDXL, and it is of the family Stable Diffusion"),
        (
            "StableDiffusionXLPipeline",
            768,
            "is for Stable Diffusion 1, and it is of the family SDXL",
        ),
        ("KolorsPipeline", 2048, ""),
        ("FluxPipeline", 768, "is for Stable Diffusion 1, and it is of the family FLUX.1"),
        ("FluxKontextPipeline", 768, "is for Stable Diffusion 1, and it is of the family FLUX.1 K"),
        ("LatentConsistencyModelPipeline", 768, ""),
        ("KandinskyV22CombinedPipeline", 768, ""),
    ],
)
def test_one_for_another_family_is_refused_in_one_line(
    pipeline: str, width: int, refused: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "own.safetensors", lora(CROSS, width))
    model = ModelInfo("it", "", (512, 512), 8, 1024, 1, 1.0, "", family=family_of_class(pipeline))
    if not refused:
        check_fit("own", path, model)
        return
    with pytest.raises(ModelError, match=refused) as error:
        check_fit("own", path, model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "layer", "weight"),
    [
        ("OUTALL", "up_blocks.1.attentions.0.proj_in", 1.0),
        ("OUTALL", "down_blocks.0.attentions.0.proj_in", 0.0),
        ("OUTD", "up_blocks.1.attentions.2.proj_in", 1.0),
        ("OUTD", "up_blocks.3.attentions.0.proj_in", 0.0),
        ("INS", "down_blocks.0.attentions.1.proj_in", 1.0),
        ("MIDD", "mid_block.attentions.0.proj_in", 1.0),
        ("all0.5", "mid_block.attentions.0.proj_in", 0.5),
        (
            ",".join(map(str, range(20)))[: -len(",10,11,12,13,14,15,16,17,18,19")] + ",1" * 10,
            "conv_in",
            1.0,
        ),
        ("1" + ",0" * 24 + ",7", "up_blocks.3.attentions.2.proj_in", 7.0),
        ("1" + ",0" * 3 + ",3" + ",0" * 21, "down_blocks.0.downsamplers.0.conv", 3.0),
        ("1" + ",0" * 15 + ",5" + ",0" * 9, "up_blocks.0.upsamplers.0.conv", 5.0),
    ],
)
def test_blocks_are_those_of_the_webui(written: str, layer: str, weight: float) -> None:
    assert block_weight(block_weights(written, "x"), "unet", layer) == weight


def test_the_first_number_is_the_text_encoders() -> None:
    values = block_weights("0.3" + ",1" * 16, "x")
    assert block_weight(values, "text_encoder", "encoder.layers.0.mlp.fc1") == 0.3


def test_a_header_is_read_once_until_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def watched(path: Path) -> WeightsHeader:
        read.append(path)
        return read_safetensors(path)

    monkeypatch.setattr("ninefold.engines.loras.identify.read_safetensors", watched)
    path = write(tmp_path / "it.safetensors", lora(CROSS, 768))
    assert identify_lora(path) == identify_lora(path)
    assert identify_lora(path).base == "Stable Diffusion 1"
    assert read == [path]
    write(path, lora(CROSS, 2048, rank=8))
    assert identify_lora(path).base == "SDXL"
    path.unlink()
    with pytest.raises(ModelError, match="it\\.safetensors"):
        identify_lora(path)
