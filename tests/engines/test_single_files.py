"""Single files: whole or the network alone, in every layout and precision that people have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.references import with_components
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import text

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
    pytest.mark.slow,
]

Make = Callable[[str], Path]


@pytest.fixture(autouse=True)
def hub_cache(no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def pipes() -> Callable[[str], Any]:
    from functools import cache

    from tests.tiny_models import build_tiny

    return cache(build_tiny)


def engine(**settings: Any) -> DiffusersEngine:
    return DiffusersEngine(EngineResources(EngineSettings(device="cpu", **settings)))


def made(model: object, components: object = None, **changes: Any) -> bytes:
    reference = with_components(str(model), None if components is None else str(components))
    painter = engine()
    side = max(64, painter.describe(reference).min_size)
    request = replace(text(model=reference), steps=1, width=side, height=side, **changes)
    return painter.run(request, SilentProgress()).image.tobytes()


def described(model: Path, components: object = None) -> ModelInfo:
    reference = with_components(str(model), None if components is None else str(components))
    return engine().describe(reference)


def close(one: bytes, other: bytes) -> bool:
    """Alike but for rounding: where a weight begins in its file decides how sums are ordered."""
    first, second = (np.frombuffer(image, np.uint8).astype(int) for image in (one, other))
    return bool(np.abs(first - second).max() <= 2)


def save(tensors: dict[str, Any], path: Path, **metadata: str) -> Path:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    return path


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


def test_eight_bits_are_read_with_and_without_scales(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    import torch

    from tests.tiny_models.single_files import flux_tensors

    folder = tiny_models("flux")
    wide = flux_tensors(pipes("flux").transformer, "model.diffusion_model.")
    plain, scaled, rounded = dict(wide), dict(wide), dict(wide)
    scaled["scaled_fp8"] = torch.empty(2, dtype=torch.float8_e4m3fn)
    for name, tensor in wide.items():
        if tensor.dim() != 2:
            continue
        plain[name] = tensor.to(torch.float8_e4m3fn)
        scale = tensor.abs().max() / 448
        scaled[name] = (tensor / scale).to(torch.float8_e4m3fn)
        scaled[name.replace(".weight", ".scale_weight")] = scale.reshape(1)
        scaled[name.replace(".weight", ".scale_input")] = torch.ones(1)
        rounded[name] = scaled[name].to(torch.float32) * scale
    exact = made(save(rounded, tmp_path / "rounded.safetensors"), folder)
    assert close(made(save(scaled, tmp_path / "scaled.safetensors"), folder), exact)
    image = np.frombuffer(made(save(plain, tmp_path / "plain.safetensors"), folder), np.uint8)
    difference = np.abs(image.astype(int) - np.frombuffer(made(folder), np.uint8))
    assert 0 < difference.mean() < 30


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_0", "Q4_K"])
def test_gguf_is_unpacked_as_it_says(kind: str, tiny_models: Make, tmp_path: Path) -> None:
    import torch

    from tests.tiny_models.flux import flux_parts
    from tests.tiny_models.single_files import flux_tensors

    gguf = pytest.importorskip("gguf")
    import diffusers

    torch.manual_seed(0)
    wide: dict[str, Any] = {"attention_head_dim": 128, "axes_dims_rope": (16, 56, 56)}
    parts = flux_parts(**wide)
    pipeline: Any = diffusers.FluxPipeline
    pipeline(**parts).save_pretrained(tmp_path / "flux")
    quant = gguf.GGMLQuantizationType[kind]
    writer, unpacked = gguf.GGUFWriter(tmp_path / "net.gguf", "flux"), {}
    for name, tensor in flux_tensors(parts["transformer"]).items():
        values = tensor.numpy()
        block = gguf.GGML_QUANT_SIZES[quant][0]
        if values.ndim == 2 and values.shape[1] % block == 0:
            packed = _q4_k(values) if kind == "Q4_K" else gguf.quants.quantize(values, quant)
            writer.add_tensor(name, packed, raw_dtype=None if kind == "F16" else quant)
            values = gguf.quants.dequantize(packed, quant)
        else:
            writer.add_tensor(name, values)
        unpacked[name] = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    same = save(unpacked, tmp_path / "unpacked.safetensors")
    expected = np.frombuffer(made(same, tmp_path / "flux"), np.uint8).astype(int)
    found = np.frombuffer(made(tmp_path / "net.gguf", tmp_path / "flux"), np.uint8)
    assert np.abs(found - expected).mean() < 1
    assert described(tmp_path / "net.gguf", tmp_path / "flux").family.name.startswith("FLUX.1")


def _q4_k(values: Any) -> Any:
    """Blocks of 256 in eight groups of 32: scale and offset of each group in six bits, here alike,
    and four bits a value (the package unpacks this kind, and packs it not)."""
    rows = len(values)
    blocks = values.reshape(-1, 8, 32)
    low, high = blocks.min((1, 2)), blocks.max((1, 2))
    low = np.minimum(low, 0)
    step = np.maximum((high - low) / 15, 1e-8)
    levels = np.clip(np.rint((blocks - low[:, None, None]) / step[:, None, None]), 0, 15)
    levels = levels.astype(np.uint8).reshape(-1, 4, 2, 32)
    quarter = levels[:, :, 0] | (levels[:, :, 1] << 4)
    halves = np.stack([step, -low], 1).astype(np.float16).view(np.uint8).reshape(-1, 4)
    ones = np.array([1] * 8 + [0x11] * 4, np.uint8)  # six bits of 1 for every scale and offset
    packed = np.concatenate(
        [halves, np.broadcast_to(ones, (len(halves), 12)), quarter.reshape(-1, 128)], 1
    )
    return packed.reshape(rows, -1)


def test_gguf_without_its_package_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ninefold.engines.weight_headers.find_spec", lambda _: None)
    (tmp_path / "net.gguf").write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(ModelError, match=r"net\.gguf .*pip install 'ninefold\[gguf\]'"):
        described(tmp_path / "net.gguf")


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


def header_of(pipe: Any) -> dict[str, Any]:
    from tests.tiny_models.single_files import stable_diffusion_tensors

    return stable_diffusion_tensors(pipe)


def test_stable_diffusion_2_is_told_by_its_text_encoder(hub_cache: Path, tmp_path: Path) -> None:
    from tests.tiny_models.single_files import open_clip_tensors

    pipe = real_sd1()
    tensors = {k: v for k, v in header_of(pipe).items() if not k.startswith("cond_stage_model.")}
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


def test_a_checkpoint_of_tensors_needs_no_flag(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    import torch

    tensors = header_of(pipes("sd15"))
    torch.save({"state_dict": tensors, "global_step": 3}, tmp_path / "old.ckpt")
    assert close(made(tmp_path / "old.ckpt", tiny_models("sd15")), made(tiny_models("sd15")))
    torch.save({"state_dict": tensors, "callbacks": Path("x")}, tmp_path / "older.ckpt")
    with pytest.raises(ModelError, match=r"older\.ckpt .*convert it once"):
        described(tmp_path / "older.ckpt", tiny_models("sd15"))
    allowed = engine(allow_pickle=True)
    request = replace(text(model=f"{tmp_path}/older.ckpt|{tiny_models('sd15')}"), steps=1)
    image = allowed.run(request, SilentProgress()).image.tobytes()
    assert close(image, made(tiny_models("sd15")))


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
