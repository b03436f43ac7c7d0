from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.control import AskedControl, ControlBase, ControlInfo, control_problems
from ninefold.engines.control_files import DiffusersControlEngine, find_control
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.unet_control import unet_control_config
from tests.tiny_models.control import tiny_control, tiny_ip_adapter

XL = ControlBase("StableDiffusionXL", (("cross_attention_dim", 2048),))


def header(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """A file that begins as a safetensors file of these tensors does."""
    entries = {
        name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


def settings(folder: Path) -> EngineSettings:
    return EngineSettings(device="cpu", control=folder)


def info(network: str, base: str, **more: Any) -> ControlInfo:
    kind = "ip_adapter" if network == "IPAdapter" else "controlnet"
    kind = "t2i_adapter" if network == "T2IAdapter" else kind
    return ControlInfo(network.lower(), "0" * 10, kind, network, (base,), **more)  # type: ignore[arg-type]


def test_models_are_listed_by_name_and_told_apart(tmp_path: Path) -> None:
    tiny_control("sd15-controlnet", tmp_path / "canny")
    tiny_control("sdxl-union", tmp_path / "xl" / "union")
    tiny_control("sdxl-t2i", tmp_path / "sketch")
    tiny_ip_adapter("flux", tmp_path / "style")
    (tmp_path / "notes.txt").write_text("no model")
    engine = DiffusersControlEngine(EngineResources(settings(tmp_path)))
    assert engine.models() == ("canny", "sketch", "style/flux-ip", "xl/union")
    known = {name: engine.info(name) for name in engine.models()}
    assert [item.kind for item in known.values()] == [
        "controlnet",
        "t2i_adapter",
        "ip_adapter",
        "controlnet",
    ]
    assert known["canny"].bases == ("StableDiffusion",)
    assert known["xl/union"].bases == ("StableDiffusionXL",)
    assert known["style/flux-ip"].bases == ("Flux",)
    assert {"canny", "tile", "pose"} <= set(known["xl/union"].modes)
    assert len({item.hash for item in known.values()}) == 4
    # The file in the folder is the same model.
    weights = tmp_path / "canny" / "diffusion_pytorch_model.safetensors"
    assert engine.info(str(weights)).hash == known["canny"].hash


@pytest.mark.parametrize(
    ("width", "prefix", "mark", "base"),
    [
        (768, "control_model.", "zero_convs.0.0.weight", "StableDiffusion"),
        (1024, "", "zero_convs.0.0.weight", "StableDiffusion"),
        (2048, "", "controlnet_cond_embedding.conv_in.weight", "StableDiffusionXL"),
    ],
)
def test_a_file_without_a_config_is_told_by_its_tensors(
    tmp_path: Path, width: int, prefix: str, mark: str, base: str
) -> None:
    file = header(
        tmp_path / "net.safetensors",
        {f"{prefix}{mark}": (16, 3, 3, 3), f"{prefix}x.attn2.to_k.weight": (320, width)},
    )
    found = find_control(str(file), settings(tmp_path))
    assert found.info.bases == (base,)
    assert ("cross_attention_dim", width) in found.info.widths


def test_the_config_of_a_file_fits_the_network_that_it_is_for() -> None:
    import diffusers as untyped
    import torch

    diffusers: Any = untyped
    for width, count in ((768, 340), (2048, 844)):
        shapes = {
            "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
            "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, width),
        }
        config = unet_control_config(shapes)
        assert config is not None
        with torch.device("meta"):
            network = diffusers.ControlNetModel.from_config(dict(config))
        assert len(network.state_dict()) == count
        found = network.state_dict()[tuple(shapes)[1]]
        assert tuple(found.shape) == (640, width)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"broken\.safetensors is not a readable safetensors file"),
        (struct.pack("<Q", 1 << 60), "header is too long"),
        (struct.pack("<Q", 40) + b'{"x": ', "readable"),
        (
            struct.pack("<Q", 59) + b'{"x": {"dtype": "F16", "shape": [2], "data_offsets":[0,4]}}',
            "it is cut short",
        ),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "broken.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        find_control("broken", settings(tmp_path))


def test_what_is_no_control_model_is_refused_with_what_would_be(tmp_path: Path) -> None:
    def refused(reference: Any, says: str) -> None:
        with pytest.raises(ModelError, match=says):
            find_control(str(reference), settings(tmp_path))

    refused(header(tmp_path / "lora.safetensors", {"lora_up.weight": (4, 4)}), r"lora\.json")
    (tmp_path / "net.pth").write_bytes(b"pickle")
    refused(tmp_path / "net.pth", "needs unpickling")
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    header(tmp_path / "vae" / "model.safetensors", {"x": (1,)})
    refused(tmp_path / "vae", "AutoencoderKL, which is no control model")
    refused(tmp_path, r"the folder has no config\.json.*lora\.safetensors")
    refused("nobody/has-this", "NINEFOLD_ALLOW_DOWNLOAD")
    refused("nonesuch", "Known: lora")
    faces: dict[str, tuple[int, ...]] = {
        "image_proj.proj.2.weight": (4, 4),
        "ip_adapter.1.to_k_ip.weight": (4, 768),
    }
    refused(header(tmp_path / "face.safetensors", faces), "face embeddings")


@pytest.mark.parametrize(
    ("base", "asked", "says"),
    [
        (None, [AskedControl(info("ControlNetModel", "Flux"))], "cannot be steered"),
        (XL, [AskedControl(info("FluxControlNetModel", "Flux"))], "does not fit painter"),
        (
            XL,
            [
                AskedControl(
                    info(
                        "ControlNetModel",
                        "StableDiffusionXL",
                        widths=(("cross_attention_dim", 768),),
                    )
                )
            ],
            "its cross_attention_dim is 768, the model's 2048",
        ),
        (
            XL,
            [AskedControl(info("ControlNetUnionModel", "StableDiffusionXL", modes=("canny",)))],
            "expected one of canny",
        ),
        (
            XL,
            [AskedControl(info("ControlNetModel", "StableDiffusionXL"), mode="canny")],
            "no union model",
        ),
        (
            XL,
            [AskedControl(info("T2IAdapter", "StableDiffusionXL"), start=0.5)],
            "acts from the first step on",
        ),
        (
            XL,
            [
                AskedControl(info("ControlNetModel", "StableDiffusionXL")),
                AskedControl(info("T2IAdapter", "StableDiffusionXL")),
            ],
            "cannot be used beside",
        ),
        (
            ControlBase("ZImage"),
            [AskedControl(info("ZImageControlNetModel", "ZImage"))] * 2,
            "one ControlNet at a time",
        ),
        (
            ControlBase("StableDiffusion"),
            [
                AskedControl(info("T2IAdapter", "StableDiffusion")),
                AskedControl(info("IPAdapter", "StableDiffusion")),
            ],
            "cannot be used beside",
        ),
    ],
)
def test_what_a_model_cannot_do_is_known_beforehand(
    base: ControlBase | None, asked: list[AskedControl], says: str
) -> None:
    found = [text for _, text in control_problems("painter", base, asked)]
    assert len(found) == 1
    assert says in found[0]


def test_what_a_model_can_do_has_no_problem() -> None:
    asked = [
        AskedControl(info("ControlNetModel", "StableDiffusionXL"), start=0.1, end=0.9),
        AskedControl(info("ControlNetModel", "StableDiffusionXL")),
        AskedControl(info("IPAdapter", "StableDiffusionXL"), start=0.5),
    ]
    assert not list(control_problems("painter", XL, asked))
