"""A picture steers as it does where diffusers is called by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.engines.control import Control
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.types import Pixels
from tests.tiny_models.control import tiny_control, tiny_ip_adapter

from .helpers import MARKS, QUIET, SIDES, asked, by_hand, drawn, picture

pytestmark = MARKS


@pytest.mark.parametrize(
    ("base", "name", "pipeline", "network", "image", "mode"),
    [
        ("sd15", "sd15-controlnet", "StableDiffusionControlNet", "ControlNet", "image", None),
        ("sdxl", "sdxl-controlnet", "StableDiffusionXLControlNet", "ControlNet", "image", None),
        (
            "sdxl",
            "sdxl-union",
            "StableDiffusionXLControlNetUnion",
            "ControlNetUnion",
            "control_image",
            ("canny", 3),
        ),
        ("flux", "flux-controlnet", "FluxControlNet", "FluxControlNet", "control_image", None),
        ("flux", "flux-union", "FluxControlNet", "FluxControlNet", "control_image", ("canny", 0)),
        (
            "sd3",
            "sd3-controlnet",
            "StableDiffusion3ControlNet",
            "SD3ControlNet",
            "control_image",
            None,
        ),
    ],
)
def test_a_controlnet_gives_what_diffusers_gives_by_hand(
    engines: EngineSet,
    tiny_models: Callable[[str], Path],
    folder: Path,
    base: str,
    name: str,
    pipeline: str,
    network: str,
    image: str,
    mode: tuple[str, int] | None,
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    model, control = tiny_models(base), tiny_control(name, folder / name)
    side = SIDES.get(base, 64)
    edges = drawn(side)
    entry = Control(name, edges, strength=0.8, end=0.7, mode=mode[0] if mode else None)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    net = getattr(diffusers, f"{network}Model").from_pretrained(control)
    pipe = getattr(diffusers, f"{pipeline}Pipeline").from_pretrained(model, controlnet=net)
    expected = by_hand(
        pipe,
        side,
        **{image: picture(edges)},
        **({"control_mode": mode[1]} if mode else {}),
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.7,
    )
    assert np.array_equal(made.image, expected)
    plain = engines.diffusion.run(asked(model), QUIET)
    assert not np.array_equal(made.image, plain.image)
    (used,) = made.record.control
    assert (used.model, used.kind, used.strength, used.end) == (name, "controlnet", 0.8, 0.7)
    assert used.mode == entry.mode
    assert plain.record.control == ()


#: By the model, its network, and what is passed beside the picture when calling by hand.
TRANSFORMERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "hunyuan-dit": (
        "hunyuan-controlnet",
        "HunyuanDiT2DControlNet",
        {"guidance_scale": 3.0, "use_resolution_binning": False},
    ),
    "qwen-image": (
        "qwen-controlnet",
        "QwenImageControlNet",
        {"true_cfg_scale": 3.0, "negative_prompt": " ", "control_guidance_end": 0.7},
    ),
    "sana": (
        "sana-controlnet",
        "SanaControlNet",
        {"guidance_scale": 3.0, "use_resolution_binning": False},
    ),
    "z-image": ("z-image-controlnet", "ZImageControlNet", {"guidance_scale": 3.0}),
}


@pytest.mark.families
@pytest.mark.parametrize("base", TRANSFORMERS)
def test_a_controlnet_of_a_transformer_gives_what_diffusers_gives_by_hand(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, base: str
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    name, network, given = TRANSFORMERS[base]
    model, control = tiny_models(base), tiny_control(name, folder / name)
    side = SIDES.get(base, 64)
    edges, end = drawn(side), given.get("control_guidance_end", 1.0)
    entry = Control(name, edges, strength=0.8, end=end)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    net = getattr(diffusers, f"{network}Model").from_pretrained(control)
    pipeline = f"{network.replace('2D', '')}Pipeline"
    pipe = getattr(diffusers, pipeline).from_pretrained(model, controlnet=net)
    expected = by_hand(
        pipe,
        side,
        control_image=picture(edges),
        controlnet_conditioning_scale=0.8,
        **given,
    )
    assert np.array_equal(made.image, expected)
    assert not np.array_equal(made.image, engines.diffusion.run(asked(model), QUIET).image)
    (used,) = made.record.control
    assert (used.model, used.strength, used.end) == (name, 0.8, end)


@pytest.mark.parametrize("base", ["sd15", "sdxl", "flux", "sd3"])
def test_an_ip_adapter_gives_what_diffusers_gives_by_hand_and_leaves_no_trace(
    engines: EngineSet,
    tiny_models: Callable[[str], Path],
    folder: Path,
    edges: Pixels,
    base: str,
) -> None:
    import diffusers as untyped
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionModelWithProjection,
        SiglipImageProcessor,
        SiglipVisionModel,
    )

    diffusers: Any = untyped
    model, file = tiny_models(base), tiny_ip_adapter(base, folder / f"ip-{base}")
    side = SIDES.get(base, 64)
    plain = engines.diffusion.run(asked(model), QUIET).image
    entry = Control(f"ip-{base}/{base}-ip", edges, strength=0.6)
    made = engines.diffusion.run(asked(model, control=(entry,)), QUIET)
    encoder_class: Any = SiglipVisionModel if base == "sd3" else CLIPVisionModelWithProjection
    untyped_siglip: Any = SiglipImageProcessor
    untyped_clip: Any = CLIPImageProcessor
    processor = (
        untyped_siglip(size={"height": 32, "width": 32})
        if base == "sd3"
        else untyped_clip(size=32, crop_size=32)
    )
    encoder = encoder_class.from_pretrained(file.parent / "image_encoder")
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        model, image_encoder=encoder, feature_extractor=processor
    )
    pipe.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    pipe.set_ip_adapter_scale(0.6)
    assert np.array_equal(made.image, by_hand(pipe, side, ip_adapter_image=picture(edges)))
    assert not np.array_equal(made.image, plain)
    assert np.array_equal(engines.diffusion.run(asked(model), QUIET).image, plain)


def test_a_t2i_adapter_gives_what_diffusers_gives_by_hand(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import diffusers as untyped

    diffusers: Any = untyped
    model, control = tiny_models("sdxl"), tiny_control("sdxl-t2i", folder / "sdxl-t2i")
    made = engines.diffusion.run(
        asked(model, control=(Control("sdxl-t2i", edges, strength=0.8, end=0.7),)), QUIET
    )
    adapter = diffusers.T2IAdapter.from_pretrained(control)
    pipe = diffusers.StableDiffusionXLAdapterPipeline.from_pretrained(model, adapter=adapter)
    assert made.record.steps_run == 3
    expected = by_hand(
        pipe,
        image=picture(edges),
        adapter_conditioning_scale=0.8,
        adapter_conditioning_factor=0.7,
    )
    assert np.array_equal(made.image, expected)


def test_a_file_with_its_config_beside_it_is_the_same_model(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import shutil

    net = tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    shutil.copy(net / "diffusion_pytorch_model.safetensors", folder / "single.safetensors")
    shutil.copy(net / "config.json", folder / "single.json")
    made = [
        engines.diffusion.run(
            asked(tiny_models("sd15"), control=(Control(name, edges),)), QUIET
        ).image
        for name in ("sd15-controlnet", "single")
    ]
    assert np.array_equal(made[0], made[1])


def test_a_file_in_the_original_layout_is_the_same_model(
    engines: EngineSet, tiny_models: Callable[[str], Path], folder: Path, edges: Pixels
) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    net = tiny_control("sd15-controlnet", folder / "sd15-controlnet")
    tensors = load_file(net / "diffusion_pytorch_model.safetensors")
    renamed = {f"control_model.{original_name(name)}": value for name, value in tensors.items()}
    save_file(renamed, folder / "original.safetensors")
    shutil.copy(net / "config.json", folder / "original.json")
    made = [
        engines.diffusion.run(
            asked(tiny_models("sd15"), control=(Control(name, edges),)), QUIET
        ).image
        for name in ("sd15-controlnet", "original")
    ]
    assert np.array_equal(made[0], made[1])


def original_name(name: str) -> str:
    """The name that the authors' code gives a tensor of the tiny ControlNet."""
    import re

    for pattern, replaced in ORIGINAL_NAMES:
        name = re.sub(pattern, replaced, name)
    return name


#: Names of diffusers and of the authors' code, for two blocks of one layer each.
ORIGINAL_NAMES = (
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^controlnet_cond_embedding\.conv_in", "input_hint_block.0"),
    (r"^controlnet_cond_embedding\.conv_out", "input_hint_block.14"),
    (
        r"^controlnet_cond_embedding\.blocks\.(\d+)",
        lambda match: f"input_hint_block.{2 * int(match[1]) + 2}",
    ),
    (r"^controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0."),
    (r"^controlnet_mid_block\.", "middle_block_out.0."),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^down_blocks\.1\.attentions\.0", "input_blocks.3.1"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"(?<!transformer_blocks\.0)\.norm1\.(?=weight|bias)", ".in_layers.0."),
    (r"(?<!transformer_blocks\.0)\.conv1\.", ".in_layers.2."),
    (r"(?<!transformer_blocks\.0)\.time_emb_proj\.", ".emb_layers.1."),
    (r"(?<!transformer_blocks\.0)\.norm2\.(?=weight|bias)", ".out_layers.0."),
    (r"(?<!transformer_blocks\.0)\.conv2\.", ".out_layers.3."),
    (r"(?<!transformer_blocks\.0)\.conv_shortcut\.", ".skip_connection."),
)
