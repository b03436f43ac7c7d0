"""Messages to deliver, in a table beside the jobs: written with a job, sent when it has ended.

A row's life: `waiting` until its job or group ends, `due` until a receiver accepts it, then
`delivered`, or `failed` once the last try was in vain. A try is claimed by counting it, before it
is made: two servers never make the same one, and one that dies in between leaves the next try.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from ninefold.core.errors import ConflictError, NotFoundError
from ninefold.jobs.model import timestamp
from ninefold.jobs.naming import OPEN_STATUS, group_of
from ninefold.jobs.store import JobStore
from ninefold.jobs.tables import TABLES
from ninefold.server.webhooks.sending import TIMEOUT, Answer

State = Literal["waiting", "due", "delivered", "failed"]
Kind = Literal["job", "group"]

#: Tries before a message is given up, and the waits between: 5 s, 15 s, 45 s … 9 h; 14 h in all.
MAX_TRIES = 10
FIRST_WAIT = 5.0
_GROWTH = 3.0
#: Waits are shortened or lengthened by up to this part, so that many do not come at once.
_JITTER = 0.2
#: Seconds after which a claimed try counts as made: its server died.
_CLAIM = TIMEOUT + 15.0
#: Messages that become due in one look.
_AT_ONCE = 1000
#: The status by which a receiver says that it wants no more (Standard Webhooks).
_GONE = 410

TABLE = sa.Table(
    "ninefold_webhooks",
    TABLES,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("subject", sa.String(128), nullable=False),
    #: Of a job's message: the group that the job belongs to.
    sa.Column("group_id", sa.String(128)),
    #: The API key that submitted it: whose secret signs.
    sa.Column("owner", sa.String(128)),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    #: When it is sent next, when it was delivered: milliseconds since the epoch.
    sa.Column("next_at", sa.BigInteger),
    sa.Column("delivered_at", sa.BigInteger),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("kind", "subject", name="ninefold_webhooks_subject"),
    sa.Index("ninefold_webhooks_next", "state", "next_at"),
    sa.Index("ninefold_webhooks_group", "group_id", "state"),
)
_c = TABLE.c


@dataclass(frozen=True)
class Message:
    """A row of the table."""

    id: str
    kind: Kind
    subject: str
    group_id: str | None
    owner: str | None
    url: str
    host: str
    state: State
    tries: int
    next_at: int | None
    delivered_at: int | None
    #: What the receiver answered last, or why no answer came; both None before the first try.
    status: int | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """As the API and the command line show it: without the URL's path, which may be secret."""
        return {
            "id": self.id,
            self.kind: self.subject,
            "host": self.host,
            "state": self.state,
            "tries": self.tries,
            "status": self.status,
            "error": self.error,
            "next_at": timestamp(self.next_at) if self.state == "due" else None,
            "delivered_at": timestamp(self.delivered_at),
        }


def add(
    connection: sa.Connection, job_ids: Sequence[str], url: str, host: str, owner: str | None
) -> None:
    """Note the messages of jobs, and of the groups that they make up, in a transaction."""
    groups = dict.fromkeys(group for job_id in job_ids if (group := group_of(job_id)) is not None)
    rows = [("job", job_id, group_of(job_id)) for job_id in job_ids]
    rows += [("group", group, None) for group in groups]
    connection.execute(
        sa.insert(TABLE),
        [
            {
                "id": f"msg_{secrets.token_hex(16)}",
                "kind": kind,
                "subject": subject,
                "group_id": group,
                "owner": owner,
                "url": url,
                "host": host,
                "state": "waiting",
                "tries": 0,
            }
            for kind, subject, group in rows
        ],
    )


class Outbox:
    """The table on one database. Every method blocks."""

    def __init__(self, store: JobStore) -> None:
        self._engine = store.engine
        #: DBOS's table, where a job's state stands.
        self._workflows = store.workflows.table.c

    def release(self) -> None:
        """Make messages due whose job has ended, or all of whose group's jobs: of a group only once
        those of its jobs were delivered or given up, for it comes after them."""
        rows = self._workflows
        row = sa.select(rows.workflow_uuid).where(rows.workflow_uuid == _c.subject)
        ended = sa.exists(row.where(rows.status.not_in(OPEN_STATUS)))
        member = TABLE.alias()
        open_member = sa.exists(
            sa.select(member.c.id).where(
                member.c.group_id == _c.subject, member.c.state.in_(("waiting", "due"))
            )
        )
        now = {"state": "due", "next_at": _now()}
        for kind, ready in (("job", ended), ("group", ~open_member)):
            waiting = (_c.kind == kind) & (_c.state == "waiting")
            found = sa.select(_c.id).where(waiting & ready).limit(_AT_ONCE)
            with self._engine.connect() as connection:  # most looks find nothing, and write nothing
                ids = list(connection.scalars(found))
            if ids:
                with self._engine.begin() as connection:
                    connection.execute(sa.update(TABLE).where(_c.id.in_(ids) & waiting).values(now))

    def forget(self) -> None:
        """Drop the messages of jobs that were deleted, and of groups without any."""
        rows, member = self._workflows, TABLE.alias()
        job = sa.exists(sa.select(rows.workflow_uuid).where(rows.workflow_uuid == _c.subject))
        members = sa.exists(sa.select(member.c.id).where(member.c.group_id == _c.subject))
        with self._engine.begin() as connection:
            connection.execute(sa.delete(TABLE).where((_c.kind == "job") & ~job))
            connection.execute(sa.delete(TABLE).where((_c.kind == "group") & ~members))

    def claim(self, most: int, busy: Collection[str] = ()) -> list[Message]:
        """Up to `most` messages to send now, none to a host in `busy`, and no host twice.

        Each counts as tried from now on; `note` records what came of it.
        """
        now = _now()
        due = (_c.state == "due") & (_c.next_at <= now)
        first = (
            sa.select(sa.func.min(_c.next_at).label("at"), _c.host)
            .where(due & _c.host.not_in(list(busy)))
            .group_by(_c.host)
            .order_by("at")
            .limit(most)
            .subquery()
        )
        query = (
            sa.select(TABLE)
            .join(first, (_c.host == first.c.host) & (_c.next_at == first.c.at))
            .where(due)
            .order_by(_c.next_at)
        )
        with self._engine.connect() as connection:
            found = {row.host: _message(row) for row in connection.execute(query)}
        claimed: list[Message] = []
        for message in list(found.values())[:most]:
            if self._claim(message, now):
                claimed.append(replace(message, tries=message.tries + 1))
        return claimed

    def note(self, message: Message, outcome: Answer | str) -> Message:
        """Record what came of a try: an answer, or why there was none."""
        answer = outcome if isinstance(outcome, Answer) else None
        error = None if answer is not None else str(outcome)
        changed = replace(message, status=answer.status if answer else None, error=error)
        if answer is not None and answer.accepted:
            changed = replace(changed, state="delivered", delivered_at=_now())
        elif message.tries >= MAX_TRIES or (answer is not None and answer.status == _GONE):
            changed = replace(changed, state="failed")
        else:
            asked = answer.retry_after if answer is not None else None
            wait = max(wait_after(message.tries), asked or 0.0)
            changed = replace(changed, next_at=_now() + int(wait * 1000))
        values = {
            name: getattr(changed, name)
            for name in ("state", "status", "error", "next_at", "delivered_at")
        }
        own = (_c.id == message.id) & (_c.tries == message.tries)  # unless it was replayed since
        with self._engine.begin() as connection:
            connection.execute(sa.update(TABLE).where(own).values(values))
        return changed

    def message(self, kind: Kind, subject: str) -> Message:
        """The message of a job or a group; raises `NotFoundError` where it has no webhook."""
        query = sa.select(TABLE).where((_c.kind == kind) & (_c.subject == subject))
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFoundError(f"{kind} {subject!r} has no webhook.")
        return _message(row)

    def replay(self, kind: Kind, subject: str) -> Message:
        """Send a message again, with the same id, from the first try on.

        That of a group whose jobs' messages are still on their way stays behind them: those are
        sent again at once, and it comes next. Raises `NotFoundError`, or `ConflictError` where its
        job, or one of its group's, has not ended.
        """
        self.release()
        message = self.message(kind, subject)
        if message.state != "waiting":
            self._send_again(_c.id == message.id)
            return self.message(kind, subject)
        members = (_c.group_id == subject) if kind == "group" else sa.false()
        unfinished = sa.select(_c.id).where(members & (_c.state == "waiting")).limit(1)
        with self._engine.connect() as connection:
            ended = kind == "group" and connection.execute(unfinished).first() is None
        if not ended:
            raise ConflictError(f"{kind} {subject!r} has not ended: there is nothing to send.")
        self._send_again(members & (_c.state == "due"))
        return self.message(kind, subject)

    def find(self, message_id: str) -> Message:
        """The message of this id; raises `NotFoundError`."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(TABLE).where(_c.id == message_id)).first()
        if row is None:
            raise NotFoundError(f"no message is called {message_id[:100]!r}.")
        return _message(row)

    def list(
        self, states: Iterable[State] = (), limit: int = 100, owner: str | None = None
    ) -> list[Message]:
        """Messages by state, those to be sent next first; of one key where it is named."""
        query = sa.select(TABLE).order_by(_c.next_at.desc().nulls_last(), _c.id).limit(limit)
        if wanted := list(states):
            query = query.where(_c.state.in_(wanted))
        if owner is not None:
            query = query.where(_c.owner == owner)
        with self._engine.connect() as connection:
            return [_message(row) for row in connection.execute(query)]

    def counts(self) -> dict[State, int]:
        """How many messages are in each state that still asks for something."""
        states: tuple[State, ...] = ("waiting", "due", "failed")
        query = sa.select(_c.state, sa.func.count()).where(_c.state.in_(states)).group_by(_c.state)
        with self._engine.connect() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in states}

    def _send_again(self, which: sa.ColumnElement[bool]) -> None:
        values = {"state": "due", "tries": 0, "next_at": _now(), "delivered_at": None}
        with self._engine.begin() as connection:
            connection.execute(sa.update(TABLE).where(which).values(values))

    def _claim(self, message: Message, now: int) -> bool:
        same = (_c.id == message.id) & (_c.state == "due") & (_c.tries == message.tries)
        wait = max(_CLAIM, wait_after(message.tries + 1))
        values = {"tries": message.tries + 1, "next_at": now + int(wait * 1000)}
        with self._engine.begin() as connection:
            step = sa.update(TABLE).where(same & (_c.next_at == message.next_at)).values(values)
            return connection.execute(step).rowcount == 1


def wait_after(tries: int) -> float:
    """Seconds from a try, counted from 1, to the next."""
    wait: float = FIRST_WAIT * _GROWTH ** (tries - 1)
    return wait * random.uniform(1 - _JITTER, 1 + _JITTER)


def _message(row: sa.Row[Any]) -> Message:
    return Message(**row._mapping)


def _now() -> int:
    return int(time.time() * 1000)
