"""A stage whose model is replaced while it is used fails: its record names one model."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ninefold import ModelError, PipelineContext
from ninefold.engines.detection import FakeDetection
from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.matting import FakeMatting
from ninefold.engines.upscaling import FakeUpscale
from ninefold.stages import DetailerStage, InspectorStage, MatteStage, UpscalerStage
from ninefold.testing import fake_engines

from ..support import picture, run


@pytest.mark.parametrize(
    ("stage", "engine", "params"),
    [
        (UpscalerStage, FakeUpscale, {}),
        (DetailerStage, FakeDetection, {}),
        (InspectorStage, FakeDetection, {"detector": FakeDetection().models()[0]}),
        (MatteStage, FakeMatting, {}),
    ],
)
def test_it_fails(
    stage: Any,
    engine: type[FakeModels],
    params: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = count()
    monkeypatch.setattr(engine, "hash", lambda *_: fake_hash(next(numbers)))
    context = PipelineContext(tmp_path, image=picture(80, 56), prompt="a red house", seed=7)
    with pytest.raises(ModelError, match="its weights were replaced while they were"):
        run(stage(engines=fake_engines(), **params).execute(context))
    assert not tmp_path.joinpath("generated_upscaled.png").exists()
