"""Jobs that hold back for one another before a shared model: nobody waits for what never comes.

The patience of the worker's line is so long here that a wait which it would have to end is seen to
hang.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ninefold.core.progress import Progress
from ninefold.engines.batching import Batch, Batcher
from ninefold.engines.diffusion import DIFFUSION, Generated, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.jobs import JobExecutor
from ninefold.testing import fake_engines
from tests.jobs.conftest import Place
from tests.support import run

INPUT = {"prompt": "a red house", "seed": 7}
FOREVER = 600.0
#: Most seconds that a test may take, far below that.
LONG = 120.0


class Unlimited:
    def limit(self, request: TextToImage, /) -> int:
        return 16

    def exceeded(self, request: TextToImage, count: int, /) -> None: ...


@dataclass(frozen=True)
class SharedDiffusion(FakeDiffusion):
    """The fake behind a queue, as the real engine: what waits together is made together."""

    #: What was made in each call.
    calls: list[tuple[TextToImage, ...]] = field(default_factory=list)
    before: Callable[[], object] = lambda: None
    queue: list[Batcher[TextToImage, Generated]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        with self.lock:
            if not self.queue:
                self.queue.append(Batcher(self._make, lambda item: type(item), Unlimited()))
        return self.queue[0].run(request, progress)

    def _make(self, batch: Batch[TextToImage]) -> Sequence[Generated]:
        requests = batch.take()
        self.calls.append(requests)
        self.before()
        batch.step(1, 1, [None] * len(requests))
        return [super(SharedDiffusion, self).run(item, _Deaf()) for item in requests]


class _Deaf:
    """A progress for those whose callers were reported already."""

    def step(self, *_: object) -> None: ...

    def check(self) -> None: ...

    def stop(self) -> None: ...


def shared(**options: Any) -> tuple[SharedDiffusion, EngineSet]:
    diffusion = SharedDiffusion(**options)
    return diffusion, fake_engines().with_engines(DIFFUSION, diffusion)


def painted(diffusion: SharedDiffusion) -> list[int]:
    """The seeds of what was painted from text alone."""
    requests = [item for call in diffusion.calls for item in call]
    return [item.seed for item in requests if type(item) is TextToImage]


@asynccontextmanager
async def patient(place: Place, engines: EngineSet, **options: Any) -> AsyncIterator[JobExecutor]:
    async with place.jobs(engines=engines, **options) as jobs:
        jobs._worker.runtime.line.patience = FOREVER
        yield jobs
        # Nobody is left in line, or in a place of the worker.
        assert not jobs._worker.runtime.line._turns
        assert not jobs._worker.runtime.active


@pytest.mark.parametrize("concurrency", [1, 4, 8])
def test_a_group_ends_and_is_made_together(here: Place, concurrency: int) -> None:
    async def scenario() -> None:
        diffusion, engines = shared()
        async with patient(here, engines, cache_bytes=0, concurrency=concurrency) as jobs:
            await jobs.pause()
            group = await jobs.submit_group("draft", INPUT, count=8)
            await jobs.resume()
            group = await jobs.wait_group(group.id, LONG)
            assert group.counts == {"succeeded": 8}
        assert painted(diffusion) == list(range(7, 15))
        if concurrency == 1:
            assert [len(call) for call in diffusion.calls] == [1] * 8
        else:
            assert len(diffusion.calls[0]) == concurrency

    run(scenario())


def test_a_job_alone_waits_for_nobody(here: Place) -> None:
    async def scenario() -> None:
        _, engines = shared()
        async with patient(here, engines, cache_bytes=0) as jobs:
            job = await jobs.wait((await jobs.submit("full", INPUT)).id, LONG)
            assert job.status == "succeeded", job.error

    run(scenario())


def test_members_from_the_cache_are_not_waited_for(here: Place) -> None:
    async def scenario() -> None:
        diffusion, engines = shared()
        async with patient(here, engines) as jobs:
            for seed in (8, 9, 11, 12):
                await jobs.wait((await jobs.submit("full", {**INPUT, "seed": seed})).id, LONG)
            diffusion.calls.clear()
            group = await jobs.submit_group("full", INPUT, count=8)
            group = await jobs.wait_group(group.id, LONG)
            assert group.counts == {"succeeded": 8}
            assert sorted(painted(diffusion)) == [7, 10, 13, 14]

    run(scenario())


def test_a_group_ends_where_members_fail_or_are_cancelled_in_a_call(here: Place) -> None:
    async def scenario() -> None:
        reached, go = threading.Event(), threading.Event()

        def hold() -> None:
            reached.set()
            assert go.wait(LONG)

        _, engines = shared(before=hold, black_seeds=frozenset({8, 12}))
        async with patient(here, engines, cache_bytes=0) as jobs:
            group = await jobs.submit_group("draft", INPUT, count=12)
            assert await asyncio.to_thread(reached.wait, LONG)
            await jobs.cancel(group.jobs[2].id)
            await jobs.cancel(group.jobs[10].id)
            go.set()
            group = await jobs.wait_group(group.id, LONG)
            ended = [job.status for job in group.jobs]
            assert ended.count("succeeded") == 8
            assert [ended[number] for number in (1, 5)] == ["failed"] * 2
            assert [ended[number] for number in (2, 10)] == ["cancelled"] * 2

    run(scenario())


def test_a_cancelled_group_leaves_the_worker_free(here: Place) -> None:
    async def scenario() -> None:
        reached, go = threading.Event(), threading.Event()

        def hold() -> None:
            reached.set()
            assert go.wait(LONG)

        _, engines = shared(before=hold)
        async with patient(here, engines, cache_bytes=0, concurrency=4) as jobs:
            group = await jobs.submit_group("draft", INPUT, count=12)
            assert await asyncio.to_thread(reached.wait, LONG)
            await jobs.cancel_group(group.id)
            go.set()
            await jobs.wait_group(group.id, LONG)
            other = await jobs.submit_group("draft", INPUT, count=8)
            other = await jobs.wait_group(other.id, LONG)
            assert other.counts == {"succeeded": 8}

    run(scenario())
