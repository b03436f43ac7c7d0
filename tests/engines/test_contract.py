"""What every engine set promises, run over the fake one and the built-in models alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ninefold.core.control_flow import Cancelled
from ninefold.core.errors import InputError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.generation_record import GenerationRecord
from ninefold.imaging.types import Mask, Pixels

from .conftest import Recorder, from_image, inpaint, text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUIET = SilentProgress()


def run(engines: EngineSet, request: TextToImage) -> Pixels:
    return engines.diffusion.run(request, QUIET).image


def test_the_same_request_gives_the_same_bytes(engines: EngineSet) -> None:
    first, second = run(engines, text()), run(engines, text())
    assert first.dtype == np.uint8
    assert first.shape == (64, 64, 3)
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"prompt": "a blue sailboat"},
        {"prompt": "a (red:1.6) house"},
        {"negative_prompt": "night"},
        {"steps": 4},
        {"guidance_scale": 6.0},
        {"scheduler": "euler_a"},
        {"width": 96},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_request_gives_another_image(engines: EngineSet, change: dict[str, Any]) -> None:
    assert run(engines, text()).tobytes() != run(engines, text(**change)).tobytes()


@pytest.mark.parametrize("width", [96, 128])
def test_the_size_asked_for_is_the_size_made(engines: EngineSet, width: int) -> None:
    generated = engines.diffusion.run(text(width=width), QUIET)
    assert generated.image.shape == (64, width, 3)
    assert generated.record.size == (width, 64)


def test_the_record_says_what_was_run_and_is_read_back(engines: EngineSet) -> None:
    generated = engines.diffusion.run(text(), QUIET)
    record = generated.record
    assert (record.model, record.seed, record.steps) == ("poster", 7, 3)
    read = json.loads(json.dumps(record.to_json()))
    assert GenerationRecord.from_json(read) == record
    assert record.model_hash == engines.diffusion.describe("poster").hash


def test_strength_0_keeps_the_source_and_more_changes_more(
    engines: EngineSet, picture: Pixels
) -> None:
    def change(strength: float) -> float:
        made = run(engines, from_image(picture, strength=strength, steps=6))
        return float(np.abs(made.astype(int) - picture).mean())

    assert change(0.0) == 0
    assert 0 < change(0.2) < change(1.0)


def test_a_strength_below_one_step_still_runs_one(engines: EngineSet, picture: Pixels) -> None:
    assert run(engines, from_image(picture, strength=0.1, steps=3)).shape == picture.shape


def test_inpainting_keeps_what_the_mask_leaves_out(
    engines: EngineSet, picture: Pixels, half_mask: Mask
) -> None:
    made = run(engines, inpaint(picture, half_mask))
    assert np.array_equal(made[:, :32], picture[:, :32])
    assert not np.array_equal(made[:, 32:], picture[:, 32:])
    nothing = run(engines, inpaint(picture, np.zeros_like(half_mask)))
    assert np.array_equal(nothing, picture)


def test_the_source_is_left_alone(engines: EngineSet, picture: Pixels, half_mask: Mask) -> None:
    before = picture.copy()
    made = run(engines, inpaint(picture, half_mask, strength=0.0))
    made[:] = 0
    assert np.array_equal(picture, before)


def test_steps_are_reported_with_previews(engines: EngineSet) -> None:
    recorder = Recorder()
    engines.diffusion.run(text(), recorder)
    assert recorder.steps == [(1, 3), (2, 3), (3, 3)]
    assert len(recorder.previews) == 3
    for preview in recorder.previews:
        assert preview.dtype == np.uint8
        assert preview.ndim == 3
        assert preview.shape[2] == 3


def test_looking_at_previews_changes_nothing(engines: EngineSet) -> None:
    watched = engines.diffusion.run(text(), Recorder()).image
    assert watched.tobytes() == run(engines, text()).tobytes()


def test_cancelling_stops_at_once_and_leaves_the_engine_usable(engines: EngineSet) -> None:
    before = run(engines, text())
    recorder = Recorder(cancel_after=1)
    with pytest.raises(Cancelled):
        engines.diffusion.run(text(steps=50), recorder)
    assert len(recorder.steps) == 1
    assert run(engines, text()).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"model": "nonesuch"}, ModelError, "nonesuch"),
        ({"scheduler": "best"}, InputError, "euler_a"),
        ({"width": 70}, InputError, r"64 or (80|96)"),
        ({"height": 4096}, InputError, r"512|1024"),
        ({"width": 16}, InputError, "32"),
        ({"steps": 0}, InputError, "steps"),
        ({"guidance_scale": float("nan")}, InputError, "guidance_scale"),
        ({"seed": -1}, InputError, "seed"),
        ({"loras": (Lora("nonesuch"),)}, InputError, "nonesuch"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    engines: EngineSet, change: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        engines.diffusion.run(text(**change), QUIET)


def test_a_source_of_another_size_is_refused(
    engines: EngineSet, picture: Pixels, half_mask: Mask
) -> None:
    with pytest.raises(InputError, match="image"):
        engines.diffusion.run(from_image(picture[:32]), QUIET)
    with pytest.raises(InputError, match="mask"):
        engines.diffusion.run(inpaint(picture, half_mask[:32]), QUIET)
    with pytest.raises(InputError, match="strength"):
        engines.diffusion.run(from_image(picture, strength=1.5), QUIET)


def test_detections_are_ordered_repeatable_and_inside(engines: EngineSet, picture: Pixels) -> None:
    name = engines.detection.models()[0]
    found = engines.detection.detect(name, picture, 0.01)
    assert found == engines.detection.detect(name, picture, 0.01)
    assert [item.score for item in found] == sorted((d.score for d in found), reverse=True)
    assert {item.label for item in found} <= set(engines.detection.labels(name))
    for item in found:
        assert 0 <= item.left < item.right <= 64
        assert 0 <= item.top < item.bottom <= 64
    assert not engines.detection.detect(name, picture, 1.0)
    assert {"face", "house"} <= set(engines.detection.labels(name))


def test_upscalers_enlarge_by_their_scale(engines: EngineSet, picture: Pixels) -> None:
    assert engines.upscaling.models() == ("2x", "4x")
    for name, factor in (("2x", 2), ("4x", 4)):
        assert engines.upscaling.scale(name) == factor
        made = engines.upscaling.upscale(name, picture)
        assert made.shape == (64 * factor, 64 * factor, 3)
        assert made.dtype == np.uint8
        assert made.tobytes() == engines.upscaling.upscale(name, picture).tobytes()


def test_an_upscaled_tile_agrees_with_the_whole_beyond_the_margin(
    engines: EngineSet, picture: Pixels
) -> None:
    for name in engines.upscaling.models():
        factor, margin = engines.upscaling.scale(name), engines.upscaling.margin(name)
        whole = engines.upscaling.upscale(name, picture)[:, 32 * factor :]
        tile = engines.upscaling.upscale(name, np.ascontiguousarray(picture[:, 32:]))
        apart = np.abs(whole.astype(int) - tile)[:, margin * factor :]
        assert apart.max() <= 1


@pytest.mark.parametrize("kind", ["detection", "upscaling", "diffusion"])
def test_unknown_models_are_model_errors(engines: EngineSet, kind: str) -> None:
    describe: Callable[[str], object] = (
        engines.diffusion.describe if kind == "diffusion" else getattr(engines, kind).hash
    )
    with pytest.raises(ModelError, match="nonesuch"):
        describe("nonesuch")


def test_models_are_named_by_ten_hex_digits(engines: EngineSet) -> None:
    hashes = [engines.diffusion.describe("poster").hash]
    hashes += [engines.detection.hash(name) for name in engines.detection.models()]
    hashes += [engines.upscaling.hash(name) for name in engines.upscaling.models()]
    assert all(len(value) == 10 and int(value, 16) >= 0 for value in hashes)
