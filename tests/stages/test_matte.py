"""`matte`: the subject without its background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import ConfigError, ModelError, PipelineContext
from ninefold.config import PipelineConfig
from ninefold.engines.faults import fake_hash
from ninefold.engines.matting import MATTING, FakeMatting
from ninefold.files.store import read_alpha, read_image
from ninefold.imaging.types import Alpha, Mask, Pixels
from ninefold.slots import IMAGE
from ninefold.stages import MatteStage
from ninefold.testing import fake_engines

from ..support import picture, run
from .contract import StageContract

WIDTH, HEIGHT = 80, 64


class TestMatteContract(StageContract):
    stage_type = MatteStage
    calls = "matte"
    reports = 1

    def inputs(self) -> dict[str, Any]:
        return {"image": picture(WIDTH, HEIGHT)}

    def test_it_hands_on_what_is_transparent(self, tmp_path: Path) -> None:
        """What is left is what both keep: the image's own alpha and the cut."""
        alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
        alpha[:, : WIDTH // 2] = 0
        layers = np.dstack([picture(WIDTH, HEIGHT), alpha])
        kept, _ = cut(tmp_path, image=layers)
        assert not kept[:, : WIDTH // 2].any()
        assert np.array_equal(kept[:, WIDTH // 2 :], SUBJECT[:, WIDTH // 2 :])


class Drawn(FakeMatting):
    """A matting model that finds what it is given."""

    def __init__(self, coverage: Mask) -> None:
        super().__init__()
        object.__setattr__(self, "coverage", coverage)

    def matte(self, model: str, image: Pixels) -> Mask:
        found: Mask = self.coverage  # type: ignore[attr-defined]
        return found


def cut(
    folder: Path, coverage: Mask | None = None, image: Any = None, **params: Any
) -> tuple[Alpha, PipelineContext]:
    """The alpha after the stage (255 everywhere where it is opaque), and the context."""
    engines = fake_engines()
    if coverage is not None:
        engines = engines.with_engines(MATTING, Drawn(coverage))
    context = PipelineContext(folder, image=picture(WIDTH, HEIGHT) if image is None else image)
    run(MatteStage(engines=engines, **params).execute(context))
    alpha = read_alpha(context, context[IMAGE])
    return np.full((HEIGHT, WIDTH), 255, np.uint8) if alpha is None else alpha, context


SUBJECT = (FakeMatting().matte("matting", picture(WIDTH, HEIGHT)) * 255).astype(np.uint8)


def two_parts() -> Mask:
    coverage = np.zeros((HEIGHT, WIDTH), np.float32)
    coverage[8:40, 8:40] = coverage[48:56, 60:70] = 1
    return coverage


def test_the_subject_stays_and_the_rest_is_transparent(tmp_path: Path) -> None:
    alpha, context = cut(tmp_path)
    assert np.array_equal(alpha, SUBJECT)
    image = context[IMAGE]
    assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
    inside = SUBJECT == 255
    assert np.array_equal(read_image(context, image)[inside], picture(WIDTH, HEIGHT)[inside])
    entry = context.metadata["matte"]
    assert (entry["matting"], entry["matting_hash"]) == ("matting", fake_hash(3))
    assert entry["kept"] == round(float((SUBJECT > 0).mean()), 4)
    assert "warnings" not in entry


def test_the_rest_may_become_a_colour(tmp_path: Path) -> None:
    alpha, context = cut(tmp_path, background="navy")
    assert context[IMAGE].mode == "RGB"
    assert alpha.min() == 255
    pixels = read_image(context, context[IMAGE])
    assert (pixels[SUBJECT == 0] == (0, 0, 128)).all()
    assert context.metadata["matte"]["background"] == "#000080"
    assert "warnings" not in context.metadata["matte"]


def test_a_transparent_image_is_laid_on_the_colour_too(tmp_path: Path) -> None:
    layers = np.dstack([picture(WIDTH, HEIGHT), np.zeros((HEIGHT, WIDTH), np.uint8)])
    layers[:, :50, 3] = 255
    _, context = cut(tmp_path, image=layers, background="#010203")
    pixels = read_image(context, context[IMAGE])
    assert (pixels[:, 50:] == (1, 2, 3)).all()
    assert "warnings" not in context.metadata["matte"]


def test_the_background_may_be_kept_instead(tmp_path: Path) -> None:
    alpha, _ = cut(tmp_path, invert=True)
    assert np.array_equal(alpha, 255 - SUBJECT)


def test_the_largest_part_may_be_kept_alone(tmp_path: Path) -> None:
    alpha, _ = cut(tmp_path / "all", two_parts())
    assert alpha[50, 65] == 255
    alpha, _ = cut(tmp_path / "largest", two_parts(), keep_largest=True)
    assert alpha[50, 65] == 0
    assert alpha[8:40, 8:40].min() == 255


def test_a_feather_softens_the_edge(tmp_path: Path) -> None:
    hard, _ = cut(tmp_path / "hard")
    soft, _ = cut(tmp_path / "soft", feather=3)
    assert set(np.unique(hard)) == {0, 255}
    assert len(np.unique(soft)) > 50
    assert soft[HEIGHT // 2, WIDTH // 2] == 255
    assert abs(int(soft.sum()) - int(hard.sum())) < 0.02 * hard.sum()


def test_the_threshold_keeps_more_or_less(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    kept = [
        int((cut(tmp_path / str(t), ramp, threshold=t)[0] >= 128).sum()) for t in (0.2, 0.5, 0.8)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[1] == HEIGHT * WIDTH // 2
    assert kept[0] - kept[1] == pytest.approx(0.3 * HEIGHT * WIDTH, rel=0.1)


@pytest.mark.parametrize("params", [{}, {"invert": True}, {"background": "red"}])
def test_where_nothing_is_found_the_image_stays_and_a_warning_says_so(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    faint = np.full((HEIGHT, WIDTH), 0.04, np.float32)
    alpha, context = cut(tmp_path, faint, **params)
    assert alpha.min() == 255
    assert np.array_equal(read_image(context, context[IMAGE]), picture(WIDTH, HEIGHT))
    assert context.metadata["matte"]["warnings"] == [
        "nothing was found to cut out; the image stayed as it was."
    ]


@pytest.mark.parametrize(
    ("params", "transparent"),
    [
        ({"invert": True}, slice(0, 0)),
        ({"feather": 128}, slice(0, 0)),
        ({}, slice(16, 64)),
    ],
    ids=["inverted, the subject fills the image", "a wide feather", "it is transparent there"],
)
def test_an_image_never_vanishes_without_a_word(
    tmp_path: Path, params: dict[str, Any], transparent: slice
) -> None:
    coverage = np.zeros((HEIGHT, WIDTH), np.float32)
    coverage[24:40, 24:40] = 1
    if "invert" in params:
        coverage[:] = 1
    layers = np.dstack([picture(WIDTH, HEIGHT), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    layers[transparent, transparent, 3] = 0
    alpha, context = cut(tmp_path, coverage, layers, **params)
    assert np.array_equal(alpha, layers[..., 3])
    (warning,) = context.metadata["matte"]["warnings"]
    assert warning.startswith("nothing would be left to see")
    assert context.metadata["matte"]["kept"] == 1


def test_what_shows_in_part_keeps_its_colours(tmp_path: Path) -> None:
    """As glass and shadows do: they are no mix with what was behind the subject."""
    layers = np.dstack([picture(WIDTH, HEIGHT), np.full((HEIGHT, WIDTH), 60, np.uint8)])
    alpha, context = cut(tmp_path, image=layers)
    inside = SUBJECT == 255
    assert (alpha[inside] == 60).all()
    assert not alpha[~inside].any()
    pixels = read_image(context, context[IMAGE])
    assert np.array_equal(pixels[inside], layers[inside][:, :3])


def test_the_model_sees_nothing_of_what_is_transparent(tmp_path: Path) -> None:
    seen = []

    class Watched(FakeMatting):
        def matte(self, model: str, image: Pixels) -> Mask:
            seen.append(image)
            return super().matte(model, image)

    layers = np.dstack([picture(WIDTH, HEIGHT), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    layers[:, :20, 3] = 0
    context = PipelineContext(tmp_path, image=layers)
    engines = fake_engines().with_engines(MATTING, Watched())
    run(MatteStage(engines=engines).execute(context))
    (image,) = seen
    assert (image[:, :20] == 128).all()
    assert np.array_equal(image[:, 20:], layers[:, 20:, :3])


def test_a_model_that_is_not_at_hand_is_reported_before_the_run(tmp_path: Path) -> None:
    stage = MatteStage(engines=fake_engines(), matting="u2net")
    (problem,) = stage.unusable_models()
    assert problem.startswith("matte.matting: ")
    with pytest.raises(ModelError):
        run(stage.execute(PipelineContext(tmp_path, image=picture(8, 8))))


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 0), ("threshold", 1), ("feather", -1), ("background", "sand dune")],
)
def test_a_parameter_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"matte\.{name}"):
        MatteStage(**{name: value})


def test_it_stands_where_a_config_puts_it(tmp_path: Path) -> None:
    """Not in a preset; its alpha goes through all that comes after it."""
    for preset in ("draft", "standard", "full"):
        assert "matte" not in [step.stage for step in PipelineConfig.preset(preset).stages]
    stages = ["prompt", "text_to_image", "matte", "upscaler", "finisher", "inspector", "publisher"]
    config = PipelineConfig.parse({"stages": [{"stage": name} for name in stages]})
    context = PipelineContext(tmp_path, prompt="a red house", seed=7)
    run(config.build(fake_engines()).execute(context))
    context.raise_for_error()
    assert context[IMAGE].mode == "RGBA"
    assert context.metadata["publisher"]["transparent"] == ["png"]
