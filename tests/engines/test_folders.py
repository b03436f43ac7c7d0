"""Diffusers folders in every precision and sharding, and what is said of those that are damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.hashing import weights_hash
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from .conftest import text

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]

SETTINGS = EngineSettings(device="cpu")


@pytest.fixture
def folder(tiny_models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of SDXL, in float32 and one file a network."""
    return Path(shutil.copytree(tiny_models("sdxl"), tmp_path / "sdxl"))


@pytest.fixture(autouse=True)
def _no_network(no_network: None) -> None:
    """Nothing here may touch it."""


def made(folder: Path, variant: str = "", **settings: Any) -> bytes:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu", **settings)))
    request = replace(text(model=f"{folder}{variant}"), steps=2)
    return engine.run(request, SilentProgress()).image.tobytes()


def by_hand(folder: Path, dtype: str = "float32", **options: Any) -> bytes:
    import diffusers
    import torch

    pipeline: Any = diffusers.DiffusionPipeline
    pipe = pipeline.from_pretrained(str(folder), dtype=getattr(torch, dtype), **options)
    pipe.set_progress_bar_config(disable=True)
    request = text()
    image = pipe(
        prompt=request.prompt,
        width=64,
        height=64,
        num_inference_steps=2,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
    ).images[0]
    return np.asarray(image).tobytes()


def convert(path: Path, dtype: str, suffix: str) -> Path:
    """Write a network's weights in another precision beside it."""
    import torch
    from safetensors.torch import load_file, save_file

    tensors = {name: w.to(getattr(torch, dtype)) for name, w in load_file(path).items()}
    target = path.with_name(f"{path.stem}.{suffix}.safetensors" if suffix else path.name)
    save_file(tensors, target, {"format": "pt"})
    return target


def networks(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


def test_a_folder_is_read_as_diffusers_reads_it(folder: Path) -> None:
    assert made(folder) == by_hand(folder)


@pytest.mark.parametrize("variant", ["fp16", "bf16"])
def test_a_folder_with_one_variant_alone_needs_no_setting(folder: Path, variant: str) -> None:
    dtype = {"fp16": "float16", "bf16": "bfloat16"}[variant]
    for path in networks(folder):
        convert(path, dtype, variant)
        path.unlink()
    assert made(folder) == by_hand(folder, variant=variant)
    assert made(folder, f":{variant}") == made(folder)


def test_components_in_different_precisions_are_each_read(folder: Path) -> None:
    expected = by_hand(folder)
    unet, vae = folder / "unet", folder / "vae"
    for part, dtype, variant in ((unet, "float16", "fp16"), (vae, "bfloat16", "bf16")):
        (path,) = part.glob("*.safetensors")
        convert(path, dtype, variant)
        path.unlink()
    found = resolve(str(folder), SETTINGS)
    assert found.layout is not None
    assert {item.name: item.variant for item in found.layout.networks} == {
        "unet": "fp16",
        "vae": "bf16",
        "text_encoder": None,
        "text_encoder_2": None,
    }
    image = np.frombuffer(made(folder), np.uint8).astype(int)
    assert np.abs(image - np.frombuffer(expected, np.uint8)).mean() < 8


def test_of_two_precisions_the_one_that_suits_is_read_and_hashed(folder: Path) -> None:
    full = networks(folder)
    half = [convert(path, "bfloat16", "bf16") for path in full]
    wide = resolve(str(folder), SETTINGS)
    narrow = resolve(str(folder), SETTINGS, precision=lambda *_: "bfloat16")
    assert sorted(wide.weights) == full
    assert sorted(narrow.weights) == sorted(half)
    assert weights_hash(wide.weights, folder) == weights_hash(full, folder)
    assert weights_hash(narrow.weights, folder) == weights_hash(half, folder)
    asked = resolve(f"{folder}:bf16", SETTINGS)
    assert sorted(asked.weights) == sorted(half)
    with pytest.raises(ModelError, match=r"no files of the variant 'fp8'; it has bf16"):
        resolve(f"{folder}:fp8", SETTINGS)


def test_the_precision_of_a_file_counts_rather_than_its_name(folder: Path) -> None:
    for path in networks(folder):
        convert(path, "float32", "fp16")  # what is called so is whole
        convert(path, "float16", "")
    assert all(".fp16." in path.name for path in resolve(str(folder), SETTINGS).weights)


def test_shards_are_read_with_their_index(folder: Path) -> None:
    import diffusers
    from transformers import CLIPTextModel

    expected = by_hand(folder)
    network: Any = diffusers.UNet2DConditionModel
    unet = network.from_pretrained(folder / "unet")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    for part, loaded in (("unet", unet), ("text_encoder", encoder)):
        for path in (folder / part).glob("*.safetensors"):
            path.unlink()
        loaded.save_pretrained(folder / part, max_shard_size="20KB", variant="fp16")
    found = resolve(str(folder), SETTINGS)
    assert len(found.weights) > 4
    assert made(folder) == expected


def pickled(folder: Path, extra: Any = None) -> None:
    """Turn the UNet into what older repositories ship."""
    import torch
    from safetensors.torch import load_file

    (path,) = (folder / "unet").glob("*.safetensors")
    content: Any = load_file(path)
    torch.save(content | ({} if extra is None else {"extra": extra}), path.with_suffix(".bin"))
    path.unlink()


def test_pickled_tensors_need_no_flag(folder: Path) -> None:
    expected = by_hand(folder)
    pickled(folder)
    assert made(folder) == expected


def test_pickles_of_any_protocol_are_read_without_a_warning(tmp_path: Path) -> None:
    import torch

    for protocol in (2, 3):
        file = tmp_path / f"{protocol}.pt"
        torch.save({"x": torch.ones(2)}, file, pickle_protocol=protocol)
        command = "import sys, pathlib; from ninefold.engines.weight_headers import read_header; "
        command += "print(*read_header(pathlib.Path(sys.argv[1])).tensors)"
        ran = subprocess.run(
            [sys.executable, "-c", command, file], capture_output=True, text=True, check=True
        )
        assert (ran.stdout, ran.stderr) == ("x\n", "")


def test_what_only_unpickling_loads_is_refused_with_the_conversion(folder: Path) -> None:
    pickled(folder, extra=Path("x"))
    with pytest.raises(ModelError, match=r"sdxl/unet: diffusion_pytorch_model\.bin.*convert it"):
        resolve(str(folder), SETTINGS)
    assert len(made(folder, allow_pickle=True)) == 64 * 64 * 3  # trusted


def test_other_formats_are_named(folder: Path) -> None:
    (path,) = (folder / "unet").glob("*.safetensors")
    path.rename(path.with_name("diffusion_flax_model.msgpack"))
    with pytest.raises(ModelError, match=r"sdxl/unet: .*msgpack.*safetensors version"):
        resolve(str(folder), SETTINGS)


def test_a_truncated_file_is_named_before_it_is_loaded(folder: Path) -> None:
    (path,) = (folder / "vae").glob("*.safetensors")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    expected = rf"sdxl/vae: .*is cut short: {size - 100:,} of {size:,} bytes.*Download it again"
    with pytest.raises(ModelError, match=expected):
        resolve(str(folder), SETTINGS)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ModelError, match=r"pointer of Git LFS"):
        resolve(str(folder), SETTINGS)


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder_2", "scheduler"])
def test_a_missing_component_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(ModelError, match=rf"sdxl/{part}: "):
        resolve(str(folder), SETTINGS)


def test_a_component_of_another_family_is_named(
    folder: Path, tiny_models: Callable[[str], Path]
) -> None:
    shutil.rmtree(folder / "vae")
    shutil.copytree(tiny_models("flux") / "vae", folder / "vae")
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"latent_channels": 4}))
    with pytest.raises(ModelError, match=r"sdxl/vae cannot be loaded: .*of two models"):
        made(folder)


def edit_index(folder: Path, **changes: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_family_that_diffusers_does_not_know_is_reported_before_anything_runs(
    folder: Path,
) -> None:
    edit_index(folder, _class_name="HologramPipeline")
    with pytest.raises(ModelError, match=r"sdxl asks for .*HologramPipeline.*Upgrade diffusers"):
        resolve(str(folder), SETTINGS)


@pytest.mark.parametrize("part", ["scheduler", "unet"])
def test_a_component_that_diffusers_does_not_know_is_reported_before_anything_runs(
    folder: Path, part: str
) -> None:
    edit_index(folder, **{part: ["diffusers", "HologramThing"]})
    with pytest.raises(ModelError, match=rf"sdxl asks for the {part} HologramThing, .*Upgrade"):
        resolve(str(folder), SETTINGS)


def test_a_scheduler_of_flow_matching_does_not_go_with_a_model_that_predicts_noise(
    folder: Path,
) -> None:
    edit_index(folder, scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    with pytest.raises(ModelError, match=r"sdxl: .*no use for the scheduler FlowMatchEuler"):
        resolve(str(folder), SETTINGS)


def test_the_schedulers_class_is_that_of_the_index(folder: Path) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_class_name": "HologramThing"}))
    assert describe(resolve(str(folder), SETTINGS)).scheduler_kind == "noise"


@pytest.mark.parametrize(
    ("config", "index"),
    [({"_class_name": "HologramThing"}, "PNDMScheduler"), ({"prediction_type": "odd"}, None)],
)
def test_what_a_scheduler_cannot_do_with_its_settings_is_said(
    folder: Path, config: dict[str, Any], index: str | None
) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    if index is not None:  # which has more steps of Runge and Kutta than there are here
        edit_index(folder, scheduler=["diffusers", index])
        path.write_text(json.dumps(config))
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | config))
    with pytest.raises(ModelError, match=r"sdxl: its scheduler, \w+, fails with these settings"):
        made(folder)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("unet", {"sample_size": -4}),
        ("unet", {"sample_size": 0}),
        ("unet", {"sample_size": 10**9}),
        ("vae", {"block_out_channels": [4] * 40}),
    ],
)
def test_sizes_that_no_model_has_are_refused(
    folder: Path, part: str, changes: dict[str, Any]
) -> None:
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=r"sdxl: its configs give a size of .*Mend sample_size"):
        describe(resolve(str(folder), SETTINGS))


def test_a_component_with_code_of_its_own_is_not_run(folder: Path) -> None:
    edit_index(folder, unet=["own", "OwnNet"])
    (folder / "unet" / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match="code of its own"):
        resolve(str(folder), SETTINGS)


def test_a_package_that_weights_need_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ninefold.engines.layouts.find_spec", lambda _: None)
    config = folder / "unet" / "config.json"
    quantised = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    config.write_text(json.dumps(json.loads(config.read_text()) | quantised))
    with pytest.raises(ModelError, match=r"sdxl/unet .*bitsandbytes.*pip install bitsandbytes"):
        resolve(str(folder), SETTINGS)


def test_a_tokenizer_that_needs_sentencepiece_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ninefold.engines.layouts.find_spec", lambda _: None)
    for path in (folder / "tokenizer_2").iterdir():
        path.unlink()
    (folder / "tokenizer_2" / "spiece.model").write_bytes(b"")
    with pytest.raises(ModelError, match=r"sdxl/tokenizer_2: .*pip install sentencepiece"):
        resolve(str(folder), SETTINGS)


def test_components_fill_in_what_a_folder_lacks(folder: Path, tmp_path: Path) -> None:
    expected = made(folder)
    shutil.copytree(folder, tmp_path / "whole")
    for part in ("tokenizer", "vae"):
        shutil.rmtree(folder / part)
    assert made(folder, f"|{tmp_path / 'whole'}") == expected
    assert "whole" not in resolve(f"{folder}|{tmp_path / 'whole'}", SETTINGS).name


def test_a_folder_of_models_says_which_it_holds(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no diffusers folder.*sdxl.*name one of these"):
        resolve(str(tmp_path), SETTINGS)
    with pytest.raises(ModelError, match=r"unet is no diffusers folder"):
        resolve(str(folder / "unet"), SETTINGS)


def test_an_autoencoder_of_another_model_is_refused(
    folder: Path, tiny_models: Callable[[str], Path]
) -> None:
    shutil.rmtree(folder / "vae")
    shutil.copytree(tiny_models("flux") / "vae", folder / "vae")
    expected = r"sdxl: .*the unet makes latents of 4 channels, and the vae reads 16"
    with pytest.raises(ModelError, match=expected):
        resolve(str(folder), SETTINGS)
