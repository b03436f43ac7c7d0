"""Steps that are left out where `quality` allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from ninefold.engines.step_cache import StepCache
from tests.engines.conftest import from_image, text
from tests.tiny_models import tiny_model


class Network:
    """Predicts its input, scaled; counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def forward(self, sample: Any, timestep: Any) -> tuple[Any]:
        self.runs += 1
        return (sample * 0.5,)


def _steps(cache: StepCache, network: Network, count: int, change: float, runs: int = 1) -> None:
    import torch

    forward = cache.wrapped(network.forward)
    for step in range(count):
        for _ in range(runs):
            forward(torch.full((1, 4), 1 + step * change), torch.tensor(count - step))


def test_steps_that_hardly_change_are_left_out_but_for_the_first_three_and_the_last() -> None:
    network, cache = Network(), StepCache(0.1, lambda: 12)
    _steps(cache, network, 12, 1e-4)
    assert network.runs + cache.left_out == 12
    assert cache.left_out == 6  # of the eight between, two in a row and then one that runs


def test_steps_that_change_a_lot_all_run() -> None:
    network, cache = Network(), StepCache(0.1, lambda: 12)
    _steps(cache, network, 12, 1.0)
    assert (network.runs, cache.left_out) == (12, 0)


def test_both_runs_of_a_guided_step_are_left_out_together() -> None:
    network, cache = Network(), StepCache(0.1, lambda: 12)
    _steps(cache, network, 12, 1e-4, runs=2)
    assert network.runs == 2 * (12 - cache.left_out)


@pytest.mark.parametrize("runs", [1, 2])
def test_a_solver_that_looks_twice_at_a_timestep_runs_its_last_look(runs: int) -> None:
    """Timesteps as Heun's are: the first and then each one twice, so 23 looks in 12 steps."""
    import torch

    network, cache = Network(), StepCache(0.1, lambda: 23, looks=2)
    forward = cache.wrapped(network.forward)
    ran = []
    for look in range(23):
        before = network.runs
        for _ in range(runs):
            forward(torch.full((1, 4), 1 + look * 1e-4), torch.tensor(12 - (look + 1) // 2))
        cache.stepped()
        ran.append(network.runs > before)
    assert ran[:6] == [True] * 6
    assert ran[-1]
    assert network.runs == runs * (23 - cache.left_out)
    assert cache.left_out == ran.count(False) == 11


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
@pytest.mark.parametrize("scheduler", ["default", "heun", "dpm_2", "pndm"])
def test_the_last_look_runs_whatever_the_sampler(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model("sd15", tmp_path / "model"))
    engines = build_engines(EngineSettings(device="cpu", loras=tmp_path))
    ran: list[bool] = []
    begin = StepCache._begin

    def noted(self: StepCache, *args: Any) -> None:
        begin(self, *args)
        ran.append(self._line is None)

    monkeypatch.setattr(StepCache, "_begin", noted)
    side = engines.diffusion.describe(folder).min_size
    own = {"width": side, "height": side, "steps": 12, "scheduler": scheduler}
    request = text(model=folder, quality="fast", **own)
    record = engines.diffusion.run(request, SilentProgress()).record
    assert ran[-1]
    assert len(ran) == record.steps_run + record.steps_left_out
    assert ran.count(False) == record.steps_left_out


@pytest.mark.parametrize(("family", "scheduler"), [("sd15", "ddim"), ("flux", "default")])
def test_quality_changes_pixels_and_record_and_lossless_is_as_ever(
    family: str, scheduler: str, tmp_path: Path
) -> None:
    folder = str(tiny_model(family, tmp_path / family))
    engines = build_engines(EngineSettings(device="cpu", loras=tmp_path))

    def run(quality: str) -> Any:
        side = engines.diffusion.describe(folder).min_size
        own = {"width": side, "height": side, "steps": 12, "scheduler": scheduler}
        request = text(model=folder, quality=quality, **own)
        return engines.diffusion.run(request, SilentProgress())

    before, fast, after = run("lossless"), run("fast"), run("lossless")
    assert np.array_equal(before.image, after.image)
    assert before.record.steps_left_out == 0
    assert fast.record.quality == "fast"
    assert fast.record.steps_run + fast.record.steps_left_out == before.record.steps_run
    if fast.record.steps_left_out:
        assert not np.array_equal(fast.image, before.image)


def test_an_image_start_counts_its_own_steps(tmp_path: Path) -> None:
    folder = str(tiny_model("sd15", tmp_path / "model"))
    engines = build_engines(EngineSettings(device="cpu", loras=tmp_path))
    grey = np.full((64, 64, 3), 128, np.uint8)
    request = from_image(grey, model=folder, steps=12, scheduler="ddim", quality="fast")
    record = engines.diffusion.run(request, SilentProgress()).record
    assert record.steps_run + record.steps_left_out == 6
