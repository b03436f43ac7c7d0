from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, ImageRecord, InputError, ModelError, Pipeline, PipelineContext
from ninefold.core.progress import StageProgress
from ninefold.engines.faults import fake_hash
from ninefold.files.store import read_image
from ninefold.imaging.resize import resize
from ninefold.stages import UpscalerStage
from ninefold.testing import fake_engines

from ..support import Pixels, picture, pixels_of, run
from .contract import StageContract


class TestUpscalerContract(StageContract):
    stage_type = UpscalerStage
    params: ClassVar[dict[str, Any]] = {"tile": 32, "overlap": 8}
    calls = "upscale"
    reports = 2

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(80, 56)}


def upscaled(folder: Path, pixels: Pixels, **params: Any) -> PipelineContext:
    context = PipelineContext(folder, image=pixels)
    return run(UpscalerStage(engines=fake_engines(), **params).execute(context))


def test_an_image_is_doubled_by_default(tmp_path: Path) -> None:
    source = picture(40, 30)
    context = upscaled(tmp_path, source)
    assert np.array_equal(pixels_of(context["image"].path), source.repeat(2, 0).repeat(2, 1))
    assert context["upscaled_path"] == context["image"].path == tmp_path / "generated_upscaled.png"
    assert context["upscale_factor"] == 2.0
    assert context["unscaled_image"].path == tmp_path / "source.png"
    assert (
        context.metadata["upscaler"].items()
        >= {
            "upscale_factor": 2.0,
            "original_size": [40, 30],
            "upscaled_size": [80, 60],
            "upscalers": ["2x"],
            "upscaler_hashes": [fake_hash(12)],
        }.items()
    )


@pytest.mark.parametrize(
    ("factor", "passes"),
    [
        (1, []), (1.5, ["2x"]), (2, ["2x"]), (3, ["4x"]), (4, ["4x"]), (5, ["4x", "2x"]),
        (8, ["4x", "2x"]), (math.pi, ["4x"]), (7.3, ["4x", "2x"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [(40, 30), (33, 17), (5, 3)])
def test_any_factor_from_1_to_8(
    tmp_path: Path, factor: float, passes: list[str], size: tuple[int, int]
) -> None:
    context = upscaled(tmp_path, picture(*size), upscale_factor=factor)
    expected = round(size[0] * factor), round(size[1] * factor)
    assert context["image"].size == expected
    assert pixels_of(context["image"].path).shape[1::-1] == expected
    entry = context.metadata["upscaler"]
    assert (entry["upscale_factor"], entry["original_size"]) == (factor, list(size))
    assert (entry["upscaled_size"], entry["upscalers"]) == (list(expected), passes)


def test_a_factor_of_one_keeps_every_pixel(tmp_path: Path) -> None:
    source = picture(40, 30)
    context = upscaled(tmp_path, source, upscale_factor=1)
    assert np.array_equal(pixels_of(context["image"].path), source)


@pytest.mark.parametrize(("tile", "overlap"), [(32, 0), (32, 16), (48, 24), (64, 32), (4096, 0)])
def test_tiles_do_not_show(tmp_path: Path, tile: int, overlap: int) -> None:
    source = picture(150, 101)
    context = upscaled(tmp_path, source, tile=tile, overlap=overlap)
    assert np.array_equal(pixels_of(context["image"].path), source.repeat(2, 0).repeat(2, 1))


def test_an_overlap_larger_than_the_tile_makes_the_tile_larger(tmp_path: Path) -> None:
    context = upscaled(tmp_path, picture(300, 20), tile=32, overlap=100)
    assert context["image"].size == (600, 40)


def test_progress_runs_through_all_passes(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, image=picture(64, 64))
    seen: list[float] = []
    context.progress = StageProgress(lambda done, total, _: seen.append(done / total))
    stage = UpscalerStage(upscale_factor=8, tile=32, overlap=0, engines=fake_engines())
    run(stage.execute(context))
    assert seen == sorted(set(seen))
    assert len(seen) == 4 + 64
    assert seen[3] == 0.5
    assert seen[-1] == 1


def test_a_model_of_choice_is_repeated_until_the_factor_is_reached(tmp_path: Path) -> None:
    context = upscaled(tmp_path, picture(20, 20), upscale_factor=8, upscaler="2x")
    assert context.metadata["upscaler"]["upscalers"] == ["2x", "2x", "2x"]
    assert context["image"].size == (160, 160)
    with pytest.raises(ModelError, match="8x"):
        upscaled(tmp_path, picture(20, 20), upscaler="8x")


def test_a_second_upscaler_keeps_the_first_ones_original(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, image=picture(20, 20))
    original = context["image"]
    engines = fake_engines()
    pipeline = Pipeline([UpscalerStage(engines=engines), UpscalerStage(engines=engines)])
    run(pipeline.execute(context))
    context.raise_for_error()
    assert context["unscaled_image"] == original
    assert context["image"].size == (80, 80)
    assert [artifact.name for artifact in context.artifacts] == [
        "generated_upscaled.png",
        "generated_upscaled_2.png",
    ]


def test_a_result_that_would_be_too_large_is_refused_before_any_work(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path)
    context["image"] = ImageRecord(tmp_path / "none.png", 4000, 4000, "RGB", "0" * 64, "input")
    with pytest.raises(InputError, match=r"got 32000x32000\. Choose a smaller upscale_factor"):
        run(UpscalerStage(upscale_factor=8, engines=fake_engines()).execute(context))


@pytest.mark.parametrize("factor", [0.5, 8.5, 0, -2, "big", float("nan")])
def test_other_factors_are_refused(factor: Any) -> None:
    with pytest.raises(ConfigError, match=r"upscaler\.upscale_factor"):
        UpscalerStage(upscale_factor=factor)


@pytest.mark.parametrize(
    ("size", "cropped"), [((160, 120), False), ((160, 160), True), ((20, 30), True)]
)
def test_an_image_is_enlarged_to_a_size_and_cut_to_its_shape(
    tmp_path: Path, size: tuple[int, int], cropped: bool
) -> None:
    source = picture(80, 60)
    context = upscaled(tmp_path, source, width=size[0], height=size[1], upscaler="nearest")
    assert context["image"].size == size
    before = pixels_of(context["unscaled_image"].path)
    assert (before.shape != source.shape) == cropped
    height, width = before.shape[:2]
    top, left = (60 - height) // 2, (80 - width) // 2
    assert np.array_equal(before, source[top : top + height, left : left + width])
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_size_needs_both_sides_and_may_not_be_too_large(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected width and height, or neither"):
        UpscalerStage(engines=fake_engines(), width=100)
    with pytest.raises(InputError, match="at most 8 times"):
        upscaled(tmp_path, picture(20, 20), width=200, height=20)


def test_no_side_is_longer_than_can_be_read_again(tmp_path: Path) -> None:
    strip = np.zeros((1, 16_384 // 2, 3), np.uint8)
    context = upscaled(tmp_path / "fits", strip, upscaler="nearest")
    context.pixels.clear()
    assert read_image(context, context["image"]).shape == (2, 16_384, 3)
    context = PipelineContext(tmp_path / "more", image=np.zeros((1, 16_384, 3), np.uint8))
    (line,) = Pipeline([UpscalerStage(engines=fake_engines())]).problems(context)
    assert line.startswith("upscaler: expected at most 16,384 pixels a side, got 32768x2.")


@pytest.mark.slow
def test_the_largest_image_can_be_read_again(tmp_path: Path) -> None:
    context = upscaled(
        tmp_path, np.zeros((1100, 8192, 3), np.uint8), upscaler="nearest", width=16_384, height=8192
    )
    context.pixels.clear()
    assert read_image(context, context["image"]).shape == (8192, 16_384, 3)


@pytest.mark.parametrize("name", ["lanczos", "nearest"])
def test_filters_are_upscalers_too(tmp_path: Path, name: str) -> None:
    source = picture(40, 30)
    context = upscaled(tmp_path, source, upscale_factor=2, upscaler=name)
    assert context.metadata["upscaler"]["upscalers"] == [name]
    enlarged = pixels_of(context["image"].path)
    assert np.array_equal(enlarged, source.repeat(2, 0).repeat(2, 1)) == (name == "nearest")


@pytest.mark.parametrize("size", [(160, 60), (40, 60), (81, 61)])
def test_an_image_can_be_stretched_to_a_size(tmp_path: Path, size: tuple[int, int]) -> None:
    source = picture(80, 60)
    context = upscaled(tmp_path, source, width=size[0], height=size[1], fit="stretch")
    assert context["image"].size == size
    assert context["unscaled_image"].size == (80, 60)  # nothing was cut off
    width, height = size
    edges = pixels_of(context["image"].path)[[0, -1], :, :].astype(float)
    expected = resize(source, width, height)[[0, -1], :, :].astype(float)
    assert np.abs(edges - expected).mean() < 24
