"""Kinds of engine, several engines of one kind, and what makes a class one of them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pytest

from ninefold.core.errors import ConfigError, ContractError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.engines import registry
from ninefold.engines.defaults import build_engines
from ninefold.engines.detection import DETECTION, Detection, DetectionEngine, FakeDetection
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.registry import ENGINES, check_engine_class, find_kind, installed
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.upscaling import UPSCALING
from ninefold.imaging.types import Pixels
from ninefold.testing import fake_engines

from .conftest import text


class FileDetection(FakeDetection):
    """Runs `faces`, and every file that ends in `.toy`."""

    name = "toy_detection"
    kind: Any = DETECTION

    def __init__(self, resources: EngineResources | None = None) -> None:
        super().__init__()

    def models(self) -> tuple[str, ...]:
        return ("faces",)

    def accepts(self, model: str) -> bool:
        return model in self.models() or model.endswith(".toy")

    def check(self, model: str) -> None:
        if not (model in self.models() or Path(model).is_file()):
            raise ModelError(f"No detector {model!r}.")

    def hash(self, model: str) -> str:
        return "70d0000000"

    def labels(self, model: str) -> tuple[str, ...]:
        return ("toy",)

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        return (Detection("toy", 1.0, 0, 0, 8, 8),)


IMAGE = np.zeros((16, 16, 3), np.uint8)


@pytest.fixture
def both() -> EngineSet:
    engines = fake_engines()
    return engines.with_engines(DETECTION, engines.detection, FileDetection())


def test_of_several_engines_the_models_file_chooses(both: EngineSet, tmp_path: Path) -> None:
    file = tmp_path / "mine.toy"
    file.touch()
    detection: DetectionEngine = both[DETECTION]
    assert detection.models() == ("detector", "faces")
    for model, label in (("detector", "face"), ("faces", "toy"), (str(file), "toy")):
        detection.check(model)
        assert label in detection.labels(model)
        assert label in {item.label for item in detection.detect(model, IMAGE, 0.5)}
    assert detection.hash(model="faces") == "70d0000000"
    assert detection.accepts("faces")
    assert not detection.accepts("nothing")
    assert both.keep_lookups()[DETECTION].labels("faces") == ("toy",)


def test_a_model_of_no_engine_is_refused_with_those_of_all(both: EngineSet) -> None:
    with pytest.raises(ModelError, match=r"knows detector\. Other engines run: faces"):
        both.detection.detect("nothing", IMAGE, 0.5)
    with pytest.raises(AttributeError, match="have no 'upscale'"):
        both.detection.upscale  # type: ignore[attr-defined]  # noqa: B018


def test_a_request_chooses_by_its_model() -> None:
    engines = fake_engines()
    twice = engines.with_engines(DIFFUSION, engines.diffusion, engines.diffusion)
    expected = engines.diffusion.run(text(), SilentProgress()).image
    assert twice.diffusion.run(text(), SilentProgress()).image.tobytes() == expected.tobytes()
    assert twice.diffusion.schedulers() == engines.diffusion.schedulers()
    assert twice.diffusion.lora_hash("poster", "sketch") == engines.diffusion.lora_hash(
        "poster", "sketch"
    )


def test_a_kind_without_an_engine_says_so() -> None:
    with pytest.raises(ModelError, match="No engine of the kind 'detection' is here"):
        EngineSet({}).detection.models()


def test_kinds_are_found_by_their_names_and_by_what_their_models_are_called() -> None:
    assert find_kind("detection") is find_kind("detector") is DETECTION
    assert find_kind("upscaler") is UPSCALING
    with pytest.raises(ConfigError, match=r"unknown\. Did you mean 'detector'"):
        find_kind("detectr")


class DepthEngine(Engine, Protocol):
    """A kind that ninefold does not have."""

    def depth(self, model: str, image: Pixels) -> Pixels: ...


DEPTH: EngineKind[DepthEngine] = EngineKind("depth", DepthEngine, runs="depth")


class Depth(FileDetection):
    name = "depth"
    kind = DEPTH

    def depth(self, model: str, image: Pixels) -> Pixels:
        return image


def engine(**declared: Any) -> type:
    return type("Mine", (Depth,), declared)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs classes under entry points, and says what is then there."""

    def install(**engines: Any) -> registry.Installed:
        module = ModuleType("somebody_elses")
        points = []
        for name, item in engines.items():
            setattr(module, name, item)
            points.append(EntryPoint(name, f"somebody_elses:{name}", "ninefold.engines"))
        monkeypatch.setitem(__import__("sys").modules, "somebody_elses", module)
        monkeypatch.setattr("ninefold.core.plugins.entry_points", lambda group: points)
        installed.cache_clear()
        return installed()

    yield install
    monkeypatch.undo()
    installed.cache_clear()


def test_a_plugin_brings_a_kind_and_another_names_it(plugins: Any) -> None:
    found = plugins(aside=engine(name="aside", kind="depth"), depth=Depth)
    assert [plugin.problem for plugin in found.plugins] == [None, None]
    assert [item.name for item in found.engines[DEPTH]] == ["depth", "aside"]
    assert find_kind("depth") is DEPTH


def test_what_is_wrong_with_one_plugin_takes_no_other_with_it(plugins: Any) -> None:
    found = plugins(
        depth=Depth,
        diffusers=engine(name="diffusers"),
        function=len,
        kindless=engine(name="kindless", kind=7),
        lame=engine(name="lame", kind="upscaling"),
        lost=engine(name="lost", kind="dept"),
        nameless=engine(name=None),
        other=engine(name="another"),
        second=engine(name="second", kind=EngineKind("depth", DepthEngine, runs="depth")),
    )
    reasons = {plugin.name: plugin.problem or "" for plugin in found.plugins}
    for name, reason in {
        "depth": "",
        "diffusers": "the name is taken by ninefold.engines.diffusers_engine",
        "function": "expected a class of engines",
        "kindless": "expected an EngineKind, or the name of one, got 7",
        "lame": "engines of the kind 'upscaling' also have margin, scale, upscale",
        "lost": "kind of engine 'dept': unknown. Did you mean 'depth'",
        "nameless": "has no `name`",
        "other": "its class calls itself 'another'",
        "second": "the kind 'depth' is there already",
    }.items():
        assert reason in reasons[name]
        assert bool(reason) == bool(reasons[name])
    assert [item.name for item in found.engines[DEPTH]] == ["depth"]
    assert len(found.engines) == len({engine.kind for engine in ENGINES}) + 1


def raising(error: BaseException) -> Any:
    def method(*_: Any) -> Any:
        raise error

    return method


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"__init__": raising(SystemExit(3))}, "cannot be made: SystemExit(3)."),
        ({"__init__": raising(OSError("no card"))}, "cannot be made: OSError('no card')."),
        ({"models": raising(OSError("gone"))}, "cannot say which models it has: OSError('gone')."),
        ({"accepts": raising(KeyError())}, "cannot say which models it has: KeyError()."),
        ({"models": lambda _: "toy"}, "models(): expected a tuple of names, got 'toy'."),
        ({"models": lambda _: (Path("toy"),)}, "models(): expected a tuple of names, got (P"),
    ],
)
def test_an_engine_that_cannot_list_its_models_takes_no_other_with_it(
    plugins: Any, declared: dict[str, Any], reason: str
) -> None:
    found = plugins(sick=engine(name="sick", kind="detector", **declared))
    (plugin,) = found.plugins
    assert plugin.problem.startswith(reason)
    built = build_engines(EngineSettings(device="cpu"))
    assert built.detection.models() == ("detector",)


def test_every_problem_of_a_class_is_reported() -> None:
    with pytest.raises(ContractError, match=r"has no `name`.*expected an EngineKind"):
        check_engine_class(type("Bare", (), {}))
