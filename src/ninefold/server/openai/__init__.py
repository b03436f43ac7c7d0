"""OpenAI's images API over the same jobs and keys: `/v1/images/generations` and `/v1/images/edits`.

Its `/v1/models` is the service's own, which answers in OpenAI's form.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ninefold.server.openai.errors import problem_response
from ninefold.server.openai.routes import router

if TYPE_CHECKING:
    from ninefold.server.service import Service
    from ninefold.settings import Settings

__all__ = ["PREFIXES", "install", "problem_response", "router", "running"]

#: Paths whose errors are told in OpenAI's form.
PREFIXES = ("/v1/images",)


def install(app: FastAPI, settings: Settings) -> None:
    """Nothing to add to the application."""


@asynccontextmanager
async def running(app: FastAPI, service: Service) -> AsyncIterator[None]:
    """Nothing runs beside requests."""
    yield
