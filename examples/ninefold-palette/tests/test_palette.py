"""The contracts that ship with ninefold, and what is this plugin's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ninefold_palette.engine import PALETTE, FilePalettes
from ninefold_palette.stage import RecolourStage

from ninefold import PipelineContext
from ninefold.core.errors import ModelError
from ninefold.engines.defaults import build_engines
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.testing import EngineContract, StageContract, fake_engines

IMAGE = np.random.default_rng(9).integers(0, 256, (48, 64, 3), np.uint8)


class TestFilePalettes(EngineContract):
    kind = PALETTE

    def make(self) -> Any:
        return FilePalettes(EngineResources())


class TestFakePalettes(EngineContract):
    kind = PALETTE

    def make(self) -> Any:
        return fake_engines()[PALETTE]


class TestRecolourContract(StageContract):
    stage_type = RecolourStage
    calls = "recolour"

    def inputs(self) -> dict[str, Any]:
        return {"image": IMAGE}


def test_only_colours_of_the_palette_are_left(tmp_path: Path) -> None:
    file = tmp_path / "two.json"
    file.write_text('{"colours": ["#000000", "#ffffff"]}')
    engines = build_engines(EngineSettings(device="cpu"))
    painted = engines[PALETTE].recolour(str(file), IMAGE)
    assert set(np.unique(painted)) == {0, 255}
    assert engines.stats().resident == {("palette", "two"): 6 * 4}


def test_the_stage_says_which_palette_it_took(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, image=IMAGE)
    engines = build_engines(EngineSettings(device="cpu"))
    asyncio.run(RecolourStage(engines=engines, palette="forest").execute(context))
    assert context.metadata["recolour"]["palette_hash"] == engines[PALETTE].hash("forest")


@pytest.mark.parametrize("content", ["[]", '{"colours": []}', '{"colours": ["red"]}', "no JSON"])
def test_what_is_no_palette_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(ModelError, match=r"bad\.json"):
        FilePalettes(EngineResources()).check(str(file))
