"""What `ninefold tune` measures, remembers and what engines make of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.levers import attend_by, set_levers
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.tuning import Measured, Tuning, Tunings, measure, tuned, tuning_key
from tests.engines.conftest import text
from tests.tiny_models import tiny_model
from tests.tiny_models.registry import build_tiny


def test_levers_that_pay_are_used_always_only_where_bytes_stay() -> None:
    found = tuned(
        [
            Measured("same", 0.8, 1.0, True),
            Measured("other", 0.5, 1.0, False),
            Measured("slow", 0.99, 1.0, True),
        ],
        {1: 1.0, 2: 0.7, 4: 0.6, 8: 0.65, 16: 1.2},
    )
    assert found == Tuning(("same",), ("other",), 4)
    assert found.levers("lossless") == ("same",)
    assert found.levers("high") == ("same", "other")


def test_of_attention_backends_the_fastest_alone_is_used() -> None:
    found = tuned(
        [
            Measured("attention_a", 0.9, 1.0, True),
            Measured("attention_b", 0.8, 1.0, True),
            Measured("attention_c", 0.5, 1.0, False),
            Measured("channels_last", 0.9, 1.0, True),
        ],
        {},
    )
    assert found.lossless == ("attention_b", "channels_last")
    assert found.levers("fast") == ("channels_last", "attention_c")


def test_an_attention_backend_of_some_networks_is_not_that_of_the_process(tmp_path: Path) -> None:
    from diffusers.models import attention_dispatch

    registry: Any = attention_dispatch._AttentionBackendRegistry
    pipe, before, now = build_tiny("flux"), registry._active_backend, set[str]()
    lever = attend_by("_native_math")
    lever.on(pipe)
    assert registry._active_backend == before
    lever.off(pipe)
    set_levers(pipe, ["channels_last"], now)
    assert now == {"channels_last"}
    set_levers(pipe, [], now)
    assert not now


def test_a_batch_that_gains_nothing_is_not_made() -> None:
    assert tuned([], {1: 1.0, 2: 0.99}).batch == 1
    assert tuned([], {}).batch == 0


def test_a_lever_that_fails_is_left_out_and_times_are_medians_of_pairs() -> None:
    times = {(): iter([1.0, 3.0, 2.0]), ("fast",): iter([0.5, 0.4, 9.0])}
    painted: dict[str, Any] = {}

    def run(levers: Sequence[str]) -> Any:
        if "broken" in levers:
            raise RuntimeError("not installed")
        painted["last"] = tuple(levers)
        return np.zeros(3)

    def seconds(call: Any) -> tuple[float, Any]:
        found = call()
        return next(times[painted["last"]]), found

    measured = list(measure(run, ["broken", "fast"], seconds, 3))
    assert measured == [Measured("fast", 0.5, 2.0, True)]


def test_a_file_is_read_when_it_changes_and_a_damaged_one_tunes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "deep" / "tuning.json"
    Tunings(path).put("a", Tuning(("x",), (), 4))
    other = Tunings(path)
    assert other.get("a") == Tuning(("x",), (), 4)
    assert other.get("b") == Tuning()
    path.write_text("{")
    assert Tunings(path).get("a") == Tuning()
    assert "tuning.json cannot be read" in caplog.text


def test_a_model_is_run_as_it_was_tuned(tmp_path: Path) -> None:
    folder = str(tiny_model("sd15", tmp_path / "model"))
    settings = EngineSettings(device="cpu", loras=tmp_path, tuning=tmp_path / "tuning.json")
    engine = DiffusersEngine(EngineResources(settings))
    seen: list[str] = []
    usual = engine.run(text(model=folder), SilentProgress())
    tuning = engine.tune(folder, (64, 64), 1, 1, lambda item: seen.append(item.name))
    assert seen[0] == "channels_last"
    assert tuning.batch >= 1
    assert len(json.loads(settings.tuning.read_text())) == 1

    key = tuning_key(engine.describe(folder).hash, (64, 64), "cpu", "float32/none")
    Tunings(settings.tuning).put(key, Tuning((), ("channels_last",), 2))
    again = engine.run(text(model=folder), SilentProgress())
    assert np.array_equal(again.image, usual.image)
    assert again.record.levers == ()
    high = engine.run(text(model=folder, quality="high"), SilentProgress())
    assert high.record.to_json()["levers"] == ["channels_last"]
    after = engine.run(text(model=folder), SilentProgress())
    assert np.array_equal(after.image, usual.image)
