"""What is reported before anything runs: inputs that would do nothing, and sizes that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ninefold import InputError, Pipeline, PipelineContext
from ninefold.core.wiring import Step
from ninefold.engines.checks import fitting_size, nearest_sizes
from ninefold.stages import (
    DetailerStage,
    PromptStage,
    PublisherStage,
    RefinerStage,
    RestorerStage,
    TextToImageStage,
    UpscalerStage,
)
from ninefold.testing import fake_engines

from ..support import box_mask, picture, run

ENGINES = fake_engines()
MASK = box_mask(128, 128, (32, 32, 96, 96))


def pipeline(*stages: Any) -> Pipeline:
    return Pipeline([PromptStage(engines=ENGINES), *stages])


def painter(**params: Any) -> TextToImageStage:
    return TextToImageStage(engines=ENGINES, **params)


def problems(folder: Path, made: Pipeline, **slots: Any) -> tuple[str, ...]:
    return made.problems(PipelineContext(folder, prompt="a red house", seed=7, **slots))


# -- masks ------------------------------------------------------------------------------------


def strokes(colour: int, ground: int) -> Image.Image:
    """Opaque strokes of a grey on a transparent ground."""
    image = Image.new("LA", (64, 64), (ground, 0))
    image.paste((colour, 255), (10, 10, 40, 40))
    return image


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), 12, np.uint8),
        Image.new("1", (64, 64)),
        strokes(0, 255),
        strokes(0, 0),
        Image.fromarray(np.full((64, 64), 3_000, np.uint16)),
        Image.new("RGBA", (64, 64), (255, 255, 255, 0)),
    ],
)
def test_a_mask_without_white_is_refused(tmp_path: Path, mask: Any) -> None:
    with pytest.raises(InputError, match=r"expected white where to paint.*Paint the place white"):
        PipelineContext(tmp_path, mask=mask)
    assert not (tmp_path / "mask.png").exists()


@pytest.mark.parametrize(
    "mask",
    [
        MASK,
        np.full((64, 64), 255, np.uint8),
        np.full((64, 64), 80, np.uint8),
        strokes(255, 0),
        strokes(200, 255),
        Image.fromarray(np.full((64, 64), 40_000, np.uint16)),
        Image.new("1", (64, 64), 1),
        Image.new("P", (64, 64), 1),
    ],
)
def test_a_mask_with_white_is_taken(tmp_path: Path, mask: Any) -> None:
    if isinstance(mask, Image.Image) and mask.mode == "P":
        mask.putpalette([0, 0, 0, 255, 255, 255])
    assert PipelineContext(tmp_path, mask=mask)["mask"].width in (64, 128)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_colour_of_a_grey_mask_is_black(tmp_path: Path, depth: int) -> None:
    from ninefold.files.decode import decode, decode_mask
    from tests.files.colours import png

    white = (1 << depth) - 1
    if depth == 16:
        row = b"\xff\xff\x80\x00\xff\xfe"
    elif depth == 8:
        row = b"\xff\x80\xfe"
    else:  # white, then half (or black)
        half = white // 2
        bits = white << 2 * depth | half << depth | half
        row = (bits << (-3 * depth % 8)).to_bytes(-(-3 * depth // 8))
    data = png((3, 1), depth, 0, [row], (b"tRNS", white.to_bytes(2)))
    mask = decode_mask(data)[0]
    assert mask[0] == 0
    assert mask[1] == pytest.approx((white // 2 + (depth >= 8)) / white, abs=0.01)
    assert decode(data)[0, 0].tolist() == [255, 255, 255]
    assert (decode_mask(png((3, 1), depth, 0, [row]))[0][0]) == 1


def test_a_transparent_colour_of_sixteen_bits_a_channel() -> None:
    from ninefold.files.decode import decode_rgba
    from tests.files.colours import png

    row = bytes.fromhex("03e807d00bb8ea60ea60ea60")
    data = png((2, 1), 16, 2, [row], (b"tRNS", bytes.fromhex("03e807d00bb8")))
    assert decode_rgba(data)[0, :, 3].tolist() == [0, 255]


def test_a_mask_that_no_stage_would_use_is_refused(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, pipeline(painter()), mask=MASK)
    assert line == (
        "mask: would have no effect. text_to_image takes a mask only with an image. Give one too, "
        "or leave it out."
    )
    assert not problems(tmp_path, pipeline(painter()), mask=MASK, image=picture(128, 128))
    detailer = DetailerStage(engines=ENGINES)
    assert not problems(tmp_path, pipeline(painter(), detailer), mask=MASK)
    refiner = RefinerStage(engines=ENGINES, refinement_level=0)
    assert "refinement_level 0" in problems(tmp_path, pipeline(painter(), refiner), mask=MASK)[0]
    assert not problems(tmp_path, pipeline(painter(), painter()), mask=MASK)
    upscaler = UpscalerStage(engines=ENGINES)
    (line,) = problems(tmp_path, Pipeline([upscaler]), mask=MASK, image=picture(64, 64))
    assert "No stage of this pipeline takes it" in line


def test_a_run_without_a_check_before_it_is_stopped_too(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, prompt="a red house", mask=MASK)
    run(pipeline(painter()).execute(context))
    assert context.error is not None
    assert context.error.user_error
    assert "mask: would have no effect" in context.error.message
    assert not context.artifacts


@pytest.mark.parametrize(
    ("mask", "fits"),
    [
        ((128, 64), True),
        ((256, 128), True),
        ((64, 33), True),
        ((128, 128), False),
        ((64, 128), False),
    ],
)
def test_a_mask_has_the_shape_of_the_image(
    tmp_path: Path, mask: tuple[int, int], fits: bool
) -> None:
    white = np.full((mask[1], mask[0]), 255, np.uint8)
    found = problems(tmp_path, pipeline(painter()), mask=white, image=picture(400, 200))
    assert bool(found) is not fits
    if found:
        assert found[0].startswith("mask: expected the shape of the image, 400x200")


def test_a_mask_has_the_shape_of_the_image_that_is_to_be_made(tmp_path: Path) -> None:
    made = pipeline(painter(width=256, height=128), DetailerStage(engines=ENGINES))
    (line,) = problems(tmp_path, made, mask=MASK)
    assert "mask: expected the shape of the image, 256x128" in line
    assert not problems(tmp_path, made, mask=MASK[32:96])


def test_a_mask_that_is_lost_in_scaling_is_reported(tmp_path: Path) -> None:
    dot = np.zeros((1024, 1024), np.uint8)
    dot[500, 500] = 255
    context = PipelineContext(tmp_path, prompt="a", image=picture(1024, 1024), mask=dot)
    run(pipeline(painter()).execute(context))
    context.raise_for_error()
    (warning,) = context.metadata["text_to_image"]["warnings"]
    assert "nothing of it is left at 128x128" in warning


# -- sizes ------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(width=st.integers(1, 8192), height=st.integers(1, 8192))
def test_a_size_chosen_for_a_source_is_one_the_model_can_do(width: int, height: int) -> None:
    info = ENGINES.diffusion.describe("poster")
    if max(width, height) > 17.6 * min(width, height):
        with pytest.raises(InputError, match="Crop or pad it"):
            fitting_size((width, height), info)
        return
    found = fitting_size((width, height), info)
    for side in found:
        assert nearest_sizes(side, info) == (side,)
    stretched = (found[0] / found[1]) / (width / height)
    assert 0.65 < stretched < 1.55  # sides of 32 in steps of 16


def test_a_banner_is_refused_before_it_runs(tmp_path: Path) -> None:
    banner = picture(2000, 8)
    (line,) = problems(tmp_path, pipeline(painter()), image=banner)
    assert "expected at most 16 times as long as wide" in line
    assert "got 2000x8" in line
    assert "Crop or pad it" in line
    assert not problems(tmp_path, pipeline(painter(width=512, height=32)), image=banner)
    (line,) = problems(tmp_path, pipeline(painter(width=512)), image=banner)
    assert "width 512 leaves no size that has the image's shape, 2000x8" in line


@pytest.mark.parametrize(("size", "painted"), [((1600, 100), (512, 32)), ((90, 1200), (32, 464))])
def test_a_narrow_source_is_brought_within_the_models_limits(
    tmp_path: Path, size: tuple[int, int], painted: tuple[int, int]
) -> None:
    context = PipelineContext(tmp_path, prompt="a", image=picture(*size))
    assert not pipeline(painter()).problems(context)
    run(pipeline(painter()).execute(context))
    context.raise_for_error()
    assert context["image"].size == painted


def test_a_refiner_of_an_image_that_its_model_cannot_do(tmp_path: Path) -> None:
    refiner = RefinerStage(engines=ENGINES)
    (line,) = problems(tmp_path, pipeline(refiner), image=picture(100, 77))
    assert line.startswith("refiner: expected an image whose sides are multiples of 16")
    assert "got 100x77" in line
    assert not problems(tmp_path, pipeline(refiner), image=picture(112, 80))
    assert not problems(tmp_path, pipeline(painter(), refiner), image=picture(100, 77))


def test_tiles_that_the_model_cannot_do(tmp_path: Path) -> None:
    restorer = RestorerStage(engines=ENGINES, tile=1024)
    (line,) = problems(tmp_path, pipeline(painter(), restorer))
    assert line.startswith("restorer.tile: expected at most 512")


def test_an_image_that_grows_too_large_is_reported_with_the_stage(tmp_path: Path) -> None:
    upscalers = [UpscalerStage(engines=ENGINES, upscale_factor=8) for _ in range(3)]
    (line,) = problems(tmp_path, pipeline(painter(), *upscalers))
    assert line.startswith("upscaler_3: expected at most 16,384 pixels a side, got 65536x65536")
    lenient = [Step(stage, "skip") for stage in upscalers]
    assert not problems(tmp_path, pipeline(painter(), *lenient))


def test_a_format_that_cannot_hold_the_image_is_reported_before_the_run(tmp_path: Path) -> None:
    stages = [
        painter(width=512, height=32),
        UpscalerStage(engines=ENGINES, upscale_factor=8),
        UpscalerStage(engines=ENGINES, upscale_factor=4),
    ]
    webp = PublisherStage(engines=ENGINES, formats=["png", "webp"])
    (line,) = problems(tmp_path, pipeline(*stages, webp))
    assert "publisher.formats: webp holds at most 16,383 pixels a side" in line
    assert "16384x1024" in line
    assert not problems(tmp_path, pipeline(*stages, PublisherStage(engines=ENGINES)))


# -- colours ----------------------------------------------------------------------------------


def test_outside_a_mask_an_edit_keeps_the_colours_that_the_source_showed(tmp_path: Path) -> None:
    from ninefold.files.decode import decode
    from tests.files.colours import DISPLAY_P3

    shown = np.full((128, 128, 3), (230, 90, 60), np.uint8)
    Image.fromarray(shown).save(tmp_path / "p3.png", icc_profile=DISPLAY_P3)
    made = pipeline(painter(), PublisherStage(engines=ENGINES, formats=["png"]))
    context = PipelineContext(
        tmp_path / "run", prompt="a", seed=3, image=tmp_path / "p3.png", mask=MASK
    )
    run(made.execute(context))
    context.raise_for_error()
    final = decode(context["outputs"][0].path)
    outside: NDArray[np.bool_] = MASK[..., 0] == 0
    assert np.abs(final[outside].astype(int) - (249, 77, 45)).max() <= 1
    assert (final[~outside] != (249, 77, 45)).any()


def test_a_pillow_image_brings_its_profile(tmp_path: Path) -> None:
    from tests.files.colours import DISPLAY_P3

    image = Image.new("RGB", (64, 64), (230, 90, 60))
    image.info["icc_profile"] = DISPLAY_P3
    context = PipelineContext(tmp_path, image=image)
    with Image.open(context["image"].path) as kept:
        assert kept.getpixel((5, 5)) == (249, 77, 45)


# -- black images -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage", [TextToImageStage, RefinerStage, DetailerStage, RestorerStage], ids=lambda s: s.name
)
def test_a_black_image_is_a_failure_of_the_stage_or_a_warning(tmp_path: Path, stage: Any) -> None:
    engines = fake_engines(black_seeds=[7])
    slots: dict[str, Any] = {} if stage is TextToImageStage else {"image": picture(128, 128)}
    for on_black in ("fail", "warn"):
        context = PipelineContext(tmp_path / on_black, prompt="a", seed=7, **slots)
        made = Pipeline(
            [stage(engines=engines, on_black=on_black), PublisherStage(engines=engines)]
        )
        run(made.execute(context))
        if on_black == "fail":
            assert context.error is not None
            assert context.error.stage == stage.name
            assert "black" in context.error.message
            assert "outputs" not in context
        else:
            context.raise_for_error()
            assert any("black" in line for line in context.metadata[stage.name]["warnings"])
            manifest = (context.workdir / "outputs" / "manifest.json").read_text()
            assert "poster gave a black image" in manifest


# -- strength ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [TextToImageStage, DetailerStage, RestorerStage])
@pytest.mark.parametrize(("strength", "refused"), [(1e-9, True), (9e-4, True), (1e-3, False)])
def test_a_strength_that_leaves_no_step_of_the_longest_schedule_is_refused(
    tmp_path: Path, stage: Any, strength: float, refused: bool
) -> None:
    made = pipeline(stage(engines=ENGINES, strength=strength))
    found = problems(tmp_path, made, image=picture(64, 64))
    expected = f"{stage.name}.strength: expected 0.001 to 1, which "
    assert [text.startswith(expected) for text in found] == [True] * refused


def test_strength_is_nothing_to_a_first_image(tmp_path: Path) -> None:
    assert problems(tmp_path, pipeline(painter(strength=1e-9))) == ()
