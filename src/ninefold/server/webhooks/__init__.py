"""Webhooks in the Standard Webhooks form: signed, retried, replayable, to where they may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ninefold.server.webhooks.schemas import WebhookRequest

if TYPE_CHECKING:
    from ninefold.server.webhooks.extension import check, install, message_writer, router, running

__all__ = ["WebhookRequest", "check", "install", "message_writer", "router", "running"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ninefold.server.webhooks import extension

    return getattr(extension, name)
