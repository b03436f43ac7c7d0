"""What a stage's time is made of."""

from __future__ import annotations

import time

from ninefold import PipelineConfig, PipelineContext, PipelineStage, StageParams
from ninefold.core.blocking import run_blocking
from ninefold.core.events import Event, StageProgressed, StageStarted, StageWaiting
from ninefold.core.record import facts
from ninefold.core.timing import StageClock, current_clock
from ninefold.testing import fake_engines
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


def test_a_wait_is_reported_once_while_it_lasts() -> None:
    reported: list[str] = []
    clock = StageClock(lambda: reported.append("waits"))
    clock.waiting()
    clock.waiting()
    assert reported == ["waits"]
    clock.add(waited=1)
    clock.waiting()  # for the next model
    assert reported == ["waits", "waits"]
    StageClock().waiting()  # nobody listens


def test_an_observer_learns_that_a_stage_waits_for_its_model() -> None:
    events: list[Event] = []
    pipeline = PipelineConfig.preset("draft").build(fake_engines(wait_delay=0.05))
    run(pipeline.execute(PipelineContext(prompt="a red house"), observer=events.append))
    kinds = [type(event) for event in events if getattr(event, "stage", "") == "text_to_image"]
    assert kinds[:3] == [StageStarted, StageWaiting, StageProgressed]
    assert kinds.count(StageWaiting) == 1
