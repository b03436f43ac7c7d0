"""`ninefold serve` and `ninefold keys`: their options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ninefold.cli import arguments as a
from ninefold.cli.guard import DONE, FAILED, guarded, say

keys_app = typer.Typer(help="Make, list and revoke API keys of the service.", **a.SETTINGS)


class _Scope(StrEnum):
    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


@guarded
def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; by default 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="The port; by default 8000, and 0 takes a free one.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Run no jobs here, only take them.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve all who reach the address, without keys.")
    ] = False,
    open_studio: Annotated[
        bool, typer.Option("--open", help="Open the studio in a browser once it serves.")
    ] = False,
    memory: a.Memory = None,
    settings: a.SettingsFile = None,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Serve the API and the studio, and run jobs.

    SIGTERM and Ctrl-C stop it gracefully; a second one at once. Exit codes: 0 stopped, 2 bad
    settings.
    """
    from ninefold.core.settings import read_settings
    from ninefold.settings import Settings

    flags = {
        "host": host,
        "port": port,
        "worker": False if no_worker else None,
        "insecure": insecure or None,
        "memory": memory,
        "data": data,
        "database": database or None,
    }
    chosen = read_settings(Settings, file=settings, flags=flags, strict=True)

    from ninefold.cli.process import collector_held

    with collector_held():
        from ninefold.server.serve import serve as run

    on_ready = _open_studio if open_studio else None
    return DONE if run(chosen, say, context.obj, on_ready) else FAILED


def _open_studio(url: str) -> None:
    """Open it, in a thread: some browsers return only once they are closed."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=[f"{url}/studio/"], daemon=True).start()


@keys_app.command("create")
@guarded
def create_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, or what for.")],
    scope: Annotated[
        list[_Scope] | None,
        typer.Option(help="What it may do; repeatable. By default submit and read."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second; by default the server's.")
    ] = None,
    max_queued: Annotated[
        int | None, typer.Option(min=1, help="Jobs that may wait; by default the server's.")
    ] = None,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """Make a key. It is printed on stdout this once; only its hash is kept."""
    from ninefold.cli import keys

    scopes = [item.value for item in scope or (_Scope.SUBMIT, _Scope.READ)]
    return keys.create(data, database, name, scopes, rate, max_queued)


@keys_app.command("list")
@guarded
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """List the keys by how they begin."""
    from ninefold.cli import keys

    return keys.show(data, database, as_json)


@keys_app.command("revoke")
@guarded
def revoke_key(
    key: Annotated[str, typer.Argument(help="How the key begins, as listed.")],
    data: a.Data = None,
    database: a.Database = None,
) -> int:
    """End a key, at once and on every server; its jobs stay."""
    from ninefold.cli import keys

    return keys.revoke(data, database, key)
