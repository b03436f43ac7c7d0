"""`run --count`: images that gain by it are made in one call, and come out as alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninefold import ModelError, Pipeline, PipelineContext
from ninefold.core.progress import Progress, SilentProgress
from ninefold.engines.batching import Batch, Batcher
from ninefold.engines.capacity import foreseen
from ninefold.engines.devices import DeviceChoice
from ninefold.engines.diffusion import DIFFUSION, Generated, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.engines.settings import EngineSettings
from ninefold.stages import TextToImageStage
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli


@dataclass
class Cap:
    most: int

    def limit(self, request: Any, /) -> int:
        return self.most

    def exceeded(self, request: Any, count: int, /) -> None:
        self.most = count // 2


class Diffusion(FakeDiffusion):
    """The fake, behind a queue as the real engine's; tells how many images each call made."""

    def __init__(self, most: int, fail_on: str = "") -> None:
        super().__init__(at_once=most)
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "fail_on", fail_on)
        queue = Batcher[TextToImage, Generated](
            self._make, lambda request: (type(request), request.width), Cap(most)
        )
        object.__setattr__(self, "queue", queue)

    calls: list[int]
    fail_on: str
    queue: Batcher[TextToImage, Generated]

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        return self.queue.run(request, progress)

    def _make(self, batch: Batch[TextToImage]) -> Sequence[Generated]:
        requests = batch.take()
        self.calls.append(len(requests))
        if self.fail_on and any(self.fail_on in request.prompt for request in requests):
            raise ModelError("asked to fail")
        made = []
        for request in requests:
            made.append(super().run(request, SilentProgress()))
        batch.step(1, 1, [None] * len(requests))
        return made


def engines_of(diffusion: FakeDiffusion) -> EngineSet:
    return fake_engines().with_engines(DIFFUSION, diffusion)


def images(document: Any) -> list[str]:
    return [job["artifacts"][0]["sha256"] for job in document["jobs"]]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninefold.cli.run.PATIENCE", 30.0)  # threads may be slow to begin


def test_four_images_are_one_call_and_as_alone(cli: Cli) -> None:
    together, alone = Diffusion(8), Diffusion(1)
    command = ("run", "a house", "--preset", "draft", "--seed", 5, "--count", 4, "--json")
    one = cli(*command, engines=engines_of(together))
    other = cli(*command, engines=engines_of(alone))
    assert together.calls == [4]
    assert alone.calls == [1, 1, 1, 1]
    assert images(one.document) == images(other.document)
    assert [job["seed"] for job in one.document["jobs"]] == [5, 6, 7, 8]


def test_many_images_are_made_a_few_at_a_time(cli: Cli, tmp_path: Path) -> None:
    diffusion = Diffusion(4)
    begun: list[int] = []
    make = diffusion._make

    def counted(batch: Batch[TextToImage]) -> Sequence[Generated]:
        begun.append(len(list(tmp_path.glob("ninefold-out/*"))))
        return make(batch)

    diffusion.queue._run = counted
    done = cli("run", "a", "--preset", "draft", "--count", 10, engines=engines_of(diffusion))
    assert done.code == 0, done.err
    assert diffusion.calls == [4, 4, 2]
    assert begun == [4, 8, 10]
    assert len(done.files) == 10


def test_every_diffusion_stage_finds_its_company(cli: Cli) -> None:
    diffusion = Diffusion(8)
    done = cli(
        "run", "a house", "--preset", "standard", "--count", 3, engines=engines_of(diffusion)
    )
    assert done.code == 0, done.err
    assert diffusion.calls[0] == 3
    assert sum(diffusion.calls) == 6  # text_to_image and refiner


def test_one_that_fails_leaves_the_others(cli: Cli) -> None:
    diffusion = Diffusion(8, fail_on="red")
    prompt = "a {red|blue|green} house"
    done = cli(
        "run", prompt, "--preset", "draft", "--seed", 1, "--count", 6, "--json",
        engines=engines_of(diffusion),
    )  # fmt: skip
    assert done.code == 1
    for job in done.document["jobs"]:
        red = "red" in job["metadata"]["prompt"]["prompt"]
        assert job["status"] == ("failed" if red else "succeeded")
    assert {job["status"] for job in done.document["jobs"]} == {"failed", "succeeded"}


def test_each_line_says_whose_it_is(cli: Cli) -> None:
    done = cli("run", "a", "--preset", "draft", "--count", 2, engines=engines_of(Diffusion(8)))
    lines = done.err.splitlines()
    for number in (1, 2):
        own = [line for line in lines if line.startswith(f"image {number} of 2")]
        assert [line.split()[5] for line in own[1:]] == ["prompt", "text_to_image", "publisher"]
    assert done.code == 0


@pytest.mark.parametrize(
    ("settings", "device", "size", "most"),
    [
        (EngineSettings(), "cpu", (128, 128), 8),
        (EngineSettings(), "cpu", (256, 256), 2),
        (EngineSettings(), "cpu", (1024, 1024), 1),
        (EngineSettings(), "cpu", (8, 8), 16),
        (EngineSettings(), "cuda", (1024, 1024), 16),
        (EngineSettings(max_batch=3), "cuda", (1024, 1024), 3),
        (EngineSettings(deterministic=True, max_batch=3), "cuda", (64, 64), 1),
    ],
)
def test_how_many_are_begun_at_once(
    settings: EngineSettings, device: str, size: tuple[int, int], most: int
) -> None:
    assert foreseen(settings, DeviceChoice(device), size, 8) == most


def test_a_pipeline_alone_waits_for_nobody(tmp_path: Path) -> None:
    diffusion = Diffusion(8)
    context = PipelineContext(tmp_path, prompt="a house", seed=1)
    asyncio.run(Pipeline([TextToImageStage(engines=engines_of(diffusion))]).execute(context))
    context.raise_for_error()
    assert diffusion.calls == [1]
