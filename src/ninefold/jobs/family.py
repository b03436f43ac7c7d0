"""The family of a job: what it was made from by reruns, and what was made from that."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from ninefold.jobs.listing import JOBS

#: Ids that one query names.
_CHUNK = 500


@dataclass(frozen=True)
class Member:
    """A job of a family; `there` is false for one that was deleted, or is another's."""

    id: str
    parent: str | None
    there: bool = True


def family(
    engine: sa.Engine, job_id: str, owner: str | None, limit: int
) -> tuple[list[Member], bool]:
    """The family of a job, the root first, each after its parent; and whether some were left out.

    Without an `owner`, jobs of all are seen. What a deleted job was made from is not known any
    more: it is the root then.
    """
    with engine.connect() as connection:
        ancestors = [job_id]
        root = Member(job_id, None, there=False)
        while True:
            query = sa.select(JOBS.c.parent).where(JOBS.c.id == ancestors[-1], *_seen(owner))
            row = connection.execute(query).first()
            if row is None or row[0] is None or row[0] in ancestors or len(ancestors) >= limit:
                root = Member(ancestors[-1], None, there=row is not None)
                break
            ancestors.append(row[0])
        found = {root.id: root}
        # The job's own line first, so that it is there whatever is left out.
        for parent, child in zip(ancestors[::-1], ancestors[-2::-1], strict=False):
            found[child] = Member(child, parent)
        level = list(found)
        while level and len(found) <= limit:
            following = []
            for start in range(0, len(level), _CHUNK):
                query = (
                    sa.select(JOBS.c.id, JOBS.c.parent)
                    .where(JOBS.c.parent.in_(level[start : start + _CHUNK]), *_seen(owner))
                    .order_by(JOBS.c.place)
                    .limit(limit + 1)
                )
                for child, parent in connection.execute(query):
                    if child not in found:
                        found[child] = Member(child, parent)
                        following.append(child)
            level = following
    members = list(found.values())
    return members[:limit], len(members) > limit


def _seen(owner: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if owner is None else [JOBS.c.owner == owner]
