"""What ninefold takes from DBOS beside its public names is where it was when it was read."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOSClient

from ninefold.jobs import dbos_adapter
from tests.jobs.conftest import Place
from tests.support import run

#: Parameters that are given by name, or counted on at their place.
PARAMETERS = {
    "_sys_db.SystemDatabase.create": (
        *("system_database_url", "engine_kwargs", "engine", "schema", "serializer"),
        *("executor_id", "use_listen_notify"),
    ),
    "_migration.get_dbos_migrations": ("schema", "use_listen_notify"),
    "_core.execute_dequeued_workflow": ("dbos", "status", "owner_xid"),
    "start_queued_workflows": (
        *("queue", "executor_id", "app_version", "queue_partition_key", "local_running_count"),
        *("owner_xid", "is_latest_version"),
    ),
    "get_workflow_statuses": ("workflow_ids",),
    "reenqueue_for_recovery": ("workflow_id", "executor_ids", "recovery_queue_name"),
    "read_stream_values": ("workflow_uuid", "key", "offset", "limit"),
}
#: Columns of its tables that queries of ours name.
COLUMNS = {
    "workflow_status": {
        *("workflow_uuid", "name", "status", "created_at", "authenticated_user", "queue_name"),
    },
    "workflow_input": {"workflow_uuid", "inputs"},
    "operation_outputs": {"workflow_uuid", "output"},
    "streams": {"workflow_uuid", "key"},
    "queues": {"name", "worker_concurrency", "rate_limit_max"},
}


def test_no_thread_of_dbos_is_left_that_closing_would_wait_for(place: Place) -> None:
    async def scenario() -> None:
        async with place.jobs():
            instance = importlib.import_module("dbos._dbos")._get_dbos_instance()
            assert instance._background_threads
            for thread in instance._background_threads:
                thread.join(60)
                assert not thread.is_alive(), thread.name

    run(scenario())


def test_every_private_name_is_where_it_was(here: Place) -> None:
    async def scenario() -> list[str]:
        async with here.jobs() as jobs:
            client = DBOSClient(system_database_engine=jobs.store.engine)
            instance = importlib.import_module("dbos._dbos")._get_dbos_instance()
            owners = {"client": client, "system": client._sys_db, "instance": instance}
            try:
                return [*_moved(owners), *_without_columns(client._sys_db.tables)]
            finally:
                client.destroy()

    assert run(scenario()) == []


def test_a_name_that_moved_is_reported_with_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("dbos._core.execute_dequeued_workflow")
    [moved] = _moved({})
    assert moved == (
        f"dbos {version('dbos')}: no dbos._core.execute_dequeued_workflow (starts what our "
        f"dispatcher claimed). jobs/dbos_adapter.py was read for {dbos_adapter.READ_FOR}."
    )


def test_no_private_name_is_used_that_is_not_listed() -> None:
    listed = {part for _, name, _ in dbos_adapter.PRIVATE for part in name.split(".")}
    tree = ast.parse(Path(dbos_adapter.__file__).read_text())
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dbos"):
            names = {alias.name for alias in node.names}
            modules = {part for part in (node.module or "").split(".") if part.startswith("_")}
            used |= modules | (names if modules else {n for n in names if n.startswith("_")})
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            used.add(node.attr)
    assert used - {"_client"} <= listed  # our own attribute


def _moved(owners: dict[str, Any]) -> list[str]:
    """What is not where it was: of modules, and of `owners` where they are given."""
    found = []
    for owner, name, use in dbos_adapter.PRIVATE:
        if owner != "dbos" and owner not in owners:
            continue
        parts = name.split(".")
        where = f"dbos {version('dbos')}: no {owner}.{name} ({use})"
        rest = f"jobs/dbos_adapter.py was read for {dbos_adapter.READ_FOR}."
        try:
            root: Any = owners.get(owner)
            if root is None:
                root, parts = importlib.import_module(f"dbos.{parts[0]}"), parts[1:]
            target: Any = reduce(getattr, parts, root)
        except (ImportError, AttributeError):
            found.append(f"{where}. {rest}")
            continue
        if wanted := PARAMETERS.get(name):
            known = inspect.signature(target).parameters
            if lost := [parameter for parameter in wanted if parameter not in known]:
                found.append(f"{where} with {', '.join(lost)}. {rest}")
    return found


def _without_columns(tables: Any) -> list[str]:
    return [
        f"dbos {version('dbos')}: no column {table}.{name}"
        for table, names in COLUMNS.items()
        for name in names - set(getattr(tables, table).c.keys())
    ]
