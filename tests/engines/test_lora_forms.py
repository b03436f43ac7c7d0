"""LoRAs in every form, made from one delta: each gives the image of the delta added by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.core.values import Lora
from ninefold.engines.loras.adapters import build, moved

from .lora_forms import (
    FORMS,
    LAYERS,
    by_hand,
    layer,
    made,
    make,
    named,
    paint,
    random,
    save,
    with_loras,
)

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]


@pytest.fixture(scope="module")
def pipes(tiny_models: Callable[[str], Path]) -> Callable[[str], Any]:
    found: dict[str, Any] = {}

    def pipe(name: str) -> Any:
        if name not in found:
            import diffusers

            pipeline: Any = diffusers.DiffusionPipeline
            found[name] = pipeline.from_pretrained(str(tiny_models(name)))
            found[name].set_progress_bar_config(disable=True)
        return found[name]

    return pipe


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_every_form_is_the_delta(
    pipes: Callable[[str], Any], family: str, form: str, tmp_path: Path
) -> None:
    pipe = pipes(family)
    plain = paint(pipe)
    deltas = made(pipe, family, form, tmp_path / "own.safetensors")
    image, warnings = with_loras(pipe, tmp_path, Lora("own", 0.5))
    assert warnings == []
    with by_hand(pipe, deltas, 0.5):
        expected = paint(pipe)
    assert np.abs(expected - plain).max() > 0.01
    assert np.allclose(image, expected, atol=2e-4)
    assert np.array_equal(paint(pipe), plain)


@pytest.mark.parametrize("family", LAYERS)
def test_kohya_names_of_every_family_find_their_layers(
    pipes: Callable[[str], Any], family: str, tmp_path: Path
) -> None:
    pipe = pipes(family)
    deltas = made(pipe, family, "LoRA", tmp_path / "own.safetensors")
    image, warnings = with_loras(pipe, tmp_path, Lora("own"))
    assert warnings == []
    with by_hand(pipe, deltas):
        assert np.allclose(image, paint(pipe), atol=2e-4)


def test_several_at_once_and_the_text_encoders_apart(
    pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    pipe = pipes("sdxl")
    first = made(pipe, "sdxl", "LoRA", tmp_path / "first.safetensors", seed=1)
    second = made(pipe, "sdxl", "LoHa", tmp_path / "second.safetensors", seed=2)
    image, _ = with_loras(pipe, tmp_path, Lora("first", 0.5, 0.25), Lora("second", -0.3, 0.0))
    networks = {place for place in first if place[0] == "unet"}
    encoders = first.keys() - networks
    with (
        by_hand(pipe, {place: first[place] for place in networks}, 0.5),
        by_hand(pipe, {place: first[place] for place in encoders}, 0.25),
        by_hand(pipe, {place: second[place] for place in networks}, -0.3),
    ):
        assert np.allclose(image, paint(pipe), atol=2e-4)


def test_one_that_is_named_twice_adds_up(pipes: Callable[[str], Any], tmp_path: Path) -> None:
    pipe = pipes("sd15")
    deltas = made(pipe, "sd15", "LoRA", tmp_path / "own.safetensors")
    image, _ = with_loras(pipe, tmp_path, Lora("own", 0.5), Lora("own", 0.25))
    with by_hand(pipe, deltas, 0.75):
        assert np.allclose(image, paint(pipe), atol=2e-4)


@pytest.mark.parametrize("joined", ["LoRA", "LoHa", "LoKr"])
def test_layers_that_flux_has_joined_are_parted(
    pipes: Callable[[str], Any], joined: str, tmp_path: Path
) -> None:
    import torch

    pipe = pipes("flux")
    torch.manual_seed(0)
    tensors: dict[str, Any] = {}
    deltas: dict[tuple[str, str], Any] = {}
    for name, block, parts in (
        (
            "lora_unet_double_blocks_0_txt_attn_qkv",
            "transformer_blocks.0.attn",
            ("add_q_proj", "add_k_proj", "add_v_proj"),
        ),
        (
            "lora_unet_single_blocks_0_linear1",
            "single_transformer_blocks.0",
            ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
        ),
    ):
        weights = [layer(pipe, "transformer", f"{block}.{part}").weight.detach() for part in parts]
        more, delta = make(joined, name, torch.cat(weights))
        tensors |= more
        rows = delta.split([len(weight) for weight in weights])
        deltas |= {
            ("transformer", f"{block}.{part}"): row for part, row in zip(parts, rows, strict=True)
        }
    save(tensors, tmp_path / "own.safetensors")
    image, warnings = with_loras(pipe, tmp_path, Lora("own"))
    assert warnings == []
    with by_hand(pipe, deltas):
        assert np.allclose(image, paint(pipe), atol=2e-4)


@pytest.mark.parametrize("family", ["sd15", "flux"])
def test_what_diffusers_writes_is_what_diffusers_reads(
    pipes: Callable[[str], Any], family: str, tmp_path: Path
) -> None:
    """Alpha, and layers of the network and a text encoder, in peft's names."""
    import torch
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = pipes(family)
    network = "unet" if family == "sd15" else "transformer"
    config = LoraConfig(r=2, lora_alpha=6, init_lora_weights=False, target_modules=["to_q", "to_v"])
    torch.manual_seed(3)
    part = getattr(pipe, network)
    part.add_adapter(config)
    state = get_peft_model_state_dict(part)
    metadata = {f"{network}_lora_adapter_metadata": config.to_dict()}
    type(pipe).save_lora_weights(
        str(tmp_path),
        weight_name="own.safetensors",
        **{f"{network}_lora_layers": state},
        **metadata,
    )
    expected = paint(pipe)
    part.delete_adapters("default")
    image, warnings = with_loras(pipe, tmp_path, Lora("own"))
    assert warnings == []
    assert np.allclose(image, expected, atol=1e-6)
    pipe.unload_lora_weights()


def test_what_has_no_place_is_reported(pipes: Callable[[str], Any], tmp_path: Path) -> None:
    pipe = pipes("sd15")
    made(pipe, "sd15", "LoRA", tmp_path / "own.safetensors")
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "own.safetensors")
    tensors |= {"lora_unet_nowhere.lora_up.weight": random(4, 2), "bundle_emb.x.y": random(3)}
    tensors |= {"lora_unet_nowhere.lora_down.weight": random(2, 4)}
    save(tensors, tmp_path / "more.safetensors")
    image, warnings = with_loras(pipe, tmp_path, Lora("more"))
    assert warnings == [
        "LoRA more: 2 of its parts have no place in this model: lora_unet_nowhere, bundle_emb.x.y."
    ]
    assert np.array_equal(image, with_loras(pipe, tmp_path, Lora("own"))[0])


def test_a_layer_of_another_size_is_refused(pipes: Callable[[str], Any], tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    save(
        named(name, {"lora_up.weight": random(320, 2), "lora_down.weight": random(2, 768)}),
        tmp_path / "own.safetensors",
    )
    with pytest.raises(
        ModelError, match=r"'own' does not fit this model: .*320 x 768 there and 16"
    ):
        with_loras(pipes("sd15"), tmp_path, Lora("own"))


def test_strengths_by_block(pipes: Callable[[str], Any], tmp_path: Path) -> None:
    pipe = pipes("flux")
    deltas = made(pipe, "flux", "LoRA", tmp_path / "own.safetensors")
    blocks = [0.0] * 61
    blocks[0], blocks[3] = 0.5, 2.0  # CLIP, and the first double block
    written = ",".join(map(str, blocks))
    image, _ = with_loras(pipe, tmp_path, Lora("own", 0.5, None, written))
    weights = {"text_encoder": 0.25, "transformer_blocks.0.attn.to_out.0": 1.0}
    with by_hand(
        pipe,
        {
            place: delta * weights.get(place[0], weights.get(place[1], 0.0))
            for place, delta in deltas.items()
        },
    ):
        assert np.allclose(image, paint(pipe), atol=2e-4)
    with pytest.raises(InputError, match="expected lbw= with one of NONE, ALL"):
        with_loras(pipe, tmp_path, Lora("own", 1.0, None, "1,2,3"))
    with pytest.raises(
        InputError, match="own: lbw= with 17 numbers is for Stable Diffusion 1 and 2"
    ):
        with_loras(pipe, tmp_path, Lora("own", 1.0, None, "OUTD"))


@pytest.mark.parametrize("form", FORMS)
def test_adapters_follow_the_number_format_of_their_layer(
    pipes: Callable[[str], Any], form: str, tmp_path: Path
) -> None:
    """As where weights are in half precision, or wait elsewhere until their network's turn."""
    import torch

    place = next(iter(LAYERS["sd15"]))
    module = layer(pipes("sd15"), *place)
    tensors, delta = make(form, "x", module.weight.detach())
    adapter = build(
        {name.removeprefix("x.").removesuffix(".weight"): t for name, t in tensors.items()}
    )
    assert adapter is not None
    given = torch.randn(1, 3, module.in_features)
    expected = given @ delta.reshape(module.weight.shape).T
    assert torch.allclose(adapter.change(module, given, None), expected, atol=1e-4)
    wide = moved(adapter, "cpu", torch.float64)
    changed = wide.change(module, given.double(), None)
    assert changed.dtype == torch.float64
    assert torch.allclose(changed.float(), expected, atol=1e-4)


def test_metadata_of_a_header_gives_alpha() -> None:
    from ninefold.engines.loras.reading import default_scales

    config = {"unet.r": 4, "unet.lora_alpha": 8, "text_encoder.r": 4, "text_encoder.lora_alpha": 4}
    assert default_scales({"lora_adapter_metadata": json.dumps(config)}) == {
        "unet": 2.0,
        "text_encoder": 1.0,
    }
    assert default_scales({"lora_adapter_metadata": "no json"}) == {}
    assert default_scales({}) == {}
