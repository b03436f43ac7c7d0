"""The clock of jobs: the database's, in milliseconds."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def use_milliseconds(system: Any) -> None:
    """Have a system database of DBOS note milliseconds.

    With Python below 3.12 it notes whole seconds in SQLite, and a job would begin before it was
    made.
    """
    if system.engine.dialect.name == "sqlite":
        system._now_ms_sql = lambda: _NOW_IN_SQLITE


def _now_in_sqlite() -> sa.ColumnElement[int]:
    days = sa.func.julianday("now", type_=sa.Float) - 2_440_587.5
    return sa.cast(sa.func.round(days * 86_400_000.0), sa.BigInteger)


#: Made once: an expression takes longer to make than to evaluate.
_NOW_IN_SQLITE = _now_in_sqlite()
