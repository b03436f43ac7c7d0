"""A seamless image stays one, or a stage says that it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import PipelineContext
from ninefold.engines.detection import Detection
from ninefold.engines.upscaling import UPSCALING, FakeUpscale
from ninefold.imaging.types import Pixels
from ninefold.stages import (
    DetailerStage,
    RefinerStage,
    RestorerStage,
    TextToImageStage,
    UpscalerStage,
)
from ninefold.testing import fake_engines

from ..support import picture, pixels_of, recording_engines, run


def context_with(folder: Path, **changes: Any) -> PipelineContext:
    inputs = {"prompt": "a red house", "seed": 7, "image": picture(128, 128), **changes}
    context = PipelineContext(folder, **inputs)
    context.set("tiling", "both")
    return context


def test_it_is_a_parameter_of_the_painting_stage(tmp_path: Path) -> None:
    engines, requests = recording_engines()
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    run(TextToImageStage(tiling="x", engines=engines).execute(context))
    assert [request.tiling for request in requests] == ["x"]
    assert context["tiling"] == "x"
    assert context.metadata["text_to_image"]["tiling"] == "x"
    plain = PipelineContext(tmp_path / "plain", prompt="a red house", seed=7)
    run(TextToImageStage(engines=engines).execute(plain))
    assert requests[-1].tiling == plain["tiling"] == "none"


def test_a_model_that_cannot_is_reported_before_anything_runs(tmp_path: Path) -> None:
    engines, _ = recording_engines(pipeline_class="FluxPipeline")
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    (problem,) = TextToImageStage(tiling="both", engines=engines).problems(context)
    assert problem.startswith("text_to_image.tiling: ")
    assert "FLUX.1" in problem
    assert not list(TextToImageStage(engines=engines).problems(context))


def test_the_refiner_keeps_it_where_its_model_can(tmp_path: Path) -> None:
    engines, requests = recording_engines()
    context = context_with(tmp_path / "a")
    run(RefinerStage(engines=engines).execute(context))
    assert requests[0].tiling == "both"
    assert "warnings" not in context.metadata["refiner"]
    engines, requests = recording_engines(pipeline_class="FluxPipeline")
    context = context_with(tmp_path / "b")
    run(RefinerStage(engines=engines).execute(context))
    assert requests[0].tiling == "none"
    (warning,) = context.metadata["refiner"]["warnings"]
    assert warning.startswith("The edges of the image no longer meet. tiling: ")


@pytest.mark.parametrize(("box", "warned"), [((40, 40, 80, 80), False), ((0, 40, 60, 80), True)])
def test_the_detailer_reports_regions_at_an_edge(
    tmp_path: Path, box: tuple[int, int, int, int], warned: bool
) -> None:
    engines, _ = recording_engines([Detection("face", 0.9, *box)])
    context = context_with(tmp_path)
    run(DetailerStage(engines=engines).execute(context))
    warnings = context.metadata["detailer"].get("warnings", [])
    assert ["no longer meet" in warning for warning in warnings] == [True] * warned


def test_the_restorer_reports_it(tmp_path: Path) -> None:
    engines, _ = recording_engines()
    context = context_with(tmp_path)
    run(RestorerStage(engines=engines).execute(context))
    (warning,) = context.metadata["restorer"]["warnings"]
    assert "no longer meet" in warning


@dataclass(frozen=True)
class Blurring(FakeUpscale):
    """Each pixel is also its neighbours', as in a model that looks around."""

    sizes: list[tuple[int, ...]] = field(default_factory=list)

    def upscale(self, model: str, image: Pixels) -> Pixels:
        self.sizes.append(image.shape[:2])
        edged = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
        mixed = (edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:]) / 4
        return super().upscale(model, np.rint(mixed).astype(np.uint8))


def test_the_upscaler_looks_round_the_edges(tmp_path: Path) -> None:
    engines = fake_engines().with_engines(UPSCALING, Blurring())

    def enlarged(name: str, image: Pixels, tiling: str) -> Pixels:
        context = context_with(tmp_path / name, image=image)
        context.set("tiling", tiling)
        run(UpscalerStage(engines=engines).execute(context))
        found: Pixels = pixels_of(context["image"].path)
        return found

    image = picture(96, 96)
    shifted = np.ascontiguousarray(np.roll(image, (10, 20), (0, 1)))
    whole = enlarged("a", image, "both")
    assert whole.shape == (192, 192, 3)
    again = enlarged("b", shifted, "both")
    assert np.array_equal(again, np.roll(whole, (20, 40), (0, 1)))
    edged = enlarged("c", image, "none")
    assert not np.array_equal(edged, whole)
    assert np.array_equal(edged[20:-20, 20:-20], whole[20:-20, 20:-20])
