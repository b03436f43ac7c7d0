"""What is installed beside the API itself: other APIs, webhooks, metrics, traces."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType
from typing import Protocol

from fastapi import FastAPI

from ninefold.server.problems import ErrorForm
from ninefold.server.router import Router
from ninefold.server.service import Service
from ninefold.settings import Settings


class ServerPart(Protocol):
    """A part of the server; what it does not say is as it stands here."""

    #: Its routes.
    router: Router
    #: The forms of errors under path prefixes of its own. Bodies there may hold images, in base64.
    error_forms: Mapping[str, ErrorForm] = MappingProxyType({})

    def install(self, app: FastAPI, settings: Settings) -> None:
        """Add what stands around every request, before the application starts."""
        return

    def running(self, app: FastAPI, service: Service) -> AbstractAsyncContextManager[None]:
        """What is open for as long as the server runs; a `UserError` stops the start."""
        return nullcontext()
