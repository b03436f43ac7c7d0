"""What every engine promises, as tests that an engine's test class inherits.

    class TestMyDetection(DetectionContract):
        def make(self):
            return MyDetection(EngineResources())

They run over fake and real engines alike. A kind of your own has `EngineContract`, and what its
protocol promises beside that.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold.core.control_flow import Cancelled
from ninefold.core.errors import InputError, ModelError, UserError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines.detection import DETECTION
from ninefold.engines.diffusion import (
    DIFFUSION,
    Generated,
    ImageToImage,
    Inpaint,
    TextToImage,
)
from ninefold.engines.generation_record import GenerationRecord
from ninefold.engines.kinds import EngineKind
from ninefold.engines.upscaling import UPSCALING
from ninefold.imaging.types import Mask, Pixels
from ninefold.testing.helpers import Recorder, ramp

_QUIET = SilentProgress()


class EngineContract:
    """The tests; not collected by itself, since its name does not start with `Test`."""

    kind: ClassVar[EngineKind[Any]]
    #: The model that is tried; by default the engine's first.
    model: ClassVar[str | None] = None

    def make(self) -> Any:
        """The engine."""
        raise NotImplementedError

    @pytest.fixture
    def engine(self) -> Any:
        """The engine of a test."""
        return self.make()

    def name(self, engine: Any) -> str:
        """The model that is tried."""
        return self.model or str(engine.models()[0])

    def test_it_can_be_asked_all_that_its_kind_can(self, engine: Any) -> None:
        assert [
            name for name in self.kind.methods if not callable(getattr(engine, name, None))
        ] == []

    def test_it_names_its_models(self, engine: Any) -> None:
        names = engine.models()
        assert isinstance(names, tuple)
        assert len(set(names)) == len(names)
        for name in (*names, self.name(engine)):
            assert engine.accepts(name)
            engine.check(name)
            assert len(engine.hash(name)) == 64
            assert int(engine.hash(name), 16) >= 0
            assert engine.hash(name) == engine.hash(name)

    def test_it_refuses_a_model_that_is_not_there(self, engine: Any) -> None:
        assert not engine.accepts("nonesuch")
        for ask in (engine.check, engine.hash):
            with pytest.raises(ModelError, match="nonesuch"):
                ask("nonesuch")


class DiffusionContract(EngineContract):
    """What every diffusion engine promises."""

    kind = DIFFUSION
    #: Of the images that are made, in pixels; another one that the model can do.
    width: ClassVar[int] = 64
    height: ClassVar[int] = 64
    other_width: ClassVar[int] = 96
    #: A scheduler beside the model's own; None where it can use no other.
    other_scheduler: ClassVar[str | None] = "euler_a"

    def text(self, engine: Any, **changes: Any) -> TextToImage:
        """A request, three steps long."""
        return TextToImage(**{**self._usual(engine), **changes})

    def from_image(self, engine: Any, **changes: Any) -> ImageToImage:
        """A request that starts from `picture`."""
        return ImageToImage(
            **{**self._usual(engine), "image": self.picture(), "strength": 0.5, **changes}
        )

    def inpaint(self, engine: Any, **changes: Any) -> Inpaint:
        """A request that changes the right half of `picture`."""
        usual = {**self._usual(engine), "image": self.picture(), "strength": 0.9}
        return Inpaint(**{**usual, "mask": self.mask(), **changes})

    def picture(self) -> Pixels:
        """A source image."""
        return ramp(self.width, self.height)

    def mask(self) -> Mask:
        """White in the right half."""
        mask = np.zeros((self.height, self.width), np.float32)
        mask[:, self.width // 2 :] = 1
        return mask

    def paint(self, engine: Any, request: TextToImage) -> Pixels:
        """The image of a request."""
        made: Generated = engine.run(request, _QUIET)
        return made.image

    def test_the_same_request_gives_the_same_bytes(self, engine: Any) -> None:
        first, second = (self.paint(engine, self.text(engine)) for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == (self.height, self.width, 3)
        assert first.tobytes() == second.tobytes()

    def test_another_request_gives_another_image(self, engine: Any) -> None:
        made = self.paint(engine, self.text(engine)).tobytes()
        changes: list[dict[str, Any]] = [
            {"seed": 8},
            {"prompt": "a blue sailboat"},
            {"prompt": "a (red:1.6) house"},
            {"negative_prompt": "night"},
            {"steps": 4},
            {"guidance_scale": 6.0},
            {"width": self.other_width},
        ]
        if self.other_scheduler is not None:
            changes.append({"scheduler": self.other_scheduler})
        for change in changes:
            assert self.paint(engine, self.text(engine, **change)).tobytes() != made, change

    def test_the_size_asked_for_is_the_size_made(self, engine: Any) -> None:
        made = engine.run(self.text(engine, width=self.other_width), _QUIET)
        assert made.image.shape == (self.height, self.other_width, 3)
        assert made.record.size == (self.other_width, self.height)

    def test_the_record_says_what_was_run_and_is_read_back(self, engine: Any) -> None:
        record = engine.run(self.text(engine), _QUIET).record
        assert (record.seed, record.steps) == (7, 3)
        assert record.model_hash == engine.describe(self.name(engine)).hash
        read = json.loads(json.dumps(record.to_json()))
        assert GenerationRecord.from_json(read) == record

    def test_strength_0_keeps_the_source_and_more_changes_more(self, engine: Any) -> None:
        def change(strength: float) -> float:
            made = self.paint(engine, self.from_image(engine, strength=strength, steps=6))
            return float(np.abs(made.astype(int) - self.picture()).mean())

        assert change(0.0) == 0
        assert 0 < change(0.2) < change(1.0)

    def test_a_strength_below_one_step_still_runs_one(self, engine: Any) -> None:
        made = self.paint(engine, self.from_image(engine, strength=0.1))
        assert made.shape == self.picture().shape

    def test_inpainting_keeps_what_the_mask_leaves_out(self, engine: Any) -> None:
        made, half = self.paint(engine, self.inpaint(engine)), self.width // 2
        assert np.array_equal(made[:, :half], self.picture()[:, :half])
        assert not np.array_equal(made[:, half:], self.picture()[:, half:])
        nothing = self.paint(engine, self.inpaint(engine, mask=np.zeros_like(self.mask())))
        assert np.array_equal(nothing, self.picture())

    def test_the_source_is_left_alone(self, engine: Any) -> None:
        source = self.picture()
        made = self.paint(engine, self.inpaint(engine, image=source, strength=0.0))
        made[:] = 0
        assert np.array_equal(source, self.picture())

    def test_steps_are_reported_with_previews_which_change_nothing(self, engine: Any) -> None:
        recorder = Recorder()
        watched = engine.run(self.text(engine), recorder).image
        assert recorder.steps == [(1, 3), (2, 3), (3, 3)]
        for preview in recorder.previews:
            assert preview.dtype == np.uint8
            assert preview.ndim == 3
            assert preview.shape[2] == 3
        assert watched.tobytes() == self.paint(engine, self.text(engine)).tobytes()

    def test_cancelling_stops_at_once_and_leaves_the_engine_usable(self, engine: Any) -> None:
        before = self.paint(engine, self.text(engine))
        recorder = Recorder(cancel_after=1)
        with pytest.raises(Cancelled):
            engine.run(self.text(engine, steps=50), recorder)
        assert len(recorder.steps) == 1
        assert self.paint(engine, self.text(engine)).tobytes() == before.tobytes()

    def test_what_cannot_be_done_is_refused_with_a_reason(self, engine: Any) -> None:
        info = engine.describe(self.name(engine))
        changes: list[tuple[dict[str, Any], type[UserError], str]] = [
            ({"model": "nonesuch"}, ModelError, "nonesuch"),
            ({"scheduler": "nonesuch"}, InputError, "nonesuch"),
            ({"width": self.width + 1}, InputError, str(info.size_multiple)),
            ({"height": info.max_size + info.size_multiple}, InputError, str(info.max_size)),
            ({"steps": 0}, InputError, "steps"),
            ({"guidance_scale": float("nan")}, InputError, "guidance_scale"),
            ({"seed": -1}, InputError, "seed"),
            ({"loras": (Lora("nonesuch"),)}, InputError, "nonesuch"),
        ]
        for change, error, says in changes:
            with pytest.raises(error, match=says):
                engine.run(self.text(engine, **change), _QUIET)

    def test_a_source_of_another_size_is_refused(self, engine: Any) -> None:
        small = self.picture()[: self.height // 2]
        for request, says in (
            (self.from_image(engine, image=small), "image"),
            (self.inpaint(engine, mask=self.mask()[: self.height // 2]), "mask"),
            (self.from_image(engine, strength=1.5), "strength"),
        ):
            with pytest.raises(InputError, match=says):
                engine.run(request, _QUIET)

    def _usual(self, engine: Any) -> dict[str, Any]:
        return {
            "model": self.name(engine),
            "prompt": "a red house",
            "negative_prompt": "",
            "width": self.width,
            "height": self.height,
            "steps": 3,
            "guidance_scale": 3.0,
            "scheduler": engine.describe(self.name(engine)).scheduler,
            "seed": 7,
        }


class DetectionContract(EngineContract):
    """What every detection engine promises."""

    kind = DETECTION

    def picture(self) -> Pixels:
        """The image that is looked at."""
        return ramp()

    def test_detections_are_ordered_repeatable_and_inside(self, engine: Any) -> None:
        name, picture = self.name(engine), self.picture()
        height, width = picture.shape[:2]
        found = engine.detect(name, picture, 0.01)
        assert found == engine.detect(name, picture, 0.01)
        assert [item.score for item in found] == sorted((d.score for d in found), reverse=True)
        assert {item.label for item in found} <= set(engine.labels(name))
        for item in found:
            assert 0 <= item.left < item.right <= width
            assert 0 <= item.top < item.bottom <= height
            assert item.score >= 0.01
        assert all(item.score >= 1 for item in engine.detect(name, picture, 1.0))


class UpscalingContract(EngineContract):
    """What every upscaling engine promises."""

    kind = UPSCALING

    def picture(self) -> Pixels:
        """The image that is enlarged."""
        return ramp()

    def test_it_enlarges_by_its_scale_and_repeatably(self, engine: Any) -> None:
        name, picture = self.name(engine), self.picture()
        scale, made = engine.scale(name), engine.upscale(name, picture)
        assert scale >= 2
        assert made.shape == (picture.shape[0] * scale, picture.shape[1] * scale, 3)
        assert made.dtype == np.uint8
        assert made.tobytes() == engine.upscale(name, picture).tobytes()

    def test_a_tile_agrees_with_the_whole_beyond_the_margin(self, engine: Any) -> None:
        name, picture = self.name(engine), self.picture()
        scale, margin, half = engine.scale(name), engine.margin(name), picture.shape[1] // 2
        whole = engine.upscale(name, picture)[:, half * scale :]
        tile = engine.upscale(name, np.ascontiguousarray(picture[:, half:]))
        apart = np.abs(whole.astype(int) - tile)[:, margin * scale :]
        assert apart.max(initial=0) <= 1
