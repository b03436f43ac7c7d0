"""Engines that mark images, fake and real, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ninefold import InputError
from ninefold.engines.resources import EngineResources
from ninefold.engines.watermark import WATERMARK, SpreadSpectrumEngine
from ninefold.testing import EngineContract, fake_engines
from tests.support import picture

IDENTIFIER = b"\x00\xff12345\x80"


class TestFakeWatermark(EngineContract):
    kind = WATERMARK

    def make(self) -> Any:
        return fake_engines()[WATERMARK]

    def test_what_was_embedded_is_found(self, engine: Any) -> None:
        image = picture(320, 256)
        before = image.copy()
        marked = engine.embed(self.name(engine), image, IDENTIFIER, 1.0)
        assert np.array_equal(image, before)
        assert (marked.shape, marked.dtype) == (image.shape, image.dtype)
        found = engine.find(self.name(engine), marked)
        assert found.identifier == IDENTIFIER
        assert found.score > 0
        assert found.corrected >= 0
        again = engine.embed(self.name(engine), image, IDENTIFIER, 1.0)
        assert np.array_equal(again, marked)

    def test_nothing_is_found_where_nothing_is(self, engine: Any) -> None:
        assert engine.find(self.name(engine), picture(320, 256)) is None

    def test_too_small_an_image_is_refused_with_its_size(self, engine: Any) -> None:
        name = self.name(engine)
        assert engine.size_problem(name, 320, 256) is None
        assert "got 3x4" in engine.size_problem(name, 3, 4)
        with pytest.raises(InputError, match=r"watermark: expected .* got 3x4"):
            engine.embed(name, picture(3, 4), IDENTIFIER, 1.0)
        with pytest.raises(InputError, match=r"watermark: expected .* got 3x4"):
            engine.find(name, picture(3, 4))

    def test_the_method_has_a_name(self, engine: Any) -> None:
        assert engine.algorithm(self.name(engine)) == "io.ninefold.watermark.1"


class TestSpreadSpectrum(TestFakeWatermark):
    def make(self) -> Any:
        return SpreadSpectrumEngine(EngineResources())

    def test_what_cannot_be_embedded_is_refused(self, engine: Any) -> None:
        image = picture(320, 256)
        with pytest.raises(InputError, match="8 bytes, got 3"):
            engine.embed("ninefold", image, b"abc", 1.0)
        with pytest.raises(InputError, match=r"strength: expected 0\.25 to 2, got 9"):
            engine.embed("ninefold", image, IDENTIFIER, 9)
        with pytest.raises(InputError, match="H x W x 3"):
            engine.embed("ninefold", image[..., :2], IDENTIFIER, 1.0)
