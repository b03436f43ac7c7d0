"""OpenAI's images API as a part of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ninefold.core.errors import ConfigError
from ninefold.core.problems import suggest
from ninefold.server.openai import routes
from ninefold.server.openai.errors import problem_response
from ninefold.server.parts import ServerPart
from ninefold.server.service import Service


class OpenAIPart(ServerPart):
    """Its routes, and its form of errors for them and for the list of models."""

    router = routes.router
    error_forms = dict.fromkeys(("/v1/images", "/v1/models"), problem_response)

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
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
