"""What engines promise, run over the fake ones and the built-in models alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.faults import Faults
from ninefold.engines.kinds import EngineKind
from ninefold.engines.registry import installed
from ninefold.imaging.types import Pixels
from ninefold.testing import (
    DetectionContract,
    DiffusionContract,
    EngineContract,
    UpscalingContract,
    fake_engines,
)

from .conftest import needs_builtin, text

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUIET = SilentProgress()


class TestFakeDiffusion(DiffusionContract):
    def make(self) -> Any:
        return fake_engines().diffusion


class TestFakeDetection(DetectionContract):
    def make(self) -> Any:
        return fake_engines().detection


class TestFakeUpscaling(UpscalingContract):
    def make(self) -> Any:
        return fake_engines().upscaling


class OfReal:
    """Runs a contract over the built-in models, which are loaded once."""

    kind: Any

    @pytest.fixture
    def engine(self, real_engines: EngineSet) -> Any:
        return real_engines[self.kind]


@needs_builtin
@pytest.mark.slow
class TestBuiltInDiffusion(OfReal, DiffusionContract):
    pass


@needs_builtin
@pytest.mark.slow
class TestBuiltInDetection(OfReal, DetectionContract):
    pass


@needs_builtin
@pytest.mark.slow
class TestBuiltInUpscaling(OfReal, UpscalingContract):
    pass


@needs_builtin
@pytest.mark.slow
class TestBuiltInUpscalingBy4(OfReal, UpscalingContract):
    model = "4x"


@pytest.mark.parametrize("kind", installed().kinds.values(), ids=lambda kind: kind.name)
def test_every_kind_has_a_fake_that_keeps_the_contract(kind: EngineKind[Any]) -> None:
    engines = fake_engines()
    contract = EngineContract()
    contract.kind = kind  # type: ignore[misc]
    contract.test_it_can_be_asked_all_that_its_kind_can(engines[kind])
    contract.test_it_names_its_models(engines[kind])
    contract.test_it_refuses_a_model_that_is_not_there(engines[kind])
    if kind.fake is not None:
        failing = kind.fake(Faults(frozenset({kind.runs})))
        assert failing.faults.on == {kind.runs}


@pytest.mark.parametrize(
    ("change", "error", "says"),
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
    engines: EngineSet, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        engines.diffusion.run(text(**change), QUIET)


def test_the_record_names_the_model(engines: EngineSet) -> None:
    record = engines.diffusion.run(text(), QUIET).record
    assert (record.model, record.seed, record.steps) == ("poster", 7, 3)


def test_detectors_find_what_ships(engines: EngineSet, picture: Pixels) -> None:
    name = engines.detection.models()[0]
    assert not engines.detection.detect(name, picture, 1.0)
    assert {"face", "house"} <= set(engines.detection.labels(name))


def test_upscalers_enlarge_by_their_scale(engines: EngineSet, picture: Pixels) -> None:
    assert engines.upscaling.models() == ("2x", "4x")
    for name, factor in (("2x", 2), ("4x", 4)):
        assert engines.upscaling.scale(name) == factor
        made = engines.upscaling.upscale(name, picture)
        assert made.shape == (64 * factor, 64 * factor, 3)
        assert made.dtype == np.uint8


@pytest.mark.parametrize("kind", ["detection", "upscaling", "diffusion"])
def test_unknown_models_are_model_errors(engines: EngineSet, kind: str) -> None:
    describe: Callable[[str], object] = (
        engines.diffusion.describe if kind == "diffusion" else getattr(engines, kind).hash
    )
    with pytest.raises(ModelError, match="nonesuch"):
        describe("nonesuch")


def test_the_contracts_alone_need_pytest() -> None:
    code = "import sys, ninefold.testing as t; t.fake_engines(); assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
