"""Metrics for Prometheus, in a registry of the process's own; docs/reference/metrics.md lists them.

What makes this a part of the server is imported when it is first used: a worker needs the rest
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ninefold.server.metrics.part import install, router, running

__all__ = ["install", "router", "running"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ninefold.server.metrics import part

    return getattr(part, name)
