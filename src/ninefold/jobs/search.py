"""Which jobs are asked for, and the queries that find a page of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators

from ninefold.job_schema import ENDED, JobStatus
from ninefold.jobs.listing import JOBS, LORAS
from ninefold.jobs.naming import STATUS
from ninefold.jobs.words import places_with

#: Where a page begins: a job's place and id.
Position = tuple[int, str]


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are asked for; what is None does not matter."""

    status: Collection[JobStatus] = ()
    group: str | None = None
    owner: str | None = None
    #: Words that stand in the prompt or the negative prompt, by their beginnings.
    text: str | None = None
    model: str | None = None
    seed: int | None = None
    lora: str | None = None
    parent: str | None = None
    favourite: bool | None = None
    #: From when on, and until before when it was made.
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True)
class Found:
    """A page of jobs by their ids, the newest first."""

    ids: list[str]
    #: Where the next page begins; None after the last.
    next: Position | None
    #: How many jobs there are in all; None where nobody asked.
    total: int | None


class JobSearch:
    """Finds jobs by their rows; blocks."""

    def __init__(self, engine: sa.Engine, workflows: sa.Table) -> None:
        """`workflows` is DBOS's table of jobs."""
        self._engine, self._workflows = engine, workflows

    def page(
        self,
        wanted: JobFilter,
        limit: int,
        *,
        after: Position | None = None,
        offset: int = 0,
        count: bool = False,
    ) -> Found:
        """At most `limit` jobs after a position, or after so many others."""
        with self._engine.connect() as connection:
            dialect = connection.dialect.name
            words = None if wanted.text is None else places_with(wanted.text, dialect)
            if words is None and wanted.text is not None:  # words that no job can have
                return Found([], None, 0 if count else None)
            source, place = _index(words, wanted.lora)
            # SQLite would begin elsewhere, and look each job up in the index.
            unindexed = source is not None and dialect == "sqlite"
            conditions = self._conditions(wanted, place, unindexed)
            jobs = JOBS if source is None else source.join(JOBS, JOBS.c.place == place)
            query = (
                sa.select(place, JOBS.c.id)
                .select_from(jobs)
                .where(*conditions)
                .order_by(place.desc())
                .limit(limit + 1)
                .offset(offset or None)
            )
            if after is not None:
                query = query.where(place < after[0])
            rows = [(row[0], row[1]) for row in connection.execute(query)]
            total = None
            if count:
                if after is None and len(rows) <= limit and (rows or not offset):
                    total = offset + len(rows)
                else:
                    # Each place in an index is a job's: without conditions none is looked up.
                    counted = jobs if source is None or conditions else source
                    total = connection.scalar(
                        sa.select(sa.func.count()).select_from(counted).where(*conditions)
                    )
        page = rows[:limit]
        return Found([job_id for _, job_id in page], page[-1] if len(rows) > limit else None, total)

    def _conditions(
        self, wanted: JobFilter, place: sa.ColumnElement[int], unindexed: bool
    ) -> list[sa.ColumnElement[bool]]:
        """What the rows of jobs must meet, beside being in the index that `place` is of."""

        def column(name: str) -> sa.ColumnElement[Any]:
            return _unindexed(JOBS.c[name]) if unindexed else JOBS.c[name]

        found = [
            column(name) == value
            for name, value in (
                ("owner", wanted.owner),
                ("group_id", wanted.group),
                ("model", wanted.model),
                ("seed", wanted.seed),
                ("parent", wanted.parent),
                ("favourite", wanted.favourite),
            )
            if value is not None
        ]
        if wanted.text is not None and wanted.lora is not None:
            found.append(place.in_(sa.select(LORAS.c.place).where(LORAS.c.name == wanted.lora)))
        if wanted.created_after is not None:
            since = _milliseconds(wanted.created_after)
            # A place is the time of the submit or later, and in the order of the list.
            found += [column("created") >= since, place >= since]
        if wanted.created_before is not None:
            found.append(column("created") < _milliseconds(wanted.created_before))
        if wanted.status:
            found.append(self._state().in_(sorted(wanted.status)))
        return found

    def _state(self) -> sa.ColumnElement[str]:
        """The state of a job: as was noted at its end, else as DBOS's row says."""
        rows = self._workflows.c
        now = sa.case(STATUS, value=rows.status)
        found = sa.select(now).where(rows.workflow_uuid == JOBS.c.id).correlate(JOBS)
        return sa.func.coalesce(JOBS.c.ended, found.scalar_subquery())

    def note_ended(self) -> None:
        """Note of jobs how they ended, where that was not done yet."""
        rows = self._workflows.c
        final = {name: state for name, state in STATUS.items() if state in ENDED}
        query = (
            sa.select(JOBS.c.place, rows.status)
            .join(self._workflows, rows.workflow_uuid == JOBS.c.id)
            .where(JOBS.c.ended.is_(None), rows.status.in_(list(final)))
            .limit(5000)
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        by_state: dict[JobStatus, list[int]] = {}
        for place, name in found:
            by_state.setdefault(final[name], []).append(place)
        for state, places in by_state.items():
            with self._engine.begin() as connection:
                connection.execute(
                    sa.update(JOBS).where(JOBS.c.place.in_(places)).values(ended=state)
                )


def _index(
    words: sa.Select[Any] | None, lora: str | None
) -> tuple[sa.Subquery | None, sa.ColumnElement[int]]:
    """The places of jobs that have these words, else this LoRA; of all where neither is asked."""
    if words is None and lora is not None:
        words = sa.select(LORAS.c.place).where(LORAS.c.name == lora)
    if words is None:
        return None, JOBS.c.place
    found = words.subquery("found")
    return found, found.c.place


def _unindexed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The column's value, by no index of SQLite's: https://www.sqlite.org/optoverview.html"""
    return sa.UnaryExpression(column, operator=operators.custom_op("+"), type_=column.type)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
