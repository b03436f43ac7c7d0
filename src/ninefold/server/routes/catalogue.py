"""What can be chosen: stages, presets, models and configs."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from ninefold.catalogue import describe_model, describe_stage, other_models
from ninefold.config import PipelineConfig, presets
from ninefold.core.errors import NotFoundError
from ninefold.core.problems import suggest
from ninefold.engines.sampler_table import SchedulerKind
from ninefold.engines.schedulers import fits_kind
from ninefold.files.manifest import manifest_schema
from ninefold.model_catalog import public_facts
from ninefold.server.config_checking import check_config
from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.openai.errors import openai_responses
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import (
    CONFIG,
    MANIFEST_SCHEMA,
    MODEL,
    MODELS,
    PRESETS,
    SCHEMA,
    STAGES,
)
from ninefold.server.schemas.configs import ConfigDocument, ConfigRequest
from ninefold.server.service import Service
from ninefold.slots import DEFAULT_MODEL
from ninefold.stages.registry import stage_types

router = Router(prefix="/v1", tags=["catalogue"])

#: Kinds of models that requests may name, beside diffusion models.
_DETAILED = ("lora", "embedding", "detector", "upscaler", "control")


class StageDocument(BaseModel):
    """A stage: its slots, and the JSON schema of its parameters."""

    name: str
    summary: str
    optional: bool = Field(
        description="Whether it is not one of the nine: it is added to a config where it is wanted."
    )
    requires: list[str]
    accepts: list[str]
    provides: list[str]
    important: list[str] = Field(description="Parameters that a form shows first.")
    params: dict[str, Any]


class StageList(BaseModel):
    """The stages, in their default order, plugins after them."""

    stages: list[StageDocument]


class PresetDocument(BaseModel):
    """A config that ships with ninefold."""

    name: str
    description: str
    config: dict[str, Any]


class PresetList(BaseModel):
    """The presets, the smallest first."""

    presets: list[PresetDocument]


class ModelDocument(BaseModel):
    """A diffusion model, as OpenAI lists them and with what ninefold knows of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: str = "model"
    created: int = Field(0, description="When its weights were written; 0 where nobody knows.")
    owned_by: str = "ninefold"


class DetailDocument(BaseModel):
    """A LoRA, embedding, detector, upscaler or control model, as far as its header tells."""

    model_config = ConfigDict(extra="allow")

    id: str
    kind: str


class ModelList(BaseModel):
    """The diffusion models, and the names of all else; kinds that plugins bring have theirs."""

    model_config = ConfigDict(extra="allow")

    object: str = "list"
    default: str = Field(description="The diffusion model of jobs that name none.")
    data: list[ModelDocument]
    schedulers: list[str]
    schedulers_by_kind: dict[str, list[str]] = Field(
        description="Of `schedulers`, those that fit models by their `scheduler_kind`."
    )
    loras: list[str]
    detectors: list[str]
    upscalers: list[str]
    details: list[DetailDocument] = Field(
        default_factory=list,
        description="What is known by their headers of models that the operator added or has in "
        "folders, but for diffusion models, which `data` describes.",
    )


@router.get("/stages", responses={200: STAGES, **responses()})
async def list_stages(caller: Known, service: ServiceDep) -> StageList:
    """Every stage, with its parameters; those that name models list what a request may name."""

    def look() -> StageList:
        stages = stage_types().values()
        found = [describe_stage(stage, service.limits.models) for stage in stages]
        return StageList(stages=[StageDocument(**stage) for stage in found])

    return await service.call(look)


@router.get("/presets", responses={200: PRESETS, **responses()})
async def list_presets(caller: Known) -> PresetList:
    """Every preset, with its config."""
    return PresetList(
        presets=[
            PresetDocument(
                name=name, description=text, config=PipelineConfig.preset(name).document()
            )
            for name, text in presets().items()
        ]
    )


@router.get("/models", responses={200: MODELS, **openai_responses()})
async def list_models(caller: Known, service: ServiceDep) -> ModelList:
    """What requests may name: diffusion models, schedulers, LoRAs, models of all other kinds.

    Names that the operator has given to models for OpenAI's clients are listed, too.
    """

    def look() -> ModelList:
        names = (*service.model_names(), *service.settings.openai_aliases)
        others = other_models(service.engines)
        by_kind = {
            kind: [name for name in others["schedulers"] if fits_kind(name, kind)]
            for kind in get_args(SchedulerKind)
        }
        return ModelList(
            default=DEFAULT_MODEL,
            schedulers_by_kind=by_kind,
            data=[_model(service, name) for name in names],
            details=[
                DetailDocument(id=model.name, kind=model.kind, **public_facts(model))
                for model in service.engines.local_models.models()
                if model.kind in _DETAILED
            ],
            **{kind: list(names) for kind, names in others.items()},
        )

    return await service.call(look)


@router.get("/models/{model:path}", responses={200: MODEL, **openai_responses(404)})
async def get_model(
    caller: Known, service: ServiceDep, model: Annotated[str, Path(min_length=1, max_length=200)]
) -> ModelDocument:
    """A diffusion model, by its own name or one that the operator has given it."""
    names = (*service.model_names(), *service.settings.openai_aliases)
    if model not in names:
        raise NotFoundError(f"model: {model!r} is not served here.{suggest(model, names)}")
    return await service.call(_model, service, model)


@router.get("/config/schema", responses={200: SCHEMA, **responses()})
async def config_schema(caller: Known) -> dict[str, Any]:
    """The JSON schema of configs."""
    return PipelineConfig.model_json_schema()


@router.get("/manifest/schema", responses={200: MANIFEST_SCHEMA, **responses()})
async def manifest_schema_document(caller: Known) -> dict[str, Any]:
    """The JSON schema of `manifest.json`, and of the record inside image files."""
    return manifest_schema()


@router.post("/config/validate", responses={200: CONFIG, **responses(body=True)})
async def validate_config(
    caller: Known, service: ServiceDep, request: ConfigRequest
) -> ConfigDocument:
    """Check a config without running it, and write it as YAML; a problem lists all that is wrong
    with it, each with its place."""
    return await service.call(check_config, request, service.validator, service.engines)


def _model(service: Service, name: str) -> ModelDocument:
    meant = service.settings.openai_aliases.get(name)
    known = describe_model(service.engines, meant or name)
    return ModelDocument(id=name, **({"alias_of": meant} if meant else {}), **known)
