"""Loaded models of every kind within one budget: who leaves, who stays, who waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.residency import ModelKey, Residency
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels
from ninefold.testing import fake_engines

from .conftest import needs_builtin, text

QUIET = SilentProgress()


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def use(
    residency: Residency,
    name: str,
    *,
    kind: str = "diffusion",
    device: str = "cpu",
    shared: bool = False,
    load: Callable[[], str] | None = None,
) -> AbstractContextManager[str]:
    key = ModelKey(kind, name, "as it is", device)
    return residency.use(key, load or (lambda: name), lambda _: 1, shared=shared)


def loaded(residency: Residency) -> list[str]:
    return [key.name for key in residency.loaded()]


def test_the_least_recently_used_model_leaves_first_whatever_its_kind() -> None:
    residency = Residency(lambda _: 2)
    for name, kind in (
        ("a", "diffusion"),
        ("b", "detector"),
        ("a", "diffusion"),
        ("c", "upscaler"),
    ):
        with use(residency, name, kind=kind):
            pass
    assert residency.sizes() == {("diffusion", "a"): 1, ("upscaler", "c"): 1}
    with use(residency, "c", kind="upscaler"):
        assert residency.unload_idle("cpu") == 1
    assert loaded(residency) == ["c"]


def test_each_device_has_a_budget_of_its_own() -> None:
    residency = Residency({"cpu": 1, "cuda": 2}.__getitem__)
    for name, device in (("a", "cpu"), ("b", "cuda"), ("c", "cuda"), ("d", "cpu")):
        with use(residency, name, device=device):
            pass
    assert loaded(residency) == ["b", "c", "d"]
    assert residency.unload_idle("cuda") == 2
    assert loaded(residency) == ["d"]


def test_a_model_in_use_stays_and_leaves_afterwards() -> None:
    residency = Residency(lambda _: 1)
    with use(residency, "a"):
        with use(residency, "b"):
            assert loaded(residency) == ["a", "b"]
        assert loaded(residency) == ["a", "b"]  # the one just used, and the one in use
    assert loaded(residency) == ["a"]
    with use(Residency(lambda _: 0), "large") as model:
        assert model == "large"


def test_a_model_beyond_the_budget_is_loaded_once() -> None:
    residency, loads = Residency(lambda _: 0), []
    for _ in range(3):
        with use(residency, "large", load=lambda: loads.append("large") or "large"):  # type: ignore[func-returns-value]
            pass
    assert loads == ["large"]


def test_a_shared_model_is_used_by_several_threads_at_once() -> None:
    residency, both = Residency(lambda _: 1), threading.Barrier(2, timeout=60)
    loads: list[str] = []

    def load() -> str:
        loads.append("a")
        return "a"

    def work() -> None:
        with use(residency, "a", shared=True, load=load):
            both.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert loads == ["a"]
    assert not both.broken


def test_where_loading_fills_the_memory_idle_models_leave_first() -> None:
    cleared: list[str] = []
    residency = Residency(lambda _: 9, cleared.append)
    with use(residency, "idle", kind="detector"):
        pass
    attempts = iter([OutOfMemoryError("CUDA out of memory"), None])

    def load() -> str:
        if (error := next(attempts)) is not None:
            raise error
        assert loaded(residency) == []
        return "large"

    with use(residency, "large", load=load):
        assert loaded(residency) == ["large"]
    assert cleared == ["cpu"]

    def never() -> str:
        raise ValueError("not a matter of memory")

    with pytest.raises(ValueError, match="not a matter"), use(residency, "broken", load=never):
        pass
    assert loaded(residency) == ["large"]


def enlarging(path: Path, scale: int) -> str:
    """A model that repeats pixels, with half a megabyte of weights that do nothing."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    ballast = helper.make_tensor(
        "ballast", TensorProto.FLOAT, [1 << 17], np.zeros(1 << 17, np.float32)
    )
    sizes = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, scale, scale])
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    shape = [1, 3, None, None]
    graph = helper.make_graph(
        [node],
        "enlarging",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [ballast, sizes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)


def test_onnx_sessions_make_room_for_one_another(tmp_path: Path, picture: Pixels) -> None:
    small = EngineResources(EngineSettings(device="cpu", threads=1, memory_gb=0.6 / 1024))
    engine = OnnxUpscaleEngine(small)
    for scale in (2, 3):
        made = engine.upscale(enlarging(tmp_path / f"x{scale}.onnx", scale), picture)
        assert made.shape[0] == scale * picture.shape[0]
    assert [key.name for key in small.residency.loaded()] == ["x3"]
    assert engine.upscale(str(tmp_path / "x2.onnx"), picture).shape[0] == 2 * picture.shape[0]


@needs_builtin
@pytest.mark.slow
def test_kinds_make_room_for_one_another(picture: Pixels) -> None:
    def resident(memory_gb: float) -> tuple[EngineSet, set[tuple[str, str]]]:
        engines = build_engines(EngineSettings(device="cpu", threads=1, memory_gb=memory_gb))
        engines.detection.detect("detector", picture, 0.5)
        engines.upscaling.upscale("2x", picture)
        engines.diffusion.run(text(steps=1), QUIET)
        return engines, set(engines.stats().resident)

    everything = {("detector", "detector"), ("upscaler", "2x"), ("diffusion", "poster")}
    engines, found = resident(4)
    assert found == everything
    sizes = engines.stats().resident
    # The diffusion model and the session that was used last fit; the other kind's oldest leaves.
    budget = (sizes["diffusion", "poster"] + sizes["upscaler", "2x"] + 1) / (1 << 30)
    engines, found = resident(budget)
    assert found == everything - {("detector", "detector")}
    engines.detection.detect("detector", picture, 0.5)
    assert ("upscaler", "2x") not in engines.stats().resident


@needs_builtin
@pytest.mark.slow
def test_a_full_device_unloads_idle_models_of_every_kind(
    picture: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ninefold.engines.diffusers_call import DiffusersCall

    engines = build_engines(EngineSettings(device="cpu", threads=1))
    engines.detection.detect("detector", picture, 0.5)
    engines.upscaling.upscale("2x", picture)
    expected = engines.diffusion.run(text(steps=1), QUIET).image
    whole, failures = DiffusersCall.run, iter([True])

    def once_full(job: DiffusersCall) -> object:
        if next(failures, False):
            raise OutOfMemoryError("out of memory")
        return whole(job)

    monkeypatch.setattr(DiffusersCall, "run", once_full)
    made = engines.diffusion.run(text(steps=1), QUIET)
    assert made.record.oom_steps == ("unload_others",)
    assert made.image.tobytes() == expected.tobytes()
    assert set(engines.stats().resident) == {("diffusion", "poster")}


def test_fakes_hold_nothing() -> None:
    assert fake_engines().stats().resident == {}
