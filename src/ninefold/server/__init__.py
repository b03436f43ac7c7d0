"""The service: pipelines over HTTP. Importing this imports neither FastAPI nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ninefold.server.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    if name != "create_app":
        raise AttributeError(f"module 'ninefold.server' has no attribute {name!r}")
    from ninefold.server.app import create_app

    return create_app
