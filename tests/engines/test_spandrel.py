"""spandrel's families, on tiny networks of random weights made here."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.engines import spandrel_upscaling
from ninefold.engines.defaults import build_engines
from ninefold.engines.loading import LOADING
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.spandrel_upscaling import SpandrelUpscaleEngine
from tests.engines.conftest import RecordingLock

pytestmark = [
    pytest.mark.skipif(find_spec("spandrel") is None, reason="spandrel is an extra"),
    # torch's, at functions that the families call
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SETTINGS = EngineSettings(threads=1, device="cpu")

FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "ESRGAN": ({"num_filters": 8, "num_blocks": 1, "scale": 4}, 4),
    "Compact": ({"num_feat": 8, "num_conv": 2, "upscale": 2}, 2),
    "SPAN": ({"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2}, 2),
    "SwinIR": (
        {
            "img_size": 16, "embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2),
            "window_size": 4, "mlp_ratio": 2, "upscale": 2, "upsampler": "pixelshuffledirect",
        },
        2,
    ),
    "HAT": (
        {
            "img_size": 16, "embed_dim": 12, "depths": (2,), "num_heads": (2,), "window_size": 4,
            "mlp_ratio": 2, "upscale": 2, "compress_ratio": 3, "squeeze_factor": 4,
            "upsampler": "pixelshuffle", "num_feat": 8,
        },
        2,
    ),
    "DAT": (
        {
            "img_size": 16, "embed_dim": 32, "depth": (2,), "num_heads": (2,),
            "split_size": (4, 4), "expansion_factor": 2, "upscale": 2,
            "upsampler": "pixelshuffledirect",
        },
        2,
    ),
}  # fmt: skip


def tensors(family: str) -> dict[str, Any]:
    import torch

    with spandrel_upscaling._without_torchvision():
        architectures = import_module(f"spandrel.architectures.{family}")
    torch.manual_seed(0)
    found: dict[str, Any] = getattr(architectures, family)(**FAMILIES[family][0]).state_dict()
    return {name: value.contiguous().clone() for name, value in found.items()}


def saved(path: Path, family: str) -> str:
    from safetensors.torch import save_file

    save_file(tensors(family), path)
    return str(path)


def engine() -> SpandrelUpscaleEngine:
    return SpandrelUpscaleEngine(EngineResources(SETTINGS))


def noise(height: int = 21, width: int = 34) -> Any:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_told_by_their_tensors(tmp_path: Path, family: str) -> None:
    model, scale = saved(tmp_path / "u.safetensors", family), FAMILIES[family][1]
    upscaling = engine()
    upscaling.check(model)
    assert upscaling.scale(model) == scale
    made = upscaling.upscale(model, noise())
    assert made.shape == (21 * scale, 34 * scale, 3)
    assert made.std() > 0
    assert np.array_equal(made, upscaling.upscale(model, noise()))
    assert upscaling.upscale(model, noise(1, 3)).shape == (scale, 3 * scale, 3)


def test_it_is_what_spandrel_gives_by_hand(tmp_path: Path) -> None:
    import torch

    model = saved(tmp_path / "u.safetensors", "Compact")
    made = engine().upscale(model, noise())
    import spandrel

    by_hand = spandrel.ModelLoader().load_from_file(model)
    batch = torch.from_numpy(noise().transpose(2, 0, 1).astype(np.float32) / 255)[None]
    expected = by_hand(batch)[0].clamp(0, 1).mul(255).round().byte().numpy().transpose(1, 2, 0)
    assert np.array_equal(made, expected)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"params_ema": state}])
def test_files_of_torch_with_nothing_but_tensors(tmp_path: Path, wrap: Any) -> None:
    import torch

    torch.save(wrap(tensors("Compact")), tmp_path / "u.pth")
    assert engine().scale(str(tmp_path / "u.pth")) == 2


def test_the_margin_is_measured(tmp_path: Path) -> None:
    model = saved(tmp_path / "u.safetensors", "Compact")
    # Three and two convolutions of 3 x 3, each of which looks a pixel further.
    assert 1 <= engine().margin(model) <= 4


class NoTensor:
    def __reduce__(self) -> Any:
        return print, ("ran",)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        engine().check(str(path))
    return str(caught.value)


def test_what_is_no_upscaler_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import save_file

    torch.save({"params": NoTensor()}, tmp_path / "pickle.pth")
    assert "can run any code, so it is refused. Convert it to .safetensors" in refused(
        tmp_path / "pickle.pth"
    )
    assert capsys.readouterr().out == ""
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert "of a family that spandrel knows" in refused(tmp_path / "other.safetensors")
    for name, write in (("short.safetensors", saved), ("short.pth", None)):
        path = tmp_path / name
        if write is not None:
            write(path, "Compact")
        else:
            torch.save(tensors("Compact"), path)
        path.write_bytes(path.read_bytes()[:2000])
        assert f"{name} is cut short" in refused(path)
    assert "there is no such file" in refused(tmp_path / "none.pth")
    broken = {name: value * float("nan") for name, value in tensors("Compact").items()}
    save_file(broken, tmp_path / "nan.safetensors")
    assert "no numbers" in refused(tmp_path / "nan.safetensors")


def test_nothing_else_is_loaded_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = saved(tmp_path / "u.safetensors", "Compact")
    lock = RecordingLock()
    assert vars(spandrel_upscaling)["LOADING"] is LOADING
    monkeypatch.setattr(spandrel_upscaling, "LOADING", lock)
    checked = spandrel_upscaling._checked

    def check(*args: Any) -> Any:
        assert lock.holders == 1
        return checked(*args)

    monkeypatch.setattr(spandrel_upscaling, "_checked", check)
    engine().check(model)
    assert lock.holders == 0


def test_without_the_package_its_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = saved(tmp_path / "u.safetensors", "Compact")
    monkeypatch.setattr(spandrel_upscaling, "find_spec", lambda name: None)
    assert r"needs the package spandrel: `pip install 'ninefold[spandrel]'`" in refused(Path(model))


def test_engines_choose_by_the_file(tmp_path: Path) -> None:
    engines = build_engines(SETTINGS)
    model = saved(tmp_path / "u.safetensors", "Compact")
    assert engines.upscaling.scale(model) == 2
    assert "2x" in engines.upscaling.models()


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is there")
def test_nothing_of_the_stand_in_for_torchvision_stays(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ninefold.engines.spandrel_upscaling import _without_torchvision\n"
        "from importlib.util import find_spec\n"
        "with _without_torchvision():\n    import spandrel\n    find_spec('torchvision.ops')\n"
        "    from transformers.utils import is_torchvision_available\n"
        "    assert not is_torchvision_available()\n"
        "assert not [name for name in sys.modules if name.startswith('torchvision')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
