"""Solvers of flow matching in the pipelines of their families, from text and from an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ninefold.core.errors import InputError
from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from tests.engines.conftest import from_image, text
from tests.tiny_models import tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NAMES = ("euler_beta", "heun", "euler_a", "dpmpp_2m_karras", "dpmpp_2m_sde", "unipc", "lcm")


@pytest.mark.parametrize("family", ["sd3", "flux", "sana"])
def test_solvers_of_flow_run_in_the_pipelines(family: str, tmp_path: Path) -> None:
    engine = build_engines(EngineSettings(device="cpu", loras=tmp_path)).diffusion
    model = str(tiny_model(family, tmp_path / family))
    info = engine.describe(model)
    assert info.scheduler_kind == "flow"
    width = height = info.min_size
    side = {"model": model, "width": width, "height": height, "steps": 3}
    source = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    seen = set()
    for name in NAMES:
        first = engine.run(text(scheduler=name, **side), SilentProgress()).image
        again = engine.run(text(scheduler=name, **side), SilentProgress()).image
        assert first.tobytes() == again.tobytes(), name
        seen.add(first.tobytes())
        changed = [
            engine.run(
                from_image(source, scheduler=name, strength=strength, **side), SilentProgress()
            ).image.astype(float)
            for strength in (0.25, 1.0)
        ]
        assert not np.array_equal(changed[0], changed[1]), name
    assert len(seen) == len(NAMES)
    with pytest.raises(InputError, match="gives nothing sensible with this flow-matching model"):
        engine.run(text(scheduler="ddim", **side), SilentProgress())
