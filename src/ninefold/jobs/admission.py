"""What a submit must meet: how many jobs may wait, and what is stored with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ninefold.core.errors import QueueFullError
from ninefold.jobs.naming import OPEN_STATUS, WORKFLOW

#: Called with a transaction and the ids of the new jobs that it stores.
WriteWithJobs = Callable[[sa.Connection, Sequence[str]], None]


@dataclass(frozen=True)
class Quota:
    """How many jobs may wait and run: of one owner, and of all together."""

    own: int
    total: int


@dataclass(frozen=True)
class Admission:
    """What a submit must meet, and what is stored with its jobs in the same transaction."""

    quota: Quota | None = None
    #: Not called for jobs that were there before.
    beside: WriteWithJobs | None = None
    #: What was asked for beside config and input: an idempotency key must bring the same.
    asked: Any = None

    def also(self, beside: WriteWithJobs | None, asked: Any) -> Admission:
        """This one with something more that is stored, which was `asked` for."""
        if beside is None:
            return self
        writes = [beside] if self.beside is None else [self.beside, beside]

        def write(connection: sa.Connection, job_ids: Sequence[str]) -> None:
            for one in writes:
                one(connection, job_ids)

        return replace(self, beside=write, asked=[self.asked, asked])


def check_quota(
    connection: sa.Connection, jobs: sa.Table, quota: Quota, owner: str | None, more: int
) -> None:
    """Raise `QueueFullError` where `more` jobs of `owner` would be too many.

    Exact where submits stand in line until their transaction ends.
    """
    rows = jobs.c
    user = rows.authenticated_user
    own = user.is_(None) if owner is None else user == owner
    query = sa.select(sa.func.count(), sa.func.sum(sa.case((own, 1), else_=0))).where(
        rows.name == WORKFLOW, rows.status.in_(OPEN_STATUS)
    )
    total, theirs = connection.execute(query).one()
    theirs = theirs or 0  # a sum over no row is NULL
    if theirs + more > quota.own:
        raise QueueFullError(
            f"queue: {theirs} of your jobs wait or run, and {more} more would be above "
            f"your limit of {quota.own}. Submit again once some have ended."
        )
    if total + more > quota.total:
        raise QueueFullError(
            f"queue: full, {total} jobs wait or run. Submit again once some have ended."
        )
