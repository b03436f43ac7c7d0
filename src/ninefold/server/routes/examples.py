"""What routes answer, for the OpenAPI document: made by what makes the answers themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ninefold.catalogue import describe_stage
from ninefold.config import PipelineConfig, presets
from ninefold.core.context import PipelineContext
from ninefold.core.values import Artifact, Output
from ninefold.engines.schedulers import NAMES as SCHEDULERS
from ninefold.imaging.resize import RESAMPLERS
from ninefold.job_schema import StageWarning, StepEstimate
from ninefold.jobs import Group, Job, JobStarted
from ninefold.jobs.listing import Listing
from ninefold.server.links import artifact_path
from ninefold.server.prompt_reading import PromptDocument, PromptExample, PromptSpan
from ninefold.server.schemas.configs import ConfigDocument
from ninefold.server.schemas.estimates import EstimateDocument, RerunPlanDocument
from ninefold.server.schemas.jobs import document, event_document, group_document, summary
from ninefold.server.sse import event_text
from ninefold.slots import OUTPUTS, SEED
from ninefold.stages import UpscalerStage

_ID = "20251124-101500-3f9a1c0d5e2b7a64"
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DRAFT = PipelineConfig.preset("draft")


def _job(**changes: Any) -> Job:
    """A job of the preset `draft` that has succeeded."""
    folder = Path(_ID)
    context = PipelineContext(folder, job_id=_ID)
    context[SEED] = 7
    generated, final = folder / "generated.png", folder / "outputs" / "poster-7.png"
    context.add_artifact(Artifact("generated.png", generated, "text_to_image", "image/png", _SHA))
    name = "outputs/poster-7.png"
    context[OUTPUTS] = (Output(name, final, "png", "image/png", 256, 256, _SHA),)
    context.add_metadata("prompt", seed=7, duration_ms=1.2)
    given: dict[str, Any] = {
        "id": _ID,
        "status": "succeeded",
        "config": _DRAFT.document(),
        "input": {"prompt": "a red house in snowy mountains", "seed": 7},
        "folder": folder,
        "priority": 100,
        "created_at": "2025-11-24T10:15:00.000+00:00",
        "started_at": "2025-11-24T10:15:00.030+00:00",
        "finished_at": "2025-11-24T10:15:02.100+00:00",
        "attempts": {item.stage: 1 for item in _DRAFT.stages},
        "listing": Listing(
            seed=7, model="poster", width=256, height=256, picture=name, decision="pass", score=0.98
        ),
        "context": context,
    }
    return Job(**(given | changes))


_SUMMARY = summary(_job()).model_dump(mode="json")
_MODEL = {
    "id": "poster",
    "object": "model",
    "created": 0,
    "owned_by": "ninefold",
    "native_size": [256, 256],
    "family": "Stable Diffusion",
}


def _json(description: str, example: Any) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"example": example}},
    }


JOB = _json("The job.", document(_job(), artifact_path).model_dump(mode="json"))
PAGE = _json("Some jobs.", {"jobs": [_SUMMARY], "next_cursor": None, "total": 1})
SUMMARY = _json("The job.", _SUMMARY)
QUEUE = _json(
    "The queue.",
    {
        "paused": False,
        "queued": 1,
        "running": 0,
        "waiting": [
            {
                "id": _ID,
                "priority": 100,
                "prompt": "a red house in snowy mountains",
                "group": None,
            }
        ],
        "problem": None,
    },
)
LINEAGE = _json(
    "The family.",
    {
        "jobs": [
            {"id": _ID, "parent": None, "from_stage": None, "changes": None, "job": _SUMMARY},
            {
                "id": "20251124-102000-aa11bb22cc33dd44",
                "parent": _ID,
                "from_stage": "finisher",
                "changes": {"finisher.grain": 0.05},
                "job": None,
            },
        ],
        "truncated": False,
    },
)
DELETED = _json(
    "What is gone.", {"deleted": [_ID], "kept": {"other": "It has not ended. Cancel it first."}}
)
GROUP = _json(
    "The group.",
    group_document(Group(f"g{_ID}", (_job(id=f"g{_ID}.00001", group=f"g{_ID}"),))).model_dump(
        mode="json"
    ),
)
GRID = _json(
    "The grid.",
    {
        "id": f"g{_ID}",
        "status": "queued",
        "counts": {"queued": 1},
        "prompt": "a red house in snowy mountains",
        "x": {"parameter": "text_to_image.steps", "values": [4], "labels": ["steps 4"]},
        "y": None,
        "cells": [
            {
                "x": 0,
                "y": 0,
                "job": summary(_job(id=f"g{_ID}.00001", group=f"g{_ID}")).model_dump(mode="json"),
            }
        ],
    },
)
UPLOAD = _json(
    "The upload.",
    {
        "id": _SHA,
        "kind": "image",
        "media_type": "image/png",
        "width": 256,
        "height": 256,
        "size": 91_304,
        "created_at": "2025-11-24T10:14:00+00:00",
    },
)
SESSION = _json(
    "Who asks.",
    {
        "signed_in": True,
        "keyless": False,
        "key": {"id": "abcdefghij", "name": "printer"},
        "scopes": ["read", "submit"],
        "expires_at": "2025-11-24T22:15:00.000+00:00",
        "csrf_token": "5c1d8f0e" * 8,
        "limits": {
            "max_image_bytes": 16_777_216,
            "max_image_pixels": 16_777_216,
            "max_output_pixels": 268_435_456,
            "max_body": 1_048_576,
            "max_prompt": 4000,
            "max_stages": 32,
            "max_group": 100,
            "max_queued": 1000,
            "max_queued_of_all": 10_000,
            "rate": 100.0,
            "burst": 200,
            "uploads_hours": 24.0,
        },
    },
)
STAGES = _json(
    "The stages.", {"stages": [{**describe_stage(UpscalerStage), "params": {"type": "object"}}]}
)
PRESETS = _json(
    "The presets.",
    {
        "presets": [
            {"name": "draft", "description": presets()["draft"], "config": _DRAFT.document()}
        ]
    },
)
MODEL = _json("The model.", _MODEL)
MODELS = _json(
    "The models.",
    {
        "object": "list",
        "default": "poster",
        "data": [_MODEL],
        "schedulers": list(SCHEDULERS),
        "schedulers_by_kind": {"noise": list(SCHEDULERS), "own": ["default"]},
        "loras": ["night-neon"],
        "embeddings": [],
        "detectors": ["detector"],
        "upscalers": ["2x", "4x", *RESAMPLERS],
        "matting": ["matting"],
        "control": [],
        "watermark": ["ninefold"],
        "details": [
            {"id": "ink", "kind": "lora", "family": "SDXL", "triggers": ["ink drawing"]},
        ],
    },
)
SCHEMA = _json("The schema.", {"type": "object", "title": "PipelineConfig"})
MANIFEST_SCHEMA = _json("The schema.", {"type": "object", "title": "ninefold manifest"})
CONFIG = _json(
    "The config holds.",
    ConfigDocument(
        config=_DRAFT.document(),
        resolved=_DRAFT.resolved(),
        text=_DRAFT.to_yaml(),
        warnings=[StageWarning(stage="text_to_image", detail="What would not act, and why.")],
    ).model_dump(mode="json"),
)
_STEP = StepEstimate(
    stage="text_to_image",
    enabled=True,
    model="poster",
    width=256,
    height=256,
    steps=20,
    seconds=2.4,
    basis="measured",
)
ESTIMATE = _json(
    "What they would take.",
    EstimateDocument(steps=[_STEP], seconds=2.4, weights_bytes=14_600_000, images=1).model_dump(
        mode="json"
    ),
)
PLAN = _json(
    "What it would do.",
    RerunPlanDocument(
        from_stage="text_to_image",
        reused=["prompt"],
        runs=["text_to_image", "publisher"],
        config=_DRAFT.document(),
        seconds=None,
        steps=[_STEP, _STEP.model_copy(update={"stage": "publisher", "seconds": None})],
        warnings=[],
    ).model_dump(mode="json"),
)
PROMPT = _json(
    "How the prompt is read.",
    PromptDocument(
        spans=[
            PromptSpan(start=2, end=12, kind="variants", choices=2),
            PromptSpan(start=3, end=6, kind="option", weight=1.0),
            PromptSpan(start=7, end=11, kind="option", weight=1.0),
        ],
        problems=[],
        warnings=[],
        variants=2,
        examples=[PromptExample(seed=7, prompt="a red house", loras=[])],
    ).model_dump(mode="json"),
)
_STARTED = event_document(JobStarted(1, ("prompt",)))
EVENTS: dict[str, Any] = {
    "description": "The events.",
    "content": {
        "text/event-stream": {  # without a schema: OpenAPI 3.1 has none for a single event
            "example": event_text(_STARTED["event"], _STARTED, 1),
        }
    },
}
_PROGRESS = {"job": _ID, "stage": "text_to_image", "done": 4, "total": 12}
ACTIVITY: dict[str, Any] = {
    "description": "The events.",
    "content": {
        "text/event-stream": {
            "example": event_text("stage_progressed", _PROGRESS, 1_763_979_300_000_001),
        }
    },
}
INSPECTION = _json(
    "What the file says.",
    {
        "format": "png",
        "width": 512,
        "height": 768,
        "found_in": ["PNG text parameters"],
        "generation": {
            "tool": "AUTOMATIC1111",
            "version": "v1.10.1",
            "prompt": "a red house",
            "seed": 7,
            "steps": 20,
            "sampler": "DPM++ 2M",
            "schedule": "Karras",
            "width": 512,
            "height": 768,
            "model": {"name": "poster"},
            "other": {"ENSD": "31337"},
        },
        "config": {
            "description": "From an image of AUTOMATIC1111.",
            "prompt": "a red house",
            "model": "poster",
            "seed": 7,
            "stages": [
                {"stage": "prompt"},
                {
                    "stage": "text_to_image",
                    "params": {"steps": 20, "scheduler": "dpmpp_2m_karras"},
                },
                {"stage": "publisher"},
            ],
        },
        "not_taken_over": ["ENSD: 31337"],
        "notes": [],
        "models": [
            {
                "kind": "diffusion",
                "name": "poster",
                "here": "poster",
                "found_by": "name",
                "at_hand": True,
            }
        ],
    },
)
