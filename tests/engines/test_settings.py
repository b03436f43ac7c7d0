from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from ninefold.core.errors import ConfigError
from ninefold.engines.defaults import default_engines
from ninefold.engines.devices import choose_device
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings


def test_settings_come_from_the_environment() -> None:
    settings = EngineSettings.from_environment(
        {
            "NINEFOLD_DEVICE": "CPU",
            "NINEFOLD_ALLOW_PICKLE": "yes",
            "NINEFOLD_LORAS": "/srv/loras",
            "NINEFOLD_MEMORY_GB": "1.5",
            "NINEFOLD_THREADS": "2",
            "NINEFOLD_MAX_BATCH": "4",
        }
    )
    assert settings == EngineSettings(
        device="cpu",
        allow_pickle=True,
        loras=Path("/srv/loras"),
        memory_gb=1.5,
        threads=2,
        max_batch=4,
    )
    assert EngineSettings.from_environment({}) == EngineSettings()


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        EngineSettings.from_environment(
            {
                "NINEFOLD_DEVICE": "tpu",
                "NINEFOLD_ALLOW_DOWNLOAD": "maybe",
                "NINEFOLD_THREADS": "many",
                "NINEFOLD_MEMORY_GB": "-1",
            }
        )
    assert len(caught.value.problems) == 4


def test_the_default_engines_are_shared() -> None:
    assert default_engines() is default_engines()


def test_no_heavy_import_before_a_request() -> None:
    code = (
        "import sys; import ninefold.testing, ninefold.engines.engine_set; "
        "from ninefold.engines.defaults import default_engines; e = default_engines(); "
        "e.diffusion.models(), e.upscaling.models(), e.detection.models(); "
        "heavy = {'torch', 'diffusers', 'transformers', 'onnxruntime'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("given", "gib"),
    [
        ("auto", 0),
        ("24GB", 24),
        ("24 GiB", 24),
        ("24", 24),
        (24, 24),
        ("1.5g", 1.5),
        ("512MB", 0.5),
    ],
)
def test_memory_is_a_size(given: Any, gib: float) -> None:
    settings = EngineSettings(memory=given)
    assert settings.memory == gib * 2**30
    assert EngineSettings(memory=settings.memory) == settings


@pytest.mark.parametrize("given", ["much", "-1GB", "24TB!", "", None])
def test_no_memory_is_guessed(given: Any) -> None:
    with pytest.raises(ValidationError, match="memory"):
        EngineSettings(memory=given)


def test_memory_limits_what_cuda_gives_and_what_idle_models_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    limits: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    card = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)
    settings = EngineSettings(memory="20GB")
    assert choose_device(settings).name == "cuda"
    assert limits == [0.25]
    assert EngineResources(settings).memory_budget("cuda") == 10 * 2**30
