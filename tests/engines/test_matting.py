"""Matting on ONNX Runtime: what models in use give, and what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import InputError, ModelError
from ninefold.engines.defaults import build_engines
from ninefold.engines.matting import MATTING, OnnxMattingEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.testing import EngineContract, fake_engines
from tests.support import picture

from .conftest import needs_builtin
from .test_onnx_refusals import node, save

pytest.importorskip("onnx")

SETTINGS = EngineSettings(threads=1)
PLAIN = {"mean": "[0.0, 0.0, 0.0]", "std": "[1.0, 1.0, 1.0]"}


class TestFakeMatting(EngineContract):
    kind = MATTING

    def make(self) -> Any:
        return fake_engines()[MATTING]

    def test_coverage_has_the_size_of_the_image(self, engine: Any) -> None:
        for width, height in ((40, 24), (7, 1)):
            coverage = engine.matte(self.name(engine), picture(width, height))
            assert coverage.shape == (height, width)
            assert coverage.dtype == np.float32
            assert 0 <= coverage.min() <= coverage.max() <= 1

    def test_the_same_image_gives_the_same(self, engine: Any) -> None:
        first, second = (engine.matte(self.name(engine), picture(40, 24)) for _ in range(2))
        assert np.array_equal(first, second)


@needs_builtin
@pytest.mark.slow
class TestBuiltInMatting(TestFakeMatting):
    def make(self) -> Any:
        return build_engines(SETTINGS)[MATTING]


def engine() -> OnnxMattingEngine:
    return OnnxMattingEngine(EngineResources(SETTINGS))


def model(path: Path, case: str = "", **options: Any) -> str:
    """A network that takes for the subject what is bright, or one that is no matting model."""
    bright = node("ReduceMean", "images", "bright", axes=[1])
    out, constants = node("Identity", "bright", "out"), {}
    options = {"metadata": PLAIN} | options
    match case:
        case "logits":
            constants = {"half": np.float32(0.5), "steep": np.float32(40)}
            nodes = [bright, node("Sub", "bright half", "x"), node("Mul", "x steep", "out")]
            return save(path, nodes, constants, **options)
        case "no channel":
            nodes = [bright, node("Squeeze", "bright one", "out")]
            return save(path, nodes, {"one": np.array([1])}, **options)
        case "several":
            more = node("Neg", "bright", "more")
            return save(path, [bright, out, more], outputs=("out", "more"), **options)
        case "three channels":
            return save(path, [node("Identity", "images", "out")], **options)
        case "smaller":
            pool = node("MaxPool", "images", "small", kernel_shape=[2, 2], strides=[2, 2])
            return save(path, [pool, node("ReduceMean", "small", "out", axes=[1])], **options)
        case "labels":
            mean = node("ReduceMean", "images", "out", axes=[2, 3], keepdims=0)
            return save(path, [mean], **options)
    return save(path, [bright, out], constants, **options)


def halves(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Black on the left, white on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 255
    return pixels


@pytest.mark.parametrize("case", ["", "logits", "no channel", "several"])
@pytest.mark.parametrize(("width", "height"), [(96, 64), (640, 500), (40, 1000), (1, 1)])
def test_what_models_in_use_give_is_read(
    tmp_path: Path, case: str, width: int, height: int
) -> None:
    name = model(tmp_path / "m.onnx", case)
    engine().check(name)
    coverage = engine().matte(name, halves(width, height))
    assert coverage.shape == (height, width)
    assert coverage.dtype == np.float32
    assert 0 <= coverage.min() <= coverage.max() <= 1
    if width > 8:
        assert coverage[:, : width // 4].max() < 0.02
        assert coverage[:, width * 3 // 4 + 1 :].min() > 0.98


def test_the_edge_follows_a_large_image(tmp_path: Path) -> None:
    image = halves(1301, 700)
    coverage = engine().matte(model(tmp_path / "m.onnx"), image)
    assert coverage[:, :646].max() < 0.1
    assert coverage[:, 654:].min() > 0.9


def test_a_fixed_size_is_kept_to(tmp_path: Path) -> None:
    name = model(tmp_path / "m.onnx", shape=(1, 3, 64, 64))
    assert engine().matte(name, halves(300, 200)).shape == (200, 300)


def test_values_are_scaled_as_the_metadata_say(tmp_path: Path) -> None:
    """Without any, as ImageNet's: mid-grey is then nearly 0."""
    grey = np.full((64, 64, 3), 114, np.uint8)
    named = model(tmp_path / "named.onnx", "logits")
    usual = model(tmp_path / "usual.onnx", "logits", metadata={})
    assert engine().matte(named, grey).mean() == pytest.approx(0.106, abs=0.01)
    assert engine().matte(usual, grey).max() < 1e-3


@pytest.mark.parametrize(
    ("case", "got"),
    [
        ("three channels", "got 1 x 3 x 320 x 320"),
        ("smaller", "got 1 x 1 x 160 x 160"),
        ("labels", "got 1 x 3"),
    ],
)
def test_what_is_no_matting_model_is_refused_when_it_is_chosen(
    tmp_path: Path, case: str, got: str
) -> None:
    with pytest.raises(ModelError, match=rf"expected an output of 1 x 1 x 320 x 320.*{got}"):
        engine().check(model(tmp_path / "m.onnx", case))


@pytest.mark.parametrize(
    "metadata",
    [{"mean": "[0.5]"}, {"std": "[1, 0, 1]"}, {"mean": "red"}, {"imgsz": "[]"}, {"stride": "0"}],
)
def test_metadata_that_say_nothing_are_refused(tmp_path: Path, metadata: dict[str, str]) -> None:
    name = model(tmp_path / "m.onnx", metadata=PLAIN | metadata)
    with pytest.raises(ModelError, match="Export the model anew"):
        engine().check(name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("rembg", str(tmp_path / "none.onnx")):
        with pytest.raises(ModelError, match="No matting"):
            engine().check(name)


def test_an_array_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected height x width x 3"):
        engine().matte(model(tmp_path / "m.onnx"), np.zeros((4, 4), np.uint8))


@pytest.mark.slow
def test_the_built_in_model_finds_a_drawn_subject() -> None:
    from training.scenes import Scene, render
    from training.silhouettes import subject_mask

    built_in = build_engines(SETTINGS)[MATTING]
    scene = Scene(1, "balloon", "red", "left", "desert", "day")
    mask = np.asarray(subject_mask(scene, 256)) >= 128
    found = built_in.matte("matting", np.asarray(render(scene, 256))) >= 0.5
    assert (mask & found).sum() / (mask | found).sum() > 0.9
    twice = built_in.matte("matting", picture(64, 48))
    assert np.array_equal(twice, built_in.matte("matting", picture(64, 48)))
