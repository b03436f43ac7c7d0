"""Lookups that are kept: asked once, and nothing else kept."""

from __future__ import annotations

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.testing import fake_engines


class _Counting:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def describe(self, model: str) -> str:
        self.asked.append(model)
        if model == "none":
            raise ModelError("none: is not there.")
        return f"{model} is known"

    def schedulers(self, model: str, of: list[str]) -> list[str]:
        self.asked.append(model)
        return of

    def run(self, model: str) -> int:
        self.asked.append(model)
        return len(self.asked)


def test_each_model_is_looked_up_once_and_run_every_time() -> None:
    counting = _Counting()
    kept = EngineSet({DIFFUSION: [counting]}).keep_lookups().diffusion
    assert [kept.describe(name) for name in ("a", "b", "a")] == [  # type: ignore[comparison-overlap]
        "a is known",
        "b is known",
        "a is known",
    ]
    assert counting.asked == ["a", "b"]
    assert [kept.run("a") for _ in range(2)] == [3, 4]  # type: ignore[call-arg, arg-type, comparison-overlap]


def test_what_cannot_be_remembered_is_asked_every_time() -> None:
    counting = _Counting()
    kept = EngineSet({DIFFUSION: [counting]}).keep_lookups().diffusion
    assert [kept.schedulers("a", of=[name]) for name in "ab"] == [["a"], ["b"]]  # type: ignore[call-arg, comparison-overlap]
    assert counting.asked == ["a", "a"]


def test_what_is_not_there_is_reported_every_time() -> None:
    counting = _Counting()
    kept = EngineSet({DIFFUSION: [counting]}).keep_lookups().diffusion
    for _ in range(2):
        with pytest.raises(ModelError, match="is not there"):
            kept.describe("none")


def test_the_kept_answers_are_the_engines_own() -> None:
    engines = fake_engines()
    kept = engines.keep_lookups()
    model = engines.diffusion.models()[0]
    assert kept.diffusion.describe(model) == engines.diffusion.describe(model)
    assert kept.detection.models() == engines.detection.models()
    assert kept.wildcards == engines.wildcards
