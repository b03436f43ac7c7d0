"""Traces as a part of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI

from ninefold.telemetry.traces import traced

if TYPE_CHECKING:
    from ninefold.server.service import Service
    from ninefold.settings import Settings

router = APIRouter()


def install(app: FastAPI, settings: Settings) -> None:
    """Nothing stands around requests: a span is a job's."""


@asynccontextmanager
async def running(app: FastAPI, service: Service) -> AsyncIterator[None]:
    """Send traces, where the environment says where to."""
    with traced(service.jobs):
        yield
