"""`ninefold keys`: make, list and revoke API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import typer

from ninefold.cli.guard import DONE, say
from ninefold.cli.jobs import Place
from ninefold.core.errors import StorageError
from ninefold.core.json_text import json_text
from ninefold.jobs.database import connect, data_folder, database_url
from ninefold.server.keys import Keys, Scope


def create(
    data: Path | None,
    database: str | None,
    name: str,
    scopes: Sequence[str],
    rate: float | None,
    max_queued: int | None,
) -> int:
    """Make a key and print it."""
    with _keys(data, database) as keys:
        key, token = keys.create(
            name, cast("list[Scope]", list(scopes)), rate=rate, max_queued=max_queued
        )
    typer.echo(token)
    say(f"{name}: may {', '.join(sorted(key.scopes))}. Keep the key now: it is not shown again.")
    return DONE


def show(data: Path | None, database: str | None, as_json: bool) -> int:
    """List the keys."""
    with _keys(data, database) as keys:
        found = keys.list()
    if as_json:
        typer.echo(json_text([key.to_json() for key in found], indent=2))
        return DONE
    for key in found:
        state = f"revoked {key.revoked_at}" if key.revoked_at else "active"
        scopes = ",".join(sorted(key.scopes))
        typer.echo(f"{key.prefix}  {key.created_at}  {scopes:<17}  {state:<8}  {key.name}")
    if not found:
        say("There is no key. Make one with: ninefold keys create NAME")
    return DONE


def revoke(data: Path | None, database: str | None, name: str) -> int:
    """End a key."""
    with _keys(data, database) as keys:
        key = keys.revoke(name)
    say(f"{key.prefix} ({key.name}): revoked.")
    return DONE


@contextmanager
def _keys(data: Path | None, database: str | None) -> Iterator[Keys]:
    """The keys of the jobs' database, which is made where it is missing."""
    where, url = Place(data, database).resolved()
    folder = data_folder(where)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: {error.strerror}. Name another folder with --data."
        ) from None
    engine = connect(database_url(folder, url), create=True)
    try:
        yield Keys(engine)
    finally:
        engine.dispose()
