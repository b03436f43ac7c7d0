"""`ninefold webhooks`: its options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ninefold.cli import arguments as a
from ninefold.cli.guard import guarded

webhooks_app = typer.Typer(help="Look at webhooks' messages, and send them again.", **a.SETTINGS)


class _State(StrEnum):
    WAITING = "waiting"
    DUE = "due"
    DELIVERED = "delivered"
    FAILED = "failed"


@webhooks_app.command("list")
@guarded
def list_messages(
    state: Annotated[
        list[_State] | None, typer.Option(help="Only those in this state; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """List messages: waiting for their job, due, delivered, or failed after the last try."""
    from ninefold.cli import webhooks

    states = [item.value for item in state or ()]
    return webhooks.show(data, database, states, limit, as_json)


@webhooks_app.command()
@guarded
def replay(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Jobs or groups that have ended.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All messages that were given up.")
    ] = False,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Have the messages of jobs or groups sent again, with the same ids, by the server."""
    from ninefold.cli import webhooks

    return webhooks.replay(data, database, names or (), failed)


@webhooks_app.command()
@guarded
def secret(
    key: Annotated[
        str | None,
        typer.Option(help="Whose: how an API key begins; by default who needs no key."),
    ] = None,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Print the secret with which receivers verify signatures."""
    from ninefold.cli import webhooks

    return webhooks.secret(data, database, key)
