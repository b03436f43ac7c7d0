"""OpenAI's images API over the same jobs and keys: `/v1/images/generations`,
`/v1/images/edits` and `/v1/images/variations`.

Its `/v1/models` is the service's own, which answers in OpenAI's form, errors too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ninefold.core.errors import ConfigError
from ninefold.core.problems import suggest
from ninefold.server.openai.errors import problem_response
from ninefold.server.openai.routes import router

if TYPE_CHECKING:
    from ninefold.server.service import Service
    from ninefold.settings import Settings

__all__ = ["PREFIXES", "install", "problem_response", "router", "running"]

#: Paths whose errors are told in OpenAI's form.
PREFIXES = ("/v1/images", "/v1/models")


def install(app: FastAPI, settings: Settings) -> None:
    """Nothing to add to the application."""


@asynccontextmanager
async def running(app: FastAPI, service: Service) -> AsyncIterator[None]:
    """Nothing runs beside requests; raises `ConfigError` for names that cannot be served."""
    await service.call(check_aliases, service)
    yield


def check_aliases(service: Service) -> None:
    """Raise `ConfigError` unless every name that the settings give stands for a model."""
    known = service.model_names()
    problems = [
        f"openai_models: {name}={model}: {model!r} is not served here.{suggest(model, known)}"
        for name, model in service.settings.openai_aliases.items()
        if model not in known
    ]
    problems += [
        f"openai_models: {name}={model}: expected a new name, got that of a model. Leave it out."
        for name, model in service.settings.openai_aliases.items()
        if name in known
    ]
    if problems:
        raise ConfigError(problems)
