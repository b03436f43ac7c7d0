"""Where single files take what they lack, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.references import with_components
from ninefold.engines.settings import EngineSettings

from .helpers import MARKS, Make, described, engine, made, save

pytestmark = MARKS


def test_a_setting_says_where_files_of_each_family_take_the_rest(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import flux_tensors

    path = save(flux_tensors(pipes("flux").transformer), tmp_path / "dev.safetensors")
    folder = tiny_models("flux")
    with pytest.raises(ModelError, match="NINEFOLD_COMPONENTS"):
        engine().describe(str(path))
    named = (str(tmp_path / "gone"), "nobody/nothing", str(tiny_models("sd15")), str(folder))
    info = engine(components=named).describe(str(path))
    assert info.family == described(path, folder).family
    # What is named beside the file comes first.
    chroma = with_components(str(path), str(tiny_models("chroma")))
    with pytest.raises(ModelError, match="another family"):
        engine(components=named).describe(chroma)
    read = EngineSettings.from_environment({"NINEFOLD_COMPONENTS": f"{folder}, owner/name"})
    assert read.components == (str(folder), "owner/name")


def test_what_a_network_alone_lacks_is_named(pipes: Callable[[str], Any], tmp_path: Path) -> None:
    path = save(pipes("qwen-image").transformer.state_dict(), tmp_path / "q.safetensors")
    expected = r"q\.safetensors is Qwen-Image, its transformer alone.*--components.*pull Qwen/Qwen"
    with pytest.raises(ModelError, match=expected):
        described(path)


def test_components_of_another_unet_are_refused(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    """SDXL's and Stable Diffusion's networks are of one class."""
    from tests.tiny_models.single_files import stable_diffusion_tensors

    for name, other, expected in (
        (
            "sd15",
            "sdxl",
            r"is Stable Diffusion 1, and the components in sdxl.*DiffusionXLPip",
        ),
        ("sdxl", "sd15", r"is SDXL, and the components in sd15.*\(StableDiffusionPipeline\)"),
    ):
        path = save(stable_diffusion_tensors(pipes(name)), tmp_path / f"{name}.safetensors")
        with pytest.raises(ModelError, match=expected):
            described(path, tiny_models(other))
        assert described(path, tiny_models(name)).name == name


def test_components_of_another_family_are_refused(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    path = save(pipes("flux").transformer.state_dict(), tmp_path / "f.safetensors")
    expected = r"f\.safetensors is FLUX\.1, and the components in sdxl are of another family"
    with pytest.raises(ModelError, match=expected):
        described(path, tiny_models("sdxl"))
    with pytest.raises(ModelError, match=r"components: no folder 'none'"):
        described(path, "none")
    with pytest.raises(ModelError, match=r"sdxl has all of its own"):
        described(tiny_models("sdxl"), tiny_models("sdxl"))


def test_weights_of_another_model_are_named_before_they_paint(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    tensors = dict(pipes("flux").transformer.state_dict())
    lost = next(
        name for name in tensors if name.startswith("single_transformer_blocks.0.attn.to_v")
    )
    del tensors[lost]
    path = save(tensors, tmp_path / "f.safetensors")
    with pytest.raises(
        ModelError, match=r"its transformer lacks 1 of its tensors, such as single_tr"
    ):
        made(path, tiny_models("flux"))


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("lora_unet_down_blocks_0.lora_up.weight", "a LoRA"),
        ("transformer.blocks.0.attn.to_q.lora_A.weight", "a LoRA"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("emb_params", "an embedding"),
        ("encoder.down.0.block.0.conv1.weight", "an autoencoder alone"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder alone"),
        ("conv_first.weight", "an upscaler"),
        ("blocks.0.other.weight", "no family that ninefold knows"),
    ],
)
def test_a_file_that_is_no_diffusion_model_says_what_it_is(
    key: str, what: str, tmp_path: Path
) -> None:
    import torch

    path = save({key: torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=rf"other\.safetensors is .*{what}"):
        described(path)
