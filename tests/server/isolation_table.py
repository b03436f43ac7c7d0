"""How each route is called with what belongs to another key: one entry a route, or the test fails.

The key of a stranger calls every route with the ids of what another key owns. An entry says how:

    "GET /v1/jobs/{job_id}": Probe(path={"job_id": "job"})
        must be 404, as for an id that never was
    "GET /v1/jobs": Probe(shows_nothing=True)
        succeeds, and tells nothing of the owner's
    "POST /v1/jobs": Probe(json={...})
        refused (400 or above), for it names what is another's
    "GET /v1/stages": Probe(public=True, scope="any")
        the same for every key, and nobody's

Values of `path`, and of `json`, `data` and `query` where they are `Own("job")`, stand for the
owner's: "job" (ended, with files), "queued" (a job that waits), "group", "member" (a job of the
group), "grid", "upload", "artifact" (the name of a file of "job"), "message" (of a webhook), "key"
(the id); "model" is everybody's.

`scope` is the scope that a key needs for the route, where it is not the usual one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from tests.server.conftest import png
from tests.server.sdapi.orders import b64, plain


@dataclass(frozen=True)
class Own:
    """Stands for something that the owner has."""

    name: str


@dataclass(frozen=True)
class Probe:
    """A call by a stranger, and what must come of it."""

    #: What of the owner's each part of the path is.
    path: dict[str, str] = field(default_factory=dict)
    json: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] | None = None
    files: dict[str, Any] | None = None
    #: It succeeds, and neither ids nor prompts of the owner are in it.
    shows_nothing: bool = False
    #: It knows no owners at all.
    public: bool = False
    #: It knows no owners either, and answers once its images are made.
    waits: bool = False
    #: The scope that it needs: by default `read` for GET and `submit` for all else; `any` where
    #: every key will do, `none` where no key is needed.
    scope: str = ""


_INPUT = {"prompt": "a red house", "image": Own("upload")}

_TOLD = plain(8, 8)
_TOLD.info["parameters"] = "a red house\nSteps: 8, Seed: 7, Size: 8x8"
_DESCRIBED = b64(_TOLD)
_PNG = base64.b64encode(png(seed=1)).decode()
_FILES = {"image": ("a.png", png(seed=1))}
_LISTS = (
    "cmd-flags",
    "embeddings",
    "extensions",
    "face-restorers",
    "hypernetworks",
    "latent-upscale-modes",
    "loras",
    "memory",
    "prompt-styles",
    "realesrgan-models",
    "samplers",
    "schedulers",
    "script-info",
    "scripts",
    "sd-models",
    "sd-modules",
    "sd-vae",
    "upscalers",
)
_REFRESHED = ("checkpoints", "embeddings", "loras", "vae")
_EXTENSIONS = (
    "internal/ping",
    "adetailer/v1/ad_model",
    "adetailer/v1/schema",
    "adetailer/v1/version",
    "controlnet/control_types",
    "controlnet/model_list",
    "controlnet/module_list",
    "controlnet/settings",
    "controlnet/version",
)

PROBES: dict[str, Probe] = {
    "GET /healthz": Probe(public=True, scope="none"),
    "GET /readyz": Probe(public=True, scope="none"),
    "GET /": Probe(public=True, scope="none"),
    "GET /studio": Probe(public=True, scope="none"),
    "GET /studio/{path}": Probe(public=True, scope="none", path={"path": "model"}),
    "GET /v1/session": Probe(public=True, scope="none"),
    "DELETE /v1/session": Probe(public=True, scope="none"),
    "POST /v1/jobs": Probe(json={"preset": "draft", "input": _INPUT}),
    "POST /v1/jobs/estimate": Probe(shows_nothing=True, json={"preset": "draft", "input": _INPUT}),
    "GET /v1/jobs": Probe(shows_nothing=True, query={"group": Own("group")}),
    "GET /v1/jobs/{job_id}": Probe(path={"job_id": "job"}),
    "PATCH /v1/jobs/{job_id}": Probe(path={"job_id": "job"}, json={"favourite": True}),
    "POST /v1/jobs/{job_id}/move": Probe(path={"job_id": "queued"}, json={"to": "first"}),
    "POST /v1/jobs/delete": Probe(json={"jobs": [Own("job")]}, shows_nothing=True),
    "GET /v1/queue": Probe(shows_nothing=True),
    "POST /v1/queue/pause": Probe(scope="admin"),
    "POST /v1/queue/resume": Probe(scope="admin"),
    "GET /v1/jobs/{job_id}/lineage": Probe(path={"job_id": "job"}),
    "GET /v1/archives": Probe(query={"job": Own("job")}),
    "GET /v1/jobs/{job_id}/thumbnail": Probe(path={"job_id": "job"}),
    "GET /v1/jobs/{job_id}/preview": Probe(path={"job_id": "job"}),
    "DELETE /v1/jobs/{job_id}": Probe(path={"job_id": "job"}),
    "POST /v1/jobs/{job_id}/cancel": Probe(path={"job_id": "queued"}),
    "POST /v1/jobs/{job_id}/rerun/plan": Probe(path={"job_id": "job"}, json={}),
    "POST /v1/jobs/{job_id}/rerun": Probe(path={"job_id": "job"}, json={}),
    "GET /v1/jobs/{job_id}/events": Probe(path={"job_id": "job"}),
    "GET /v1/jobs/{job_id}/artifacts/{name}": Probe(path={"job_id": "job", "name": "artifact"}),
    "POST /v1/groups": Probe(json={"preset": "draft", "inputs": [_INPUT]}),
    "GET /v1/groups/{group_id}": Probe(path={"group_id": "group"}),
    "GET /v1/groups/{group_id}/sheet": Probe(path={"group_id": "group"}),
    "POST /v1/groups/{group_id}/cancel": Probe(path={"group_id": "group"}),
    "POST /v1/grids": Probe(
        json={
            "preset": "draft",
            "input": _INPUT,
            "x": {"parameter": "text_to_image.steps", "values": [3]},
        }
    ),
    "GET /v1/grids/{grid_id}": Probe(path={"grid_id": "grid"}),
    "GET /v1/webhooks": Probe(shows_nothing=True),
    "POST /v1/webhooks/{message_id}/retry": Probe(path={"message_id": "message"}),
    "GET /v1/webhooks/secret": Probe(public=True, scope="submit"),
    "GET /v1/jobs/{job_id}/webhook": Probe(path={"job_id": "job"}),
    "POST /v1/jobs/{job_id}/webhook/replay": Probe(path={"job_id": "job"}),
    "GET /v1/groups/{group_id}/webhook": Probe(path={"group_id": "group"}),
    "POST /v1/groups/{group_id}/webhook/replay": Probe(path={"group_id": "group"}),
    "GET /metrics": Probe(scope="admin"),
    "GET /v1/system": Probe(scope="admin"),
    "GET /v1/system/checks": Probe(scope="admin"),
    "GET /v1/keys": Probe(scope="admin"),
    "POST /v1/keys": Probe(scope="admin", json={"name": "printer"}),
    "DELETE /v1/keys/{key_id}": Probe(scope="admin", path={"key_id": "key"}),
    "POST /v1/uploads": Probe(public=True, files={"file": ("a.png", png(seed=1))}),
    "GET /v1/uploads/{upload_id}": Probe(path={"upload_id": "upload"}),
    "GET /v1/uploads/{upload_id}/file": Probe(path={"upload_id": "upload"}),
    "DELETE /v1/uploads/{upload_id}": Probe(path={"upload_id": "upload"}),
    "GET /v1/stages": Probe(public=True, scope="any"),
    "GET /v1/presets": Probe(public=True, scope="any"),
    "GET /v1/models": Probe(public=True, scope="any"),
    "GET /v1/models/{model}": Probe(public=True, scope="any", path={"model": "model"}),
    "GET /v1/config/schema": Probe(public=True, scope="any"),
    "GET /v1/manifest/schema": Probe(public=True, scope="any"),
    "POST /v1/inspect": Probe(public=True, scope="any", files={"file": ("a.png", png(seed=1))}),
    "POST /v1/prompts/parse": Probe(public=True, scope="any", json={"prompt": "a {b|c}"}),
    "POST /v1/config/validate": Probe(public=True, scope="any", json={"preset": "draft"}),
    # Who waits for images holds no ids; tests/server/sdapi/test_sessions.py tells keys apart.
    "POST /v1/images/generations": Probe(waits=True, json={"prompt": "a tree"}),
    "POST /v1/images/edits": Probe(waits=True, data={"prompt": "a tree"}, files=_FILES),
    "POST /v1/images/variations": Probe(waits=True, files=_FILES),
    "POST /v1/content_provenance_checks": Probe(
        public=True, scope="any", files={"file": ("a.png", png(seed=1))}
    ),
    "POST /sdapi/v1/txt2img": Probe(waits=True, json={"prompt": "a tree"}),
    "POST /sdapi/v1/img2img": Probe(waits=True, json={"prompt": "a", "init_images": [_PNG]}),
    "POST /sdapi/v1/extra-single-image": Probe(waits=True, json={"image": _PNG}),
    "POST /sdapi/v1/extra-batch-images": Probe(waits=True, json={"imageList": [{"data": _PNG}]}),
    "GET /sdapi/v1/progress": Probe(shows_nothing=True),
    "POST /sdapi/v1/interrupt": Probe(shows_nothing=True),
    "POST /sdapi/v1/skip": Probe(shows_nothing=True),
    "GET /sdapi/v1/options": Probe(shows_nothing=True, scope="any"),
    "POST /sdapi/v1/options": Probe(shows_nothing=True, json={"sd_model_checkpoint": "poster"}),
    "POST /sdapi/v1/png-info": Probe(public=True, scope="any", json={"image": _PNG}),
    "POST /sdapi/v1/interrogate": Probe(public=True, scope="any", json={"image": _DESCRIBED}),
    "POST /sdapi/v1/unload-checkpoint": Probe(public=True, scope="any"),
    "POST /sdapi/v1/reload-checkpoint": Probe(public=True, scope="any"),
    **{f"POST /sdapi/v1/refresh-{name}": Probe(public=True, scope="any") for name in _REFRESHED},
    **{f"GET /{name}": Probe(public=True, scope="any") for name in _EXTENSIONS},
    **{f"GET /sdapi/v1/{name}": Probe(public=True, scope="any") for name in _LISTS},
}
