"""Single files: whole or the network alone, in every layout and precision that people have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.references import with_components

from ..conftest import inpaint
from .helpers import MARKS, Make, close, described, engine, made, save

pytestmark = MARKS


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sdxl-refiner"])
def test_a_whole_file_is_the_same_as_its_folder(
    name: str, tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import stable_diffusion_tensors

    path = save(stable_diffusion_tensors(pipes(name)), tmp_path / f"{name}.safetensors")
    info = described(path, tiny_models(name))
    assert info.family.name == described(tiny_models(name)).family.name
    assert info.hash != described(tiny_models(name)).hash
    if info.family.text is not None:
        assert close(made(path, tiny_models(name)), made(tiny_models(name)))


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_flux_alone_takes_the_rest_from_a_folder(
    prefix: str, tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import flux_tensors

    path = save(flux_tensors(pipes("flux").transformer, prefix), tmp_path / "dev.safetensors")
    folder = tiny_models("flux")
    assert close(made(path, folder), made(folder))
    (tmp_path / "dev").symlink_to(folder)  # beside the file, and called like it
    assert made(path) == made(path, folder)
    # Of the other FLUX: what the file holds decides whether it is given a guidance scale.
    other = made(path, tiny_models("flux-schnell"))
    assert not close(other, made(tiny_models("flux-schnell")))


@pytest.mark.parametrize(
    "name",
    [
        "sd3",
        "flux",
        "chroma",
        "z-image",
        "qwen-image",
        "flux2",
        "flux2-klein",
        "lumina2",
        "auraflow",
        "sd15",
    ],
)
def test_a_network_in_diffusers_own_layout_is_known(
    name: str, tiny_models: Make, tmp_path: Path
) -> None:
    folder = tiny_models(name)
    (weights,) = (*folder.glob("transformer/*.safetensors"), *folder.glob("unet/*.safetensors"))
    path = tmp_path / "net.safetensors"
    path.write_bytes(weights.read_bytes())
    assert described(path, folder).family == described(folder).family
    assert made(path, folder) == made(folder)
    from safetensors.torch import load_file

    prefixed = {f"model.diffusion_model.{key}": value for key, value in load_file(path).items()}
    assert described(save(prefixed, path), folder).family == described(folder).family


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize(
    "name",
    [
        "z-image",
        *(
            pytest.param(name, marks=pytest.mark.families)
            for name in ("auraflow", "flux2", "flux2-klein", "sana", "sd3")
        ),
    ],
)
def test_a_network_in_its_first_layout_takes_the_rest_from_a_folder(
    name: str, prefix: str, tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.first_layouts import first_layout

    tensors = first_layout(name, pipes(name).transformer)
    path = save({f"{prefix}{key}": w for key, w in tensors.items()}, tmp_path / "net.safetensors")
    folder = tiny_models(name)
    assert described(path, folder).family == described(folder).family
    assert close(made(path, folder), made(folder))


@pytest.mark.parametrize("rest", ["flux-fill", "flux"])
def test_a_flux_fill_alone_paints_inside_a_mask(
    rest: str, tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    """With components of FLUX.1, too, which has the same."""
    from tests.tiny_models.single_files import flux_tensors

    path = save(flux_tensors(pipes("flux-fill").transformer), tmp_path / "fill.safetensors")
    reference = with_components(str(path), str(tiny_models(rest)))
    painter = engine()
    info = painter.describe(reference)
    assert info.family.name == "FLUX.1 Fill"
    assert info.family.tasks == {"inpaint"}
    draw = np.random.default_rng(3)
    image = draw.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    mask = np.zeros((256, 256), np.float32)
    mask[:, 128:] = 1
    given: dict[str, Any] = {"width": 256, "height": 256, "steps": 2, "strength": 1.0}
    images = [
        painter.run(inpaint(image, mask, model=model, **given), SilentProgress()).image
        for model in (reference, str(tiny_models("flux-fill")))
    ]
    assert np.array_equal(images[0][:, :128], image[:, :128])
    assert not np.array_equal(images[0][:, 128:], image[:, 128:])
    # The tiny text encoders of the other have weights of their own.
    assert close(images[0].tobytes(), images[1].tobytes()) == (rest == "flux-fill")


@pytest.mark.parametrize(
    ("name", "kind"), [("flux1-depth-dev", "FLUX.1 Depth"), ("flux1-canny-dev", "FLUX.1 Canny")]
)
def test_a_flux_for_control_images_is_no_flux_for_prompts(
    name: str, kind: str, tiny_models: Make, tmp_path: Path
) -> None:
    import torch

    from tests.tiny_models.flux import flux_parts
    from tests.tiny_models.single_files import flux_tensors

    torch.manual_seed(0)
    network = flux_parts(in_channels=128, out_channels=64)["transformer"]
    path = save(flux_tensors(network), tmp_path / f"{name}.safetensors")
    with pytest.raises(ModelError, match=rf"{name}\.safetensors is {kind}, its transformer alone"):
        described(path)
    info = described(path, tiny_models("flux"))
    assert info.family.name == "FLUX.1 Control"
    assert not info.family.tasks


def test_a_lumina_2_is_known_by_its_first_names(tmp_path: Path) -> None:
    """Its conversion is diffusers', which knows the sizes of the model that ships alone: what comes
    of a tiny one cannot be tried."""
    import torch

    names = {
        "cap_embedder.0.weight": (2304,),
        "layers.0.attention.qkv.weight": (3840, 2304),
        "layers.0.adaLN_modulation.1.weight": (9216, 1024),
    }
    tensors = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in names.items()}
    path = save(tensors, tmp_path / "lumina.safetensors")
    with pytest.raises(ModelError, match=r"lumina\.safetensors is Lumina 2, its transformer alone"):
        described(path)


def test_a_chroma_alone_takes_the_rest_from_a_folder(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import flux_tensors

    path = save(flux_tensors(pipes("chroma").transformer), tmp_path / "hd.safetensors")
    assert described(path, tiny_models("chroma")).family.name == "Chroma"
    assert close(made(path, tiny_models("chroma")), made(tiny_models("chroma")))


def test_a_flux_with_its_encoders_is_read_whole(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import clip_tensors, flux_tensors, vae_tensors

    pipe, folder = pipes("flux"), tmp_path / "flux"
    tensors = flux_tensors(pipe.transformer, "model.diffusion_model.")
    tensors |= vae_tensors(pipe.vae, "vae.")
    tensors |= clip_tensors(pipe.text_encoder, "text_encoders.clip_l.transformer.")
    start = "text_encoders.t5xxl.transformer."
    t5 = pipe.text_encoder_2.state_dict().items()
    tensors |= {f"{start}{name}": w.clone() for name, w in t5 if "embed_tokens" not in name}
    path = save(tensors, tmp_path / "all.safetensors")
    shutil.copytree(tiny_models("flux"), folder)
    for weights in folder.glob("*/*.safetensors"):
        weights.unlink()  # configs and tokenizers stay
    assert close(made(path, folder), made(tiny_models("flux")))


def cache_tokenizer(hub_cache: Path, folder: Path) -> None:
    """What earlier downloads left in the hub's cache."""
    snapshot = hub_cache / "models--openai--clip-vit-large-patch14" / "snapshots" / "0"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder)


def real_sd1() -> Any:
    """Stable Diffusion 1 with all that its published config says but the widths."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    from tests.tiny_models.parts import image_vae
    from tests.tiny_models.registry import enliven
    from tests.tiny_models.stable_diffusion import stable_diffusion, unet

    torch.manual_seed(0)
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=190,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=1,
            projection_dim=64,
            bos_token_id=188,
            eos_token_id=189,
            pad_token_id=1,
        )
    )
    pipe = stable_diffusion(
        unet=unet(
            64,
            sample_size=64,
            layers_per_block=2,
            block_out_channels=(32, 32),
            attention_head_dim=8,
            norm_num_groups=32,
        ),
        vae=image_vae(
            block_out_channels=(32,) * 4, layers_per_block=2, norm_num_groups=32, sample_size=512
        ),
        text_encoder=encoder,
    )
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        enliven(part.eval())
    return pipe


def test_a_whole_file_needs_nothing_but_a_tokenizer_at_hand(
    hub_cache: Path, tmp_path: Path
) -> None:
    from tests.tiny_models.single_files import stable_diffusion_tensors

    pipe = real_sd1()
    pipe.save_pretrained(tmp_path / "folder")
    path = save(stable_diffusion_tensors(pipe), tmp_path / "v1.safetensors")
    with pytest.raises(
        ModelError,
        match=r"v1\.safetensors is Stable Diffusion 1: .*CLIP's words.*models pull stable",
    ):
        described(path)
    cache_tokenizer(hub_cache, tmp_path / "folder" / "tokenizer")
    assert described(path).native_size == (512, 512)
    assert close(made(path), made(tmp_path / "folder"))


def test_stable_diffusion_2_is_told_by_its_text_encoder(hub_cache: Path, tmp_path: Path) -> None:
    from tests.tiny_models.single_files import open_clip_tensors, stable_diffusion_tensors

    pipe = real_sd1()
    tensors = {
        key: tensor
        for key, tensor in stable_diffusion_tensors(pipe).items()
        if not key.startswith("cond_stage_model.")
    }
    tensors |= open_clip_tensors(pipe.text_encoder, "cond_stage_model.model.")
    pipe.tokenizer.save_pretrained(tmp_path / "tokenizer")
    cache_tokenizer(hub_cache, tmp_path / "tokenizer")
    path = save(tensors, tmp_path / "v2.safetensors")
    found = engine()._find(str(path))
    assert found.info.native_size == (768, 768)
    scheduler = found.files.configs("scheduler")
    assert scheduler["prediction_type"] == "v_prediction"
    base = save(tensors, tmp_path / "base.safetensors", **{"modelspec.prediction_type": "epsilon"})
    assert "prediction_type" not in engine()._find(str(base)).files.configs("scheduler")
