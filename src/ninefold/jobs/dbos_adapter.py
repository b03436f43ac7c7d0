"""All that ninefold takes from DBOS: no other module imports it.

Read for dbos 3.4.0. DBOS is used by its public names where it has them. The private ones stand in
`PRIVATE`, with the reason; `tests/jobs/test_dbos_adapter.py` fails with the name of what moved
when an upgrade moves one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSClient,
    DBOSConfig,
    EnqueueOptions,
    Queue,
    Serializer,
    WorkflowStatus,
    _migration,
)
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSWorkflowIDInUseError
from dbos._sys_db import SystemDatabase

from ninefold.core.values import Json
from ninefold.jobs.naming import APP_VERSION, QUEUE, WORKFLOW
from ninefold.jobs.serializer import JobFailedError, from_text, to_text

__all__ = ["Claimed", "JobIdInUseError", "Queue", "WorkflowDatabase", "WorkflowStatus"]

READ_FOR = "3.4.0"
#: The private names used below: whose they are, what they are called, and what for. `client` is a
#: `DBOSClient`, `system` its system database, `instance` a launched `DBOS`.
PRIVATE: tuple[tuple[str, str, str], ...] = (
    ("dbos", "_migration.sqlite_migrations", "the newest layout that DBOS knows"),
    ("dbos", "_migration.get_dbos_migrations", "the same on PostgreSQL"),
    ("dbos", "_sys_db.SystemDatabase.create", "makes its tables without a worker"),
    ("dbos", "_sys_db.SystemDatabase.run_migrations", "makes its tables without a worker"),
    ("dbos", "_core.execute_dequeued_workflow", "starts what our dispatcher claimed"),
    ("dbos", "_dbos._get_dbos_instance", "what `DBOS` launched"),
    ("dbos", "_error.DBOSWorkflowIDInUseError", "raised where an id is taken"),
    ("dbos", "_error.DBOSAwaitedWorkflowCancelledError", "logged where a job is cancelled"),
    ("client", "_sys_db", "its tables, and the engine that knows their schema"),
    ("system", "engine", "the engine that knows the schema of the tables"),
    ("system", "_now_ms_sql", "the clock, in milliseconds on SQLite too"),
    ("system", "start_queued_workflows", "claims jobs for our dispatcher"),
    ("system", "get_workflow_statuses", "reads what was claimed"),
    ("system", "reenqueue_for_recovery", "puts jobs of dead workers back into the queue"),
    ("system", "read_stream_values", "reads all new reports by one query"),
    ("system", "tables.workflow_status", "queries that the client has no words for"),
    ("system", "tables.workflow_input", "jobs that are stored together"),
    ("system", "tables.operation_outputs", "how far jobs have come, by one query"),
    ("system", "tables.streams", "how far jobs have come, by one query"),
    ("system", "tables.queues", "whether a job waits and how many may run, by one query"),
    ("instance", "_sys_db", "claims, and the clock of a worker"),
    ("instance", "background_thread_stop_events", "ends threads that nothing here needs"),
    ("instance", "_background_jobs_stop_event", "ends threads that nothing here needs"),
    ("instance", "_sys_db._run_background_processes", "ends a thread that nothing here needs"),
)

#: The schema of DBOS's tables on PostgreSQL.
_SCHEMA = "dbos"

#: A workflow's id is taken.
JobIdInUseError = DBOSWorkflowIDInUseError
#: A row of a job that a worker has just claimed.
Claimed = dict[str, Any]


class JsonSerializer(Serializer):
    """Has values lie in the database as `jobs/serializer.py` writes them."""

    def serialize(self, data: Any) -> str:
        """Values to text."""
        return to_text(data)

    def deserialize(self, serialized_data: str) -> Any:
        """Text to values."""
        return from_text(serialized_data)

    def name(self) -> str:
        """What rows are marked with."""
        return "ninefold-json"


# -- tables -----------------------------------------------------------------------------------


def layout_query(engine: sa.Engine) -> sa.Select[tuple[int]]:
    """The query for the newest of DBOS's migrations that the database has."""
    schema = None if engine.dialect.name == "sqlite" else _SCHEMA
    table = sa.table("dbos_migrations", sa.column("version", sa.Integer), schema=schema)
    return sa.select(table.c.version)


def newest_layout(engine: sa.Engine) -> int:
    """The newest migration that the installed DBOS knows."""
    if engine.dialect.name == "sqlite":
        return len(_migration.sqlite_migrations)
    return len(_migration.get_dbos_migrations(_SCHEMA, use_listen_notify=False))


def migrate(engine: sa.Engine) -> None:
    """Make DBOS's tables, or bring them to the layout of the installed DBOS."""
    system = SystemDatabase.create(
        system_database_url=engine.url.render_as_string(hide_password=False),
        engine_kwargs={},
        engine=engine,
        schema=_SCHEMA,
        serializer=JsonSerializer(),
        executor_id=None,
        use_listen_notify=False,
    )
    system.run_migrations()


def _now_in_sqlite() -> sa.ColumnElement[int]:
    days = sa.func.julianday("now", type_=sa.Float) - 2_440_587.5
    return sa.cast(sa.func.round(days * 86_400_000.0), sa.BigInteger)


#: Made once: an expression takes longer to make than to evaluate.
_NOW_IN_SQLITE = _now_in_sqlite()


def _use_milliseconds(system: Any) -> None:
    """Have a system database note milliseconds.

    With Python below 3.12 it notes whole seconds in SQLite, and a job would begin before it was
    made.
    """
    if system.engine.dialect.name == "sqlite":
        system._now_ms_sql = lambda: _NOW_IN_SQLITE


class WorkflowDatabase:
    """Workflows as the database holds them: put in, read, and changed from outside of a worker.

    Every method blocks.
    """

    def __init__(self, engine: sa.Engine) -> None:
        # Who asks is told at once that the database is away; workflows wait for it.
        self._client = DBOSClient(
            system_database_engine=engine,
            serializer=JsonSerializer(),
            retry_connection_errors=False,
        )
        system = self._client._sys_db
        _use_milliseconds(system)
        #: The same engine, which knows where DBOS's tables are.
        self.engine: sa.Engine = system.engine
        #: One row a job.
        self.table: sa.Table = system.tables.workflow_status
        self.inputs: sa.Table = system.tables.workflow_input
        self.steps: sa.Table = system.tables.operation_outputs
        self.streams: sa.Table = system.tables.streams
        self.queues: sa.Table = system.tables.queues

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()

    def enqueue(
        self,
        connection: sa.Connection,
        job_id: str,
        owner: str | None,
        document: Json,
        priority: int,
    ) -> None:
        """Put a job into the queue, in a transaction; raises `JobIdInUseError`."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": job_id,
            "workflow_id_reuse_policy": "reject",
            "app_version": APP_VERSION,
            "priority": priority,
        }
        if owner is not None:
            options["authenticated_user"] = owner
        self._client.enqueue_in_transaction(connection, options, document, priority)

    def input_text(self, document: Json, priority: int) -> str:
        """What `enqueue` writes as the input of a job."""
        return to_text({"args": (document, priority), "kwargs": {}})

    def list(self, **filters: Any) -> list[WorkflowStatus]:
        """Rows of jobs by DBOS's filters."""
        return self._client.list_workflows(name=WORKFLOW, **filters)

    def steps_of(self, job_id: str, after: int = 0) -> Sequence[Any]:
        """The steps of a job, but for the first `after`: `function_id`, `function_name`, `output`
        and `error` of each."""
        return self._client.list_workflow_steps(job_id, offset=after or None)

    def stream(self, job_id: str, key: str, after: int, limit: int) -> Sequence[Any]:
        """At most `limit` values of a job's stream, but for the first `after`."""
        _, values = self._client._sys_db.read_stream_values(job_id, key, after, limit)
        return [from_text(value) for value, _ in values if value]

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        self._client.cancel_workflows(list(job_ids))

    def delete(self, job_ids: Sequence[str]) -> None:
        """Forget jobs."""
        self._client.delete_workflows(list(job_ids))

    def requeue(self, job_id: str, worker: str) -> bool:
        """Put a job that `worker` holds back into the queue; False where it holds it no more."""
        return self._client._sys_db.reenqueue_for_recovery(job_id, [worker], QUEUE)

    def register_queue(self, concurrency: int) -> None:
        """Make the queue where it is missing; one that is there stays as it is."""
        self._client.register_queue(
            QUEUE, worker_concurrency=concurrency, on_conflict="never_update"
        )

    def queue(self) -> Queue | None:
        """The queue; None where it was not made yet."""
        return self._client.retrieve_queue(QUEUE)


# -- a worker ---------------------------------------------------------------------------------


def launch(engine: sa.Engine, name: str) -> None:
    """Have workflows run in this process, by the name of its worker. It takes none by itself."""
    config: DBOSConfig = {
        "name": "ninefold",
        "system_database_engine": engine,
        "executor_id": name,
        "application_version": APP_VERSION,
        "serializer": JsonSerializer(),
        "run_migrations": False,
        "use_listen_notify": False,
        "log_level": "ERROR",
        "scheduler_polling_interval_sec": 3600.0,
        "notification_listener_polling_interval_sec": 0.01,  # it ends after the first
    }
    logger = logging.getLogger("dbos")
    logger.addFilter(_without_ends_of_jobs)
    # Else DBOS adds one that keeps the stderr of now, even when that is closed later.
    if logging.lastResort is not None and logging.lastResort not in logger.handlers:
        logger.addHandler(logging.lastResort)
    DBOS(config=config)
    DBOS.listen_queues([])  # the dispatcher does
    DBOS.launch()
    dbos = _get_dbos_instance()
    _use_milliseconds(dbos._sys_db)
    # Nothing here uses DBOS's queues, schedules, delays, timeouts and messages, which its threads
    # look for once a second; `destroy` would wait for the last of these looks. Those of the last
    # three have no public end but `destroy`, which sets these.
    for event in (*dbos.background_thread_stop_events, dbos._background_jobs_stop_event):
        event.set()
    dbos._sys_db._run_background_processes = False


def shut_down() -> None:
    """Run no workflows here any more."""
    DBOS.destroy()


def claim(queue: Queue, worker: str, running: int, token: str) -> list[Claimed]:
    """Claim jobs for a worker that runs so many, as many as the queue lets it have.

    What is claimed and not started looks stranded, and the worker's watch puts it back.
    """
    system = _get_dbos_instance()._sys_db
    claimed, _ = system.start_queued_workflows(
        queue,
        worker,
        APP_VERSION,
        None,
        running,
        owner_xid=token,
        is_latest_version=False,  # every job names its version
    )
    found = system.get_workflow_statuses(claimed)
    return [cast(Claimed, row) for row in found if row["status"] == "PENDING"]  # else cancelled


def start(row: Claimed, token: str) -> None:
    """Start a job that was claimed with the token; raises what DBOS raises."""
    execute_dequeued_workflow(_get_dbos_instance(), cast(Any, row), token)


def _without_ends_of_jobs(record: logging.LogRecord) -> bool:
    """Whether to log: a job that failed or was cancelled says so itself."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, JobFailedError | DBOSAwaitedWorkflowCancelledError)


# -- inside a workflow ------------------------------------------------------------------------


def workflow(max_dispatches: int) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of the function that runs a job; after so many dispatches, it fails for good."""
    return DBOS.workflow(name=WORKFLOW, max_recovery_attempts=max_dispatches)


def job_id() -> str | None:
    """The id of the job that runs."""
    return DBOS.workflow_id


def step_number() -> int | None:
    """The number of the step that runs, by which its reports are found again."""
    return DBOS.step_id


async def run_step(name: str, body: Callable[[], Coroutine[Any, Any, Json]]) -> Json:
    """The recorded outcome of a step, or that of `body`, which is cancelled with the job."""
    return await DBOS.run_step_async({"name": name, "preemptible": True}, body)


async def write_stream(key: str, value: Json) -> None:
    """Add a value to the job's stream."""
    await DBOS.write_stream_async(key, value)
