"""What a stage's time is made of."""

from __future__ import annotations

import time

from ninefold import PipelineContext, PipelineStage, StageParams
from ninefold.core.blocking import run_blocking
from ninefold.core.record import facts
from ninefold.core.timing import StageClock, current_clock
from tests.support import run


class _Nothing(StageParams):
    pass


class _Waiting(PipelineStage[_Nothing]):
    """Waits for a model, as an engine tells it from a worker thread."""

    name = "waiting"
    params_type = _Nothing

    async def execute(self, context: PipelineContext) -> PipelineContext:
        await run_blocking(context, self._ask)
        return context

    def _ask(self) -> None:
        time.sleep(0.05)
        current_clock.get().add(waited=0.05)
        with current_clock.get().loading():
            time.sleep(0.02)


def test_waiting_and_loading_are_fields_of_their_own() -> None:
    began = time.perf_counter()
    context = PipelineContext()
    run(_Waiting().execute(context))
    elapsed = (time.perf_counter() - began) * 1000
    entry = context.metadata["waiting"]
    assert entry["waited_ms"] == 50
    assert entry["load_ms"] >= 20
    assert entry["duration_ms"] <= elapsed - 70 + 0.1  # rounded
    assert facts(context.metadata) == {"waiting": {}}


def test_what_did_not_happen_has_no_field() -> None:
    assert StageClock().fields().keys() == {"duration_ms"}


def test_work_is_never_less_than_nothing() -> None:
    clock = StageClock()
    clock.add(waited=9000)  # two requests that waited side by side
    assert clock.fields() == {"duration_ms": 0.0, "waited_ms": 9_000_000.0}


def test_stages_after_it_have_clocks_of_their_own() -> None:
    context = PipelineContext()
    before = current_clock.get()

    async def scenario() -> None:
        await _Waiting().execute(context)
        assert current_clock.get() is before

    run(scenario())
