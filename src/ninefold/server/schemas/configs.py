"""Configs that are checked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ninefold.job_schema import StageWarning
from ninefold.server.schemas.base import JsonObject, Name, RequestModel
from ninefold.server.schemas.requests import TextInput

#: Most characters of a config that is sent as text: YAML is read slowly.
MAX_CONFIG_TEXT = 100_000


class ConfigRequest(RequestModel):
    """A config to be checked, or a preset with overrides."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"preset": "draft", "overrides": {"text_to_image.steps": 12}}]
        }
    )

    preset: Name | None = None
    config: JsonObject | None = None
    text: str | None = Field(
        None,
        max_length=MAX_CONFIG_TEXT,
        description="A config as YAML or JSON, in place of `config`.",
    )
    overrides: JsonObject = Field(default_factory=dict, max_length=1000)
    input: TextInput = Field(
        default_factory=TextInput, description="What it is to be used with, for the warnings."
    )


class ConfigDocument(BaseModel):
    """A config that holds, with every parameter of every stage written out."""

    config: dict[str, Any]
    resolved: dict[str, Any]
    text: str = Field(description="The config as YAML.")
    warnings: list[StageWarning]
