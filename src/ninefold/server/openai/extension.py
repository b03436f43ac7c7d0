"""OpenAI's images API as a part of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ninefold.core.errors import ConfigError
from ninefold.core.problems import suggest
from ninefold.provenance.verification import verifier_for
from ninefold.server.openai import provenance, routes
from ninefold.server.openai.errors import problem_response
from ninefold.server.parts import ServerPart
from ninefold.server.service import Service


class OpenAIPart(ServerPart):
    """Its routes, and its form of errors for them and for the list of models."""

    router = routes.router
    router.include_router(provenance.router)
    error_forms = dict.fromkeys(
        ("/v1/images", "/v1/models", "/v1/content_provenance_checks"), problem_response
    )

    @asynccontextmanager
    async def running(self, app: FastAPI, service: Service) -> AsyncIterator[None]:
        """Nothing runs beside requests; raises `ConfigError` for names that cannot be served, and
        for trust anchors that cannot be used."""
        await service.call(check_aliases, service)
        verifier = await service.call(
            verifier_for, service.settings, service.engines, service.image_limits
        )
        app.state.provenance_checks = provenance.ProvenanceChecks(verifier, service.closing)
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
