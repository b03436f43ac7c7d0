from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.core.errors import ConfigError
from ninefold.engines.defaults import default_engines
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
