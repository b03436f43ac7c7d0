"""Configs as clients see them checked: as values, as text, and with what would not act."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ninefold.config_text import parse_document
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError
from ninefold.core.pipeline import Pipeline
from ninefold.engines.engine_set import EngineSet
from ninefold.job_schema import StageWarning
from ninefold.plan_warnings import plan_warnings
from ninefold.server.json_values import check_json
from ninefold.server.request_validation import RequestValidator
from ninefold.server.schemas.configs import ConfigDocument, ConfigRequest


def check_config(
    request: ConfigRequest, validator: RequestValidator, engines: EngineSet
) -> ConfigDocument:
    """The config that a request asks for; raises `ConfigError` with every problem."""
    document: Mapping[str, Any] | None = request.config
    if request.text is not None:
        if document is not None or request.preset is not None:
            raise ConfigError("text: expected alone, got a preset or a config, too. Leave one out.")
        document = _document(request.text)
    given = request.input.model_dump(exclude_none=True)
    config = validator.config(request.preset, document, request.overrides)
    validator.check_input(given)
    pipeline = config.build(engines.keep_lookups())
    context = PipelineContext(**given)
    pipeline.prepare(context)
    return ConfigDocument(
        config=config.document(),
        resolved=config.resolved(),
        text=config.to_yaml(),
        warnings=warnings_of(pipeline, context),
    )


def warnings_of(pipeline: Pipeline, context: PipelineContext) -> list[StageWarning]:
    """What would not act, of stages whose models are at hand."""
    return [
        StageWarning(stage=warning.step, detail=warning.detail)
        for warning in plan_warnings(pipeline, context)
    ]


def _document(text: str) -> Mapping[str, Any]:
    document = parse_document(text)
    if not isinstance(document, Mapping):
        kind = type(document).__name__
        raise ConfigError(f"text: expected a mapping with a list of stages, got {kind}.")
    try:
        check_json(
            found := json.loads(json.dumps(document))
        )  # YAML has dates, and keys of any kind
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"text: expected values that JSON has: {error}.") from None
    values: Mapping[str, Any] = found
    return values
