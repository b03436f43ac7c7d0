"""What a model is recognised as by its header, its configs and what lies beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from ninefold.engines.local_models.identity import Identity, identify
from ninefold.engines.local_models.places import Kind, Place
from tests.local_models.conftest import (
    CHECKPOINT,
    LORA,
    checkpoint,
    diffusers_folder,
    lora,
    safetensors,
)


def identified(path: Path, hint: Kind | None = None) -> Identity:
    found = identify(Place(path, path.stem, "test", hint))
    assert Identity.from_json(found.to_json()) == found
    return found


KINDS: Mapping[str, tuple[Kind, Mapping[str, tuple[int, ...]]]] = {
    "checkpoint": ("diffusion", CHECKPOINT),
    "flux of ComfyUI": ("diffusion", {"double_blocks.0.img_attn.qkv.weight": (9, 3)}),
    "transformer of diffusers": (
        "diffusion",
        {
            "single_transformer_blocks.0.attn.to_q.weight": (3, 3),
            "time_text_embed.text_embedder.linear_1.weight": (3, 3),
        },
    ),
    "lora of kohya": ("lora", LORA),
    "lora of diffusers": (
        "lora",
        {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": (4, 64)},
    ),
    "lora of peft": ("lora", {"base_model.model.blocks.0.attn.to_q.lora_B.weight": (64, 4)}),
    "loha": ("lora", {"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": (4, 4)}),
    "lokr": ("lora", {"lycoris_single_blocks_0_linear1.lokr_w1": (4, 4)}),
    "dora": ("lora", {"lora_te_text_model_encoder_layers_0_mlp_fc1.dora_scale": (4, 1)}),
    "old lora of diffusers": (
        "lora",
        {
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight": (
                4,
            )
        },
    ),
    "controlnet of A1111": (
        "control",
        {
            "control_model.zero_convs.0.0.weight": (4, 4),
            "control_model.input_blocks.0.0.weight": (4,),
        },
    ),
    "controlnet of diffusers": (
        "control",
        {"controlnet_cond_embedding.conv_in.weight": (4,), "down_blocks.0.a.weight": (4,)},
    ),
    "controlnet of flux": (
        "control",
        {"controlnet_blocks.0.weight": (4,), "transformer_blocks.0.a.weight": (4,)},
    ),
    "t2i adapter": ("control", {"body.0.block1.weight": (4, 4, 3, 3)}),
    "ip adapter": (
        "control",
        {"image_proj.proj.weight": (4, 4), "ip_adapter.1.to_k_ip.weight": (4,)},
    ),
    "vae": ("vae", {"encoder.down.0.block.0.conv1.weight": (4,), "decoder.conv_in.weight": (4,)}),
    "vae of diffusers": ("vae", {"decoder.up_blocks.0.resnets.0.conv1.weight": (4,)}),
    "clip": ("text_encoder", {"text_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}),
    "t5": ("text_encoder", {"encoder.block.0.layer.0.SelfAttention.q.weight": (4, 4)}),
    "open clip": ("text_encoder", {"transformer.resblocks.0.attn.in_proj_weight": (4, 4)}),
    "language model": ("text_encoder", {"model.layers.0.self_attn.q_proj.weight": (4, 4)}),
    "embedding": ("embedding", {"emb_params": (4, 768)}),
    "embedding of SDXL": ("embedding", {"clip_l": (2, 768), "clip_g": (2, 1280)}),
    "embedding of diffusers": ("embedding", {"<cat-toy>": (768,)}),
    "esrgan": ("upscaler", {"model.0.weight": (4,), "model.1.sub.0.RDB1.conv1.0.weight": (4,)}),
    "new esrgan": ("upscaler", {"conv_first.weight": (4,), "body.0.rdb1.conv1.weight": (4,)}),
    "nothing known": ("other", {"something.else": (4, 4)}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_told_by_names_of_tensors(tmp_path: Path, name: str) -> None:
    kind, tensors = KINDS[name]
    found = identified(safetensors(tmp_path / "a.safetensors", tensors))
    assert found.kind == kind
    # Some LoRAs here have fewer tensors than any that a trainer writes.
    assert found.problem == "" or kind == "lora"


def test_the_header_goes_before_the_folder(tmp_path: Path) -> None:
    assert identified(lora(tmp_path / "a.safetensors"), "diffusion").kind == "lora"
    unknown = safetensors(tmp_path / "b.safetensors", {"something.else": (4, 4)})
    assert identified(unknown, "upscaler").kind == "upscaler"


def test_a_checkpoint(tmp_path: Path) -> None:
    found = identified(checkpoint(tmp_path / "a.safetensors"))
    assert found.class_name == "StableDiffusionPipeline"
    assert found.parts == ("unet", "vae", "text_encoder")
    assert (found.precision, found.format) == ("fp16", "safetensors")
    assert found.parameters == 144 + 4 * 768 + 144 + 77
    assert found.size_bytes == (tmp_path / "a.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("dtype", "precision"), [("F32", "fp32"), ("BF16", "bf16"), ("F8_E4M3", "fp8")]
)
def test_precision_is_that_of_most_numbers(tmp_path: Path, dtype: str, precision: str) -> None:
    file = safetensors(tmp_path / "a.safetensors", CHECKPOINT, dtype=dtype)
    assert identified(file).precision == precision


def test_a_network_of_no_family_that_is_known_is_told_with_its_problem(tmp_path: Path) -> None:
    found = identified(
        safetensors(tmp_path / "a.safetensors", {"transformer_blocks.0.a.weight": (3, 3)})
    )
    assert found.kind == "diffusion"
    assert "a.safetensors is of no family that ninefold knows by its tensors" in found.problem


def test_the_metadata_of_a_lora(tmp_path: Path) -> None:
    found = identified(
        lora(
            tmp_path / "a.safetensors",
            {
                "modelspec.title": "Ink\x1b[31m drawings",
                "modelspec.author": "somebody",
                "modelspec.license": "CreativeML Open RAIL-M",
                "modelspec.trigger_phrase": "ink drawing, inkstyle",
                "modelspec.prediction_type": "v",
                "ss_network_dim": "4",
                "ss_network_module": "networks.lora",
                "ss_tag_frequency": json.dumps(
                    {"1_a": {"ink drawing": 40, "tree ": 20, "rare": 1}, "2_b": {"ink drawing": 9}}
                ),
            },
        )
    )
    card = found.card
    assert card.title == "Ink [31m drawings"
    assert (card.author, card.license) == ("somebody", "CreativeML Open RAIL-M")
    assert card.triggers == ("ink drawing", "inkstyle")
    assert card.tags == ("ink drawing", "tree")
    assert card.prediction_type == "v_prediction"
    assert found.base == "Stable Diffusion 1"
    assert found.details == {"form": "LoRA", "rank": "4"}


def test_what_extensions_wrote_beside_a_file(tmp_path: Path) -> None:
    file = lora(tmp_path / "a.safetensors")
    (tmp_path / "a.civitai.info").write_text(
        json.dumps({"model": {"name": "Ink"}, "baseModel": "SD 1.5", "trainedWords": ["ink, pen"]})
    )
    (tmp_path / "a.json").write_text(
        json.dumps({"activation text": "paper", "description": "x" * 999})
    )
    card = identified(file).card
    assert (card.title, card.base, card.triggers) == ("Ink", "SD 1.5", ("ink", "pen", "paper"))
    assert len(card.description) == 300


@pytest.mark.parametrize(
    "text", ["[1", "[]", '{"model": 5, "trainedWords": {"a": 1}}', "[" * 99999]
)
def test_what_lies_beside_may_be_anything(tmp_path: Path, text: str) -> None:
    file = lora(tmp_path / "a.safetensors", {"ss_tag_frequency": text})
    (tmp_path / "a.civitai.info").write_text(text)
    (tmp_path / "README.md").write_text(f"---\n{text}\n---\n")
    assert identified(file).card.triggers == ()


def test_the_front_matter_of_a_readme(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "a")
    (folder / "README.md").write_text(
        "---\nlicense: other\nlicense_name: flux-1-dev\nbase_model: owner/base\n---\n\n# A model\n"
    )
    card = identified(folder).card
    assert (card.license, card.base) == ("flux-1-dev", "owner/base")


def test_a_diffusers_folder(tmp_path: Path) -> None:
    found = identified(diffusers_folder(tmp_path / "a"))
    assert (found.kind, found.format) == ("diffusion", "diffusers")
    assert found.class_name == "StableDiffusionXLPipeline"
    assert found.parts == ("unet", "vae", "scheduler")
    assert found.parameters == 12
    assert found.card.prediction_type == "v_prediction"
    assert found.problem == ""


def test_a_class_that_diffusers_does_not_have_is_told_with_its_name(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "a", "HologramPipeline")
    shutil.rmtree(folder / "unet")
    problem = identified(folder).problem
    assert problem.startswith("a asks for the pipeline HologramPipeline, which diffusers")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"_class_name": "ControlNetModel"}, "control"),
        ({"_class_name": "T2IAdapter"}, "control"),
        ({"_class_name": "AutoencoderKL"}, "vae"),
        ({"_class_name": "FluxTransformer2DModel"}, "diffusion"),
        ({"architectures": ["T5EncoderModel"]}, "text_encoder"),
        ({"architectures": ["CLIPTextModelWithProjection"]}, "text_encoder"),
        ({"architectures": ["RTDetrForObjectDetection"], "id2label": {"0": "cat"}}, "detector"),
        ({"architectures": ["GroundingDinoForZeroShotObjectDetection"]}, "detector"),
        ({"architectures": ["SegformerForSemanticSegmentation"]}, "detector"),
        ({"architectures": "no list"}, "other"),
    ],
)
def test_a_network_in_a_folder(tmp_path: Path, config: dict[str, object], kind: Kind) -> None:
    folder = tmp_path / "a"
    safetensors(folder / "model.safetensors", {"x": (2, 2)})
    (folder / "config.json").write_text(json.dumps(config))
    assert identified(folder).kind == kind


def test_a_lora_of_peft(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    safetensors(folder / "adapter_model.safetensors", {"x": (2, 2)})
    (folder / "adapter_config.json").write_text(
        json.dumps({"r": 8, "base_model_name_or_path": "owner/base"})
    )
    found = identified(folder)
    assert (found.kind, found.base, found.details) == ("lora", "owner/base", {"rank": "8"})


@pytest.mark.parametrize(
    ("tensors", "base"),
    [
        ({"emb_params": (4, 768)}, "Stable Diffusion 1"),
        ({"emb_params": (1, 1024)}, "Stable Diffusion 2"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "SDXL"),
    ],
)
def test_the_base_of_an_embedding(
    tmp_path: Path, tensors: Mapping[str, tuple[int, ...]], base: str
) -> None:
    found = identified(safetensors(tmp_path / "a.safetensors", tensors))
    assert found.base == base
    assert found.details == {"tokens": str(next(iter(tensors.values()))[0])}


def test_a_file_that_is_cut_short_or_none_is_told_with_its_problem(tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "a.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    found = identified(file, "diffusion")
    assert found.kind == "diffusion"
    assert "a.safetensors is cut short" in found.problem
    (tmp_path / "b.safetensors").write_bytes(b"<html>")
    assert "b.safetensors is not a readable" in identified(tmp_path / "b.safetensors").problem


def test_pickled_files_are_told_by_their_folder_without_opening_them(tmp_path: Path) -> None:
    file = tmp_path / "face_yolov8n.pt"
    file.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    found = identified(file, "detector")
    assert (found.kind, found.format) == ("detector", "pickle")
    assert "yolo export model=face_yolov8n.pt format=onnx" in found.problem
    assert "pickled" in identified(file).problem


def test_a_folder_without_weights_is_told_with_its_problem(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "a")
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    assert identified(folder).problem == "no weights are there"
    safetensors(folder / "unet" / "model-00001-of-00002.safetensors", {"x": (2, 2)})
    assert "shard 2 of 2 is missing" in identified(folder).problem


@pytest.mark.parametrize("file", ["model_index.json", "scheduler/scheduler_config.json"])
def test_configs_too_deep_to_read_are_no_bug(tmp_path: Path, file: str) -> None:
    folder = diffusers_folder(tmp_path / "a")
    (folder / file).write_text("[" * 99999)
    assert f"{Path(file).name} cannot be read" in identified(folder).problem


def test_a_header_too_deep_to_read_is_no_bug(tmp_path: Path) -> None:
    text = b"[" * 99999
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    assert "its header is damaged" in identified(tmp_path / "a.safetensors").problem


def test_a_lora_of_vectors_is_damaged(tmp_path: Path) -> None:
    found = identified(safetensors(tmp_path / "a.safetensors", dict.fromkeys(LORA, (4,))))
    assert "a.safetensors is a damaged LoRA" in found.problem
    assert "has the shape [4], where a matrix belongs" in found.problem


SHAPES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (4, 0), (1, 2, 3), (1, 1, 1, 1, 1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", KINDS)
def test_shapes_that_no_model_has_are_no_bug(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    kind, tensors = KINDS[name]
    found = identified(safetensors(tmp_path / "a.safetensors", dict.fromkeys(tensors, shape)), kind)
    assert "nothing here expects" not in found.problem
