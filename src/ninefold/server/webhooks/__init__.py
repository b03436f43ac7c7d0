"""Webhooks in the Standard Webhooks form: signed, retried, replayable, to where they may go.

What makes this a part of the server is read from `part` when it is first used, since `part` needs
the server's documents, and those need `WebhookRequest`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninefold.server.webhooks.documents import WebhookRequest

if TYPE_CHECKING:
    from ninefold.server.webhooks.part import check, install, outbox, router, running

__all__ = ["WebhookRequest", "check", "install", "outbox", "router", "running"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ninefold.server.webhooks import part

    return getattr(part, name)
