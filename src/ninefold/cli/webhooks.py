"""`ninefold webhooks`: list messages, have them sent again, and show the secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import sqlalchemy as sa
import typer

from ninefold.cli.guard import DONE, say
from ninefold.cli.jobs import Place
from ninefold.core.errors import InputError, NotFoundError
from ninefold.core.settings import read_settings
from ninefold.jobs.database import connect, data_folder, database_url
from ninefold.jobs.store import JobStore
from ninefold.server.keys import Keys
from ninefold.server.webhooks.outbox import Message, Outbox, State
from ninefold.server.webhooks.secrets import secrets_of
from ninefold.settings import Settings


def show(
    data: Path | None, database: str | None, states: Sequence[str], limit: int, as_json: bool
) -> int:
    """List messages, those that are sent next first."""
    with _outbox(data, database) as outbox:
        found = outbox.list(cast("list[State]", list(states)), limit)
    if as_json:
        typer.echo(json.dumps([item.to_json() for item in found], indent=2))
        return DONE
    for item in found:
        last = item.error or (f"status {item.status}" if item.status else "")
        typer.echo(f"{item.subject}  {item.state:<9}  {item.tries} tries  {item.host}  {last}")
    if not found:
        say("There is no message.")
    return DONE


def replay(data: Path | None, database: str | None, names: Sequence[str], failed: bool) -> int:
    """Make messages due again; a server sends them."""
    if not names and not failed:
        raise InputError("expected ids of jobs or groups, or --failed.")
    with _outbox(data, database) as outbox:
        given_up = outbox.list(["failed"], limit=1_000_000) if failed else []
        for item in [*(_message(outbox, name) for name in names), *given_up]:
            outbox.replay(item.kind, item.subject)
            typer.echo(item.subject)
    return DONE


def secret(data: Path | None, database: str | None, prefix: str | None) -> int:
    """Print a key's secret."""
    with _engine(data, database) as engine:
        keys = Keys(engine)
        owner = _owner(keys, prefix) if prefix is not None else None
        typer.echo(secrets_of(read_settings(Settings), keys, owner)[0])
    return DONE


def _message(outbox: Outbox, name: str) -> Message:
    try:
        return outbox.message("job", name)
    except NotFoundError:
        try:
            return outbox.message("group", name)
        except NotFoundError:
            raise NotFoundError(f"no job or group called {name!r} has a webhook.") from None


def _owner(keys: Keys, prefix: str) -> str:
    found = [key.id for key in keys.list() if key.prefix.startswith(prefix)]
    if len(found) != 1:
        raise InputError(
            f"--key: {len(found)} keys begin with {prefix!r}. List them with: ninefold keys list"
        )
    return found[0]


@contextmanager
def _outbox(data: Path | None, database: str | None) -> Iterator[Outbox]:
    with _engine(data, database) as engine:
        store = JobStore(engine, data_folder(Place(data, database).resolved()[0]))
        try:
            yield Outbox(store)
        finally:
            store.close()


@contextmanager
def _engine(data: Path | None, database: str | None) -> Iterator[sa.Engine]:
    """The jobs' database, which is there already."""
    where, url = Place(data, database).resolved()
    engine = connect(database_url(data_folder(where), url), create=False)
    try:
        yield engine
    finally:
        engine.dispose()
