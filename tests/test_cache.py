"""The stage cache: what hits, what misses, what is kept."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ninefold import PipelineConfig, PipelineContext
from ninefold.cache import StageCache
from ninefold.core.errors import ConfigError
from ninefold.core.progress import Progress
from ninefold.engines.diffusion import DIFFUSION, Generated, ModelInfo, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.engines.faults import fake_hash
from ninefold.testing import fake_engines
from tests.support import files_in, picture, run

SLOTS: dict[str, Any] = {"prompt": "a red house", "seed": 7}


class Rescaled(FakeDiffusion):
    """The same weights, whose description asks for rescaled guidance."""

    def describe(self, model: str) -> ModelInfo:
        return replace(super().describe(model), guidance_rescale=0.7)


@dataclass(frozen=True)
class Replaced(FakeDiffusion):
    """Its weights are replaced by others in every call."""

    calls: list[str] = field(default_factory=list)

    def describe(self, model: str) -> ModelInfo:
        return replace(super().describe(model), hash=fake_hash(len(self.calls)))

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        result = super().run(request, progress)
        self.calls.append(request.prompt)
        return result


def made(
    folder: Path,
    cache: StageCache,
    *settings: str,
    engines: EngineSet | None = None,
    **slots: Any,
) -> PipelineContext:
    """A full run through the cache, with fake engines."""
    config = PipelineConfig.preset("full").with_settings(settings)
    context = PipelineContext(folder, **{**SLOTS, **slots})
    run(config.build(engines or fake_engines()).execute(context, around=cache.around))
    context.raise_for_error()
    return context


def hits(context: PipelineContext) -> list[str]:
    """The stages that came from the cache."""
    return [stage for stage, fields in context.metadata.items() if fields.get("cached")]


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "cache")


def test_the_same_run_hits_in_every_stage_and_gives_the_same_files(
    tmp_path: Path, cache: StageCache
) -> None:
    first = made(tmp_path / "a", cache)
    again = made(tmp_path / "b", StageCache(cache.folder))
    assert hits(first) == []
    assert hits(again) == list(first.metadata)
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    for name in files_in(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("settings", "slots", "first_miss"),
    [
        ((), {"prompt": "a blue house"}, 0),
        ((), {"seed": 8}, 0),
        (("text_to_image.steps=5",), {}, 1),
        (("refiner.refinement_level=3",), {}, 2),
        (("upscaler.upscale_factor=3",), {}, 4),
        (("finisher.grain=0.5",), {}, 6),
        (("publisher.quality=50",), {}, 8),
    ],
)
def test_a_change_misses_from_the_stage_that_it_touches(
    tmp_path: Path,
    cache: StageCache,
    settings: tuple[str, ...],
    slots: dict[str, Any],
    first_miss: int,
) -> None:
    stages = list(made(tmp_path / "a", cache).metadata)
    assert hits(made(tmp_path / "b", cache, *settings, **slots)) == stages[:first_miss]


def test_another_source_image_misses(tmp_path: Path, cache: StageCache) -> None:
    made(tmp_path / "a", cache, image=picture(64, 64))
    again = made(tmp_path / "b", cache, image=picture(64, 64))
    other = made(tmp_path / "c", cache, image=picture(64, 64, seed=2))
    assert "text_to_image" in hits(again)
    assert "text_to_image" not in hits(other)


def test_a_model_that_says_otherwise_how_it_is_run_misses(
    tmp_path: Path, cache: StageCache
) -> None:
    made(tmp_path / "a", cache)
    engines = fake_engines().with_engines(DIFFUSION, Rescaled())
    found = hits(made(tmp_path / "b", cache, engines=engines))
    assert "upscaler" in found  # the fake paints the same either way
    assert {"text_to_image", "refiner", "detailer", "restorer"}.isdisjoint(found)


def test_what_ran_while_its_weights_were_replaced_is_not_kept(
    tmp_path: Path, cache: StageCache
) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        engines = fake_engines().with_engines(DIFFUSION, Replaced())
        found = hits(made(folder, cache, engines=engines))
    assert "upscaler" in found  # the fake paints the same either way
    assert {"text_to_image", "refiner", "detailer", "restorer"}.isdisjoint(found)


def test_without_a_seed_nothing_is_reused(tmp_path: Path, cache: StageCache) -> None:
    first = _unseeded(tmp_path / "a", cache)
    again = _unseeded(tmp_path / "b", cache)
    assert hits(again) == []
    assert first.get("seed") != again.get("seed")


def _unseeded(folder: Path, cache: StageCache) -> PipelineContext:
    context = PipelineContext(folder, prompt="a red house")
    pipeline = PipelineConfig.preset("draft").build(fake_engines())
    run(pipeline.execute(context, around=cache.around))
    return context


def test_a_damaged_entry_is_made_anew(tmp_path: Path, cache: StageCache) -> None:
    first = made(tmp_path / "a", cache)
    for path in cache.folder.glob("*/*/*"):
        if path.name != "record.json":
            path.unlink()
            path.write_bytes(b"garbage")
    again = made(tmp_path / "b", cache)
    assert "text_to_image" not in hits(again)
    names = [(a.name, a.sha256) for a in first.artifacts]
    assert [(a.name, a.sha256) for a in again.artifacts][:6] == names[:6]


def test_the_least_recently_used_go_first(tmp_path: Path, cache: StageCache) -> None:
    made(tmp_path / "a", cache)
    entries = sorted(cache.folder.glob("*/*"))
    old, *others = entries
    long_ago = time.time() - 1000
    os.utime(old / "record.json", (long_ago, long_ago))
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    assert cache.evict(size - 1) > 0
    assert not old.exists()
    assert any(entry.exists() for entry in others)
    cache.evict(0)
    assert not any(entry.exists() for entry in entries)


def test_it_stays_below_its_limit(tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "cache", max_bytes=200_000)
    for number in range(4):
        made(tmp_path / str(number), cache, seed=number)
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    assert size <= 200_000
    with pytest.raises(ConfigError, match="cache"):
        StageCache(tmp_path / "cache", max_bytes=-1)


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    context = made(tmp_path / "a", StageCache(tmp_path / "cache"))
    assert hits(context) == []
