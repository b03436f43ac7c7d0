"""What is used of uvicorn and h11 beyond their documentation is where it was read."""

from __future__ import annotations

from importlib.metadata import version

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ninefold.server.uvicorn_adapter import PRIVATE, READ_FOR, protocol

VERSIONS = ", ".join(f"{name} {version(name)}" for name in READ_FOR)


async def _app(scope: object, receive: object, send: object) -> None:
    raise AssertionError("nothing is asked")


@pytest.fixture
async def owners() -> dict[str, object]:
    config = uvicorn.Config(_app)
    return {
        "protocol": H11Protocol(config, ServerState(), {}),
        "connection": h11.Connection(h11.SERVER),
    }


@pytest.mark.anyio
@pytest.mark.parametrize(("owner", "name", "use"), PRIVATE, ids=[row[1] for row in PRIVATE])
async def test_each_name_is_there(
    owner: str, name: str, use: str, owners: dict[str, object]
) -> None:
    assert hasattr(owners[owner], name), (
        f"{VERSIONS}: no {owner}.{name} ({use}). server/uvicorn_adapter.py was read for {READ_FOR}."
    )


@pytest.mark.anyio
async def test_the_adapted_protocol_is_made_as_uvicorn_makes_it() -> None:
    made = protocol(3.0)(uvicorn.Config(_app), ServerState(), {})
    assert type(made.conn) is not h11.Connection
    assert made.app is not _app
