"""What routes answer, for the OpenAPI document; a test holds them against the schemas."""

from __future__ import annotations

from typing import Any

_ID = "20251124-101500-3f9a1c0d5e2b7a64"
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_CONFIG = {
    "description": "A first look.",
    "stages": [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "publisher"}],
}
_SUMMARY: dict[str, Any] = {
    "id": _ID,
    "status": "succeeded",
    "error": None,
    "parent": None,
    "group": None,
    "reused": [],
    "priority": 100,
    "input": {"prompt": "a red house in snowy mountains", "seed": 7},
    "created_at": "2025-11-24T10:15:00.000+00:00",
    "started_at": "2025-11-24T10:15:00.030+00:00",
    "finished_at": "2025-11-24T10:15:02.100+00:00",
    "links": {
        "self": f"/v1/jobs/{_ID}",
        "events": f"/v1/jobs/{_ID}/events",
        "cancel": f"/v1/jobs/{_ID}/cancel",
        "rerun": f"/v1/jobs/{_ID}/rerun",
    },
}
_JOB: dict[str, Any] = {
    **_SUMMARY,
    "stage": None,
    "attempts": {"prompt": 1, "text_to_image": 1, "publisher": 1},
    "seed": 7,
    "artifacts": [
        {
            "name": "generated.png",
            "stage": "text_to_image",
            "media_type": "image/png",
            "sha256": _SHA,
            "url": f"/v1/jobs/{_ID}/artifacts/generated.png",
        }
    ],
    "outputs": [
        {
            "name": "poster-7.png",
            "format": "png",
            "media_type": "image/png",
            "width": 256,
            "height": 256,
            "sha256": _SHA,
            "url": f"/v1/jobs/{_ID}/artifacts/poster-7.png",
        }
    ],
    "verdict": None,
    "metadata": {"prompt": {"seed": 7, "duration_ms": 1.2}},
    "config": _CONFIG,
}
_GROUP = {
    "id": f"g{_ID}",
    "status": "running",
    "counts": {"succeeded": 1},
    "jobs": [{**_SUMMARY, "group": f"g{_ID}", "id": f"g{_ID}.00001"}],
}
_MODEL = {
    "id": "poster",
    "object": "model",
    "created": 0,
    "owned_by": "ninefold",
    "native_size": [256, 256],
}


def _json(description: str, example: Any) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"example": example}},
    }


JOB = _json("The job.", _JOB)
PAGE = _json("Some jobs.", {"jobs": [_SUMMARY], "next_cursor": None})
GROUP = _json("The group.", _GROUP)
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
STAGES = _json(
    "The stages.",
    {
        "stages": [
            {
                "name": "upscaler",
                "summary": "Enlarges the image by a super-resolution model.",
                "requires": ["image"],
                "accepts": [],
                "provides": ["image", "upscaled_path"],
                "params": {"type": "object"},
            }
        ]
    },
)
PRESETS = _json(
    "The presets.",
    {"presets": [{"name": "draft", "description": "A first look.", "config": _CONFIG}]},
)
MODEL = _json("The model.", _MODEL)
MODELS = _json(
    "The models.",
    {
        "object": "list",
        "data": [_MODEL],
        "schedulers": ["default", "euler"],
        "loras": [],
        "detectors": ["detector"],
        "upscalers": ["x2", "x4"],
    },
)
SCHEMA = _json("The schema.", {"type": "object", "title": "PipelineConfig"})
CONFIG = _json("The config holds.", {"config": _CONFIG, "resolved": _CONFIG})
EVENTS: dict[str, Any] = {
    "description": "The events.",
    "content": {
        "text/event-stream": {  # without a schema: OpenAPI 3.1 has none for a single event
            "example": (
                'id: 1\nevent: job_started\ndata: {"sequence":1,"steps":["prompt"],'
                '"event":"job_started"}\n\n'
            ),
        }
    },
}
