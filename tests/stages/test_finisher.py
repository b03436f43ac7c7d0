from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from ninefold import ConfigError, InputError, PipelineContext
from ninefold.files.store import write_image
from ninefold.stages import FinisherStage
from ninefold.stages.finisher import FinisherParams

from ..support import Pixels, files_in, picture, pixels_of, run
from .contract import StageContract

SOURCE = picture(64, 48)

CURVE = "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n"
CUBE = "LUT_3D_SIZE 2\n" + "\n".join(
    f"{1 - r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)
)


class TestFinisherContract(StageContract):
    stage_type = FinisherStage
    params: ClassVar[dict[str, Any]] = {
        "contrast": 1.2,
        "saturation": 0.8,
        "sharpness": 0.5,
        "grain": 0.1,
    }

    def inputs(self) -> dict[str, Any]:
        return {"image": SOURCE}

    def options(self) -> dict[str, Any]:
        return {"seed": 7}


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    return PipelineContext(tmp_path / "job", seed=7, image=SOURCE)


def finished(context: PipelineContext, **params: Any) -> Pixels:
    run(FinisherStage(**params).execute(context))
    return pixels_of(context["image"].path)


def test_the_defaults_leave_every_pixel_as_it_is(context: PipelineContext) -> None:
    assert np.array_equal(finished(context), SOURCE)
    record = context["image"]
    assert record.path == context["finished_path"] == context.workdir / "generated_finished.png"
    entry = context.metadata["finisher"]
    entry.pop("duration_ms")
    entry.pop("finished_at")
    assert entry == {"size": [64, 48]}


@pytest.mark.parametrize(
    "params",
    [
        {"brightness": 1.2}, {"brightness": 0}, {"contrast": 1.3}, {"contrast": 0},
        {"saturation": 0}, {"saturation": 2}, {"gamma": 0.5}, {"gamma": 2}, {"sharpness": 1},
        {"grain": 0.2},
    ],
)  # fmt: skip
def test_each_parameter_acts_and_is_on_record(
    context: PipelineContext, params: dict[str, float]
) -> None:
    assert (finished(context, **params) != SOURCE).any()
    assert context.metadata["finisher"].items() >= params.items()


def test_each_parameter_acts_as_it_says(tmp_path: Path) -> None:
    def with_(**params: Any) -> Pixels:
        context = PipelineContext(tmp_path, seed=7, image=SOURCE)
        return finished(context, **params).astype(int)

    plain = SOURCE.astype(int)
    assert with_(brightness=1.5).mean() > plain.mean() > with_(brightness=0.5).mean()
    assert with_(gamma=2).mean() > plain.mean() > with_(gamma=0.5).mean()
    assert with_(contrast=1.5).std() > plain.std() > with_(contrast=0.5).std()
    assert np.ptp(with_(saturation=0), axis=2).max() <= 1
    assert np.ptp(with_(saturation=1.5), axis=2).mean() > np.ptp(plain, axis=2).mean()
    rough = np.abs(np.diff(plain, axis=1)).mean()
    assert np.abs(np.diff(with_(sharpness=1), axis=1)).mean() > rough
    assert np.abs(np.diff(with_(grain=0.5), axis=1)).mean() > rough


def test_the_radius_and_the_size_of_grains_count(tmp_path: Path) -> None:
    results = set()
    for params in (
        {"sharpness": 1}, {"sharpness": 1, "sharpness_radius": 4},
        {"grain": 0.3}, {"grain": 0.3, "grain_size": 4},
    ):  # fmt: skip
        context = PipelineContext(tmp_path, seed=7, image=SOURCE)
        results.add(finished(context, **params).tobytes())
    assert len(results) == 4


def test_grain_is_fixed_by_the_seed(tmp_path: Path) -> None:
    grains = []
    for seed in (7, 7, 8):
        context = PipelineContext(tmp_path, seed=seed, image=SOURCE)
        grains.append(finished(context, grain=0.3).tobytes())
    assert grains[0] == grains[1] != grains[2]


# -- colour transfer ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["wavelet", "statistics"])
def test_the_colours_of_the_unscaled_image_return(context: PipelineContext, method: str) -> None:
    pale = (SOURCE // 2 + 100).astype(np.uint8)
    unscaled = context["image"]
    context["unscaled_image"] = unscaled
    context["image"] = write_image(context, "upscaler", "pale.png", pale)

    def distance(amount: float) -> float:
        context["image"] = write_image(context, "upscaler", "pale.png", pale)
        result = finished(context, colour_transfer=amount, colour_method=method)
        return float(np.abs(result.mean(axis=(0, 1)) - SOURCE.mean(axis=(0, 1))).max())

    assert distance(1) < 3
    assert distance(1) < distance(0.5) < distance(0)


def test_without_an_upscaler_there_are_no_colours_to_return(context: PipelineContext) -> None:
    assert np.array_equal(finished(context, colour_transfer=1), SOURCE)


# -- LUT and overlay ------------------------------------------------------------------------------


def test_a_curve_and_a_cube_are_applied(context: PipelineContext, tmp_path: Path) -> None:
    (tmp_path / "invert.cube").write_text(CURVE)
    assert np.array_equal(finished(context, lut=tmp_path / "invert.cube"), 255 - SOURCE)
    context.set("image", SOURCE)
    (tmp_path / "red.cube").write_text(CUBE)
    result = finished(context, lut=str(tmp_path / "red.cube"))
    assert np.array_equal(result[..., 0], 255 - SOURCE[..., 0])
    assert np.array_equal(result[..., 1:], SOURCE[..., 1:])


def test_the_amount_of_a_lut(context: PipelineContext, tmp_path: Path) -> None:
    (tmp_path / "invert.cube").write_text(CURVE)
    assert np.array_equal(finished(context, lut=tmp_path / "invert.cube", lut_amount=0), SOURCE)
    half = finished(context, lut=tmp_path / "invert.cube", lut_amount=0.5)
    assert np.abs(half.astype(int) - 127.5).max() <= 1


def _logo(folder: Path) -> Path:
    logo = np.zeros((8, 16, 4), np.uint8)
    logo[..., 1] = 255
    logo[:, :8, 3] = 255
    Image.fromarray(logo).save(folder / "logo.png")
    return folder / "logo.png"


def test_an_overlay_is_laid_on_top(context: PipelineContext, tmp_path: Path) -> None:
    result = finished(context, overlay=_logo(tmp_path))
    assert (result[40:48, 48:56] == (0, 255, 0)).all()
    changed = (result != SOURCE).any(axis=2)
    changed[40:48, 48:56] = False
    assert not changed.any()
    assert context.metadata["finisher"]["overlay"] == "logo.png"


@pytest.mark.parametrize(
    ("params", "left", "top"),
    [
        ({"overlay_place": "top-left"}, 0, 0),
        ({"overlay_place": "top-left", "overlay_margin": 5}, 5, 5),
        ({"overlay_place": "centre"}, 24, 20),
        ({"overlay_place": "bottom-right", "overlay_margin": 4}, 44, 36),
        ({"overlay_place": "top-left", "overlay_scale": 0.5}, 0, 0),
    ],
)
def test_where_the_overlay_goes(
    context: PipelineContext, tmp_path: Path, params: dict[str, Any], left: int, top: int
) -> None:
    result = finished(context, overlay=_logo(tmp_path), **params)
    rows, columns = np.nonzero((result != SOURCE).any(axis=2))
    assert (columns.min(), rows.min()) == (left, top)
    assert columns.max() - left + 1 == pytest.approx(8 * (2 if "overlay_scale" in params else 1), 1)


def test_the_opacity_of_an_overlay(context: PipelineContext, tmp_path: Path) -> None:
    logo = _logo(tmp_path)
    assert np.array_equal(finished(context, overlay=logo, overlay_opacity=0), SOURCE)
    half = finished(context, overlay=logo, overlay_opacity=0.5)[40:48, 48:56]
    assert np.abs(half - (SOURCE[40:48, 48:56] / 2 + (0, 127.5, 0))).max() <= 1


# -- bad files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reported"),
    [
        ("none.cube", None, "cannot be read: No such file"),
        ("empty.cube", b"", "expected LUT_1D_SIZE or LUT_3D_SIZE"),
        ("short.cube", b"LUT_1D_SIZE 3\n0 0 0\n", "expected 3 table rows"),
        ("word.cube", b"LUT_1D_SIZE 2\n0 0 x\n1 1 1\n", r"line 2: expected 3 finite numbers"),
        ("binary.cube", b"\x89PNG\r\n\x1a\n\xff\xfe", "expected"),
    ],
)
def test_a_lut_that_cannot_be_read_is_refused(
    context: PipelineContext, tmp_path: Path, name: str, content: bytes | None, reported: str
) -> None:
    _refused(context, tmp_path, "lut", name, content, reported)


@pytest.mark.parametrize(
    ("name", "content", "reported"),
    [
        ("none.png", None, "expected a file that can be read"),
        ("empty.png", b"", "an empty file"),
        ("text.png", b"hello", "expected PNG, JPEG, WEBP, AVIF, JXL"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0", "corrupt or cut short"),
    ],
)
def test_an_overlay_that_cannot_be_read_is_refused(
    context: PipelineContext, tmp_path: Path, name: str, content: bytes | None, reported: str
) -> None:
    _refused(context, tmp_path, "overlay", name, content, reported)


def _refused(
    context: PipelineContext,
    folder: Path,
    what: str,
    name: str,
    content: bytes | None,
    reported: str,
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    files = files_in(folder)
    with pytest.raises(InputError, match=rf"finisher\.{what}: {name}.*{reported}"):
        finished(context, **{what: folder / name})
    assert context.error is not None
    assert context.error.user_error
    assert files_in(folder) == files
    with pytest.raises(InputError, match=rf"finisher\.{what}: "):
        finished(context, **{what: folder})


def test_an_overlay_without_room_is_refused(context: PipelineContext, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="room between the margins"):
        finished(context, overlay=_logo(tmp_path), overlay_margin=40)


@pytest.mark.parametrize(
    "name", [name for name, field in FinisherParams.model_fields.items() if field.metadata]
)
@pytest.mark.parametrize("value", [-1, 1e9, "much"])
def test_a_parameter_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"finisher\.{name}: .*got"):
        FinisherStage(**{name: value})


def test_an_unknown_place_or_method_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"overlay_place.*'bottom-right'.*got 'middle'"):
        FinisherStage(overlay_place="middle")
    with pytest.raises(ConfigError, match=r"colour_method.*got 'lab'"):
        FinisherStage(colour_method="lab")
