"""A job's context, put together again from the records of its steps."""

from __future__ import annotations

from collections.abc import Iterable

from ninefold.core.context import PipelineContext
from ninefold.core.pipeline import Attempt, Pipeline
from ninefold.core.record import StageRecord
from ninefold.core.wiring import Step


class _EndOfRecords(Exception):  # noqa: N818 - control flow, not an error
    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


async def replay(
    pipeline: Pipeline, context: PipelineContext, records: Iterable[StageRecord]
) -> str | None:
    """Apply `records` to `context`, without running anything.

    Returns the first step that has no record; None where the pipeline came to its end.
    """
    left = iter(records)

    async def around(step: Step, _: PipelineContext, __: Attempt) -> StageRecord:
        record = next(left, None)
        if record is None:
            raise _EndOfRecords(step.name)
        return record

    try:
        await pipeline.execute(context, around=around)
    except _EndOfRecords as end:
        return end.step
    return None
