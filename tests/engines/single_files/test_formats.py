"""Single files in few bits, and those that have to be unpacked or unpickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.call_settings import without_effect
from ninefold.engines.references import with_components

from ..conftest import text
from .helpers import MARKS, Make, close, described, engine, made, save

pytestmark = MARKS


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
    eight = engine(quantization="fp8")
    packed = with_components(str(tmp_path / "net.gguf"), str(tmp_path / "flux"))
    info = eight.describe(packed)
    assert (info.quantization, info.packed) == ("fp8", ("transformer",))
    plain = eight.describe(str(tmp_path / "flux"))
    assert (plain.quantization, plain.packed) == ("fp8", ())
    (warning,) = without_effect(info, "", info.guidance_scale)
    assert "`quantization` does not act on transformer" in warning


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


def test_a_checkpoint_of_tensors_needs_no_flag(
    tiny_models: Make, pipes: Callable[[str], Any], tmp_path: Path
) -> None:
    import torch

    from tests.tiny_models.single_files import stable_diffusion_tensors

    tensors = stable_diffusion_tensors(pipes("sd15"))
    torch.save({"state_dict": tensors, "global_step": 3}, tmp_path / "old.ckpt")
    assert close(made(tmp_path / "old.ckpt", tiny_models("sd15")), made(tiny_models("sd15")))
    torch.save({"state_dict": tensors, "callbacks": Path("x")}, tmp_path / "older.ckpt")
    with pytest.raises(ModelError, match=r"older\.ckpt .*convert it once"):
        described(tmp_path / "older.ckpt", tiny_models("sd15"))
    allowed = engine(allow_pickle=True)
    request = replace(text(model=f"{tmp_path}/older.ckpt|{tiny_models('sd15')}"), steps=1)
    image = allowed.run(request, SilentProgress()).image.tobytes()
    assert close(image, made(tiny_models("sd15")))
