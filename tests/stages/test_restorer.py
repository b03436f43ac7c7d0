from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, InputError, PipelineContext
from ninefold.engines.defaults import default_engines
from ninefold.engines.diffusion import ImageToImage
from ninefold.imaging.likeness import ssim
from ninefold.imaging.measures import seam_strength
from ninefold.imaging.resize import resize
from ninefold.slots import MAX_SEED
from ninefold.stages import RestorerStage, TextToImageStage, UpscalerStage
from ninefold.testing import fake_engines

from ..support import Pixels, picture, pixels_of, recording_engines, run
from .contract import StageContract

#: Least likeness (SSIM) of what the restorer makes to what it was given: of all of it, and of the
#: composition, which a quarter of the size still shows.
LEAST_SSIM = 0.6
LEAST_SSIM_OF_COMPOSITION = 0.85


class TestRestorerContract(StageContract):
    stage_type = RestorerStage
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 10}
    calls = "image_to_image"
    reports = 4

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(160, 128)}


def restored(
    folder: Path, pixels: Pixels, seed: int = 7, **params: Any
) -> tuple[PipelineContext, list[ImageToImage]]:
    engines, requests = recording_engines()
    context = PipelineContext(folder, prompt="a red house", seed=seed, image=pixels)
    run(RestorerStage(engines=engines, **params).execute(context))
    asked = [request for request in requests if isinstance(request, ImageToImage)]
    assert len(asked) == len(requests)
    return context, asked


def test_an_image_is_worked_over_in_tiles(tmp_path: Path) -> None:
    context, requests = restored(tmp_path, picture(256, 192))
    assert {(request.width, request.height) for request in requests} == {(128, 128)}
    assert [request.seed for request in requests] == list(range(7, 7 + len(requests)))
    assert {request.strength for request in requests} == {0.2}
    assert {request.prompt for request in requests} == {""}
    record = context["image"]
    assert (record.size, record.made_by) == ((256, 192), "restorer")
    assert record.path == context["restored_path"] == tmp_path / "generated_restored.png"
    assert (
        context.metadata["restorer"].items()
        >= {
            "strength": 0.2,
            "size": [256, 192],
            "tile": 128,
            "overlap": 32,
            "tiles": len(requests),
            "model": "poster",
        }.items()
    )
    seams = context["seams"]
    assert (seams.width, seams.height) == (256, 192)
    assert (len(seams.columns) + 1) * (len(seams.rows) + 1) == len(requests) == 6


@pytest.mark.parametrize(
    "size", [(128, 128), (129, 128), (300, 40), (33, 47), (16, 16), (5, 5), (1, 200), (131, 257)]
)
def test_any_size_comes_back_as_it_was(tmp_path: Path, size: tuple[int, int]) -> None:
    context, requests = restored(tmp_path, picture(*size))
    assert context["image"].size == size
    assert pixels_of(context["image"].path).shape[1::-1] == size
    for request in requests:
        assert (request.width % 16, request.height % 16) == (0, 0)
        assert min(request.width, request.height) >= 32


@pytest.mark.parametrize(
    ("tile", "overlap", "tiles"), [(64, 0.0, 16), (64, 0.5, 49), (256, 0.25, 1), (100, 0.25, 16)]
)
def test_tile_and_overlap(tmp_path: Path, tile: int, overlap: float, tiles: int) -> None:
    context, requests = restored(tmp_path, picture(256, 256), tile=tile, overlap=overlap)
    assert len(requests) == tiles
    assert context.metadata["restorer"]["tile"] == tile
    assert context["image"].size == (256, 256)


def test_a_tile_that_the_model_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nearest: 512"):
        restored(tmp_path, picture(600, 600), tile=1024)


def test_tiles_leave_no_seam(tmp_path: Path) -> None:
    """The fake paints every tile in other colours, which is as hard as it gets."""
    y, x = np.mgrid[0:320, 0:320]
    smooth = np.stack([x * 0.6, y * 0.6, 200 - x * 0.3], axis=2).astype(np.uint8)
    context, _ = restored(tmp_path, smooth, strength=0.5)
    result, seams = pixels_of(context["image"].path), context["seams"]
    assert seams.columns
    assert seam_strength(result, seams.columns, seams.rows) < 1.5
    hard, _ = restored(tmp_path, smooth, strength=0.5, overlap=0, colour_fix=0)
    columns, rows = hard["seams"].columns, hard["seams"].rows
    assert seam_strength(pixels_of(hard["image"].path), columns, rows) > 3


def test_the_large_scale_colours_are_kept(tmp_path: Path) -> None:
    source = picture(256, 256)

    def shift(colour_fix: float) -> float:
        context, _ = restored(tmp_path, source, strength=0.5, colour_fix=colour_fix)
        result = pixels_of(context["image"].path).astype(float)
        return float(np.abs((result - source).mean(axis=(0, 1))).max())

    assert shift(1) < 1.5
    assert shift(0) > 2 * shift(1)


def test_a_prompt_of_its_own(tmp_path: Path) -> None:
    _, requests = restored(tmp_path, picture(64, 64), prompt="{prompt}, sharp")
    assert requests[0].prompt == "a red house, sharp"


def test_after_the_largest_seed_comes_nought(tmp_path: Path) -> None:
    _, requests = restored(tmp_path, picture(200, 64), seed=MAX_SEED - 1)
    assert [request.seed for request in requests] == [MAX_SEED - 1, 0]


@pytest.mark.parametrize(
    "params", [{"strength": 0}, {"tile": 16}, {"overlap": 0.6}, {"colour_fix": 2}, {"tile": 1.5}]
)
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    (name,) = params
    with pytest.raises(ConfigError, match=f"restorer.{name}"):
        RestorerStage(**params)


@pytest.mark.slow
def test_the_built_in_model_keeps_the_composition(tmp_path: Path) -> None:
    engines = default_engines()
    context = PipelineContext(tmp_path, prompt="a red house by the sea", seed=7)
    run(TextToImageStage(engines=engines, steps=8).execute(context))
    run(UpscalerStage(engines=engines, upscale_factor=1.5).execute(context))
    before = pixels_of(context["image"].path)
    run(RestorerStage(engines=engines).execute(context))
    after, seams = pixels_of(context["image"].path), context["seams"]
    assert (before != after).any()
    assert ssim(before, after) > LEAST_SSIM
    small = [resize(pixels, after.shape[1] // 4, after.shape[0] // 4) for pixels in (before, after)]
    assert ssim(*small) > LEAST_SSIM_OF_COMPOSITION
    assert seam_strength(after, seams.columns, seams.rows) < 2


def test_the_fake_keeps_the_composition(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, seed=7, image=picture(200, 150))
    run(RestorerStage(engines=fake_engines()).execute(context))
    assert ssim(picture(200, 150), pixels_of(context["image"].path)) > LEAST_SSIM
