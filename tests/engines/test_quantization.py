"""Weights in fewer bits: smaller, near what they were, and said in the record."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ConfigError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.layouts import Component, Layout
from ninefold.engines.model_info import acting
from ninefold.engines.quantization import Quantization, quantize
from ninefold.engines.settings import EngineSettings
from tests.engines.conftest import text
from tests.tiny_models import tiny_model


def _network() -> Any:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(128, 256), torch.nn.GELU(), torch.nn.Linear(256, 128)
    )
    return network.eval().requires_grad_(False)


def _bytes(network: Any) -> int:
    tensors = (*network.parameters(), *network.buffers())
    return sum(item.numel() * item.element_size() for item in tensors)


@pytest.mark.parametrize(
    ("scheme", "part", "error"), [("fp8", 0.26, 0.08), ("int8", 0.27, 0.02), ("nf4", 0.2, 0.2)]
)
def test_weights_are_smaller_and_the_outcome_is_near(
    scheme: Quantization, part: float, error: float
) -> None:
    import torch

    if scheme != "fp8":
        pytest.importorskip("bitsandbytes")
    network, sample = _network(), torch.randn(4, 128)
    before, size = network(sample), _bytes(network)
    quantize(network, "transformer", scheme, torch.float32)
    after = network.to("cpu")(sample)
    assert _bytes(network) < part * size
    assert float((after - before).abs().mean() / before.abs().mean()) < error


def test_an_autoencoder_keeps_its_weights() -> None:
    import torch

    network = _network()
    size = _bytes(network)
    quantize(network, "vae", "fp8", torch.float32)
    assert _bytes(network) == size


@pytest.mark.parametrize("scheme", ["int8", "nf4"])
def test_a_missing_library_is_named_with_the_remedy(
    scheme: Quantization, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r"bitsandbytes.*ninefold\[quantization\]"):
        quantize(_network(), "transformer", scheme, torch.float32)


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="it is installed here")
@pytest.mark.parametrize("scheme", ["int8", "NF4"])
def test_a_setting_that_nothing_here_can_do_is_refused_at_the_start(scheme: str) -> None:
    expected = r"NINEFOLD_QUANTIZATION: expected fp8 or none.*pip install 'ninefold\[quant"
    with pytest.raises(ConfigError, match=expected):
        EngineSettings.from_environment({"NINEFOLD_QUANTIZATION": scheme})


def test_it_acts_on_what_is_not_packed_already(tmp_path: Path) -> None:
    names = {"transformer": "Net", "text_encoder": "Encoder", "vae": "Decoder"}
    whole = tuple(
        Component(name, "diffusers", cls, tmp_path / name, (tmp_path / f"{name}.safetensors",))
        for name, cls in names.items()
    )
    assert acting("fp8", Layout("It", whole, {})) == ("fp8", ())
    gguf = replace(whole[0], weights=(tmp_path / "net.GGUF",), prefix="")
    assert acting("fp8", Layout("It", (gguf, *whole[1:]), {})) == ("fp8", ("transformer",))
    assert acting("fp8", Layout("It", (gguf, whole[2]), {})) == ("none", ("transformer",))
    assert acting("none", Layout("It", (gguf, *whole[1:]), {})) == ("none", ())
    (tmp_path / "text_encoder").mkdir()
    config = {"quantization_config": {"quant_method": "bitsandbytes"}}
    (tmp_path / "text_encoder" / "config.json").write_text(json.dumps(config))
    assert acting("fp8", Layout("It", whole, {})) == ("fp8", ("text_encoder",))


def test_a_model_is_loaded_as_the_setting_says(tmp_path: Path) -> None:
    folder = str(tiny_model("flux", tmp_path / "flux"))
    made: dict[str, Any] = {}
    schemes: tuple[Quantization, ...] = ("none", "fp8")
    for scheme in schemes:
        settings = EngineSettings(device="cpu", loras=tmp_path, quantization=scheme)
        engines = build_engines(settings)
        side = engines.diffusion.describe(folder).min_size
        request = text(model=folder, width=side, height=side)
        made[scheme] = engines.diffusion.run(request, SilentProgress())
        held = sum(engines.stats().resident.values())
        made[f"{scheme} bytes"] = held
    assert made["fp8 bytes"] < 0.6 * made["none bytes"]
    assert made["fp8"].record.to_json()["quantization"] == "fp8"
    assert "quantization" not in made["none"].record.to_json()
    assert not np.array_equal(made["fp8"].image, made["none"].image)
