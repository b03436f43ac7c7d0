"""Routes that list what can be chosen, in the forms that clients read."""

from __future__ import annotations

from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.sampler_names import aliases
from ninefold.engines.sampler_table import SAMPLERS
from ninefold.imaging.resize import RESAMPLERS
from ninefold.model_catalog import described, public_facts
from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.router import Router
from ninefold.server.sdapi.examples import (
    EMBEDDING,
    EMBEDDINGS,
    LORA,
    MEMORY,
    MODEL,
    SAMPLER,
    SCHEDULE,
    SCRIPT_INFO,
    SCRIPTS,
    UPSCALER,
)
from ninefold.server.sdapi.samplers import SCHEDULE_TYPES
from ninefold.server.sdapi.shared import sdapi_responses
from ninefold.server.service import Service
from ninefold.stages.upscaler import UPSCALER_MODEL

router = Router(prefix="/sdapi/v1", tags=["sdapi"])

_List = list[dict[str, Any]]


@router.get("/sd-models", responses=sdapi_responses(example=[MODEL]))
async def sdapi_models(service: ServiceDep, _caller: Known) -> _List:
    """The diffusion models; `filename` is a name, for no path leaves the server."""
    return await service.call(_models, service)


@router.get("/samplers", responses=sdapi_responses(example=[SAMPLER]))
async def sdapi_samplers(_caller: Known) -> _List:
    """The samplers; `Default` is each model's own."""
    return [
        {"name": sampler.a1111_name, "aliases": list(aliases(sampler)), "options": {}}
        for sampler in SAMPLERS.values()
    ]


@router.get("/schedulers", responses=sdapi_responses(example=[SCHEDULE]))
async def sdapi_schedulers(_caller: Known) -> _List:
    """The schedule types."""
    return [
        {
            "name": name,
            "label": label,
            "aliases": None,
            "default_rho": -1.0,
            "need_inner_model": False,
        }
        for name, label in SCHEDULE_TYPES
    ]


@router.get("/upscalers", responses=sdapi_responses(example=[UPSCALER]))
async def sdapi_upscalers(service: ServiceDep, _caller: Known) -> _List:
    """The upscalers; `None` enlarges nothing, `Lanczos` and `Nearest` are filters."""
    return await service.call(_upscalers, service)


@router.get("/loras", responses=sdapi_responses(example=[LORA]))
async def sdapi_loras(service: ServiceDep, _caller: Known) -> _List:
    """The LoRAs, for `<lora:name:0.8>` in a prompt."""
    return await service.call(_loras, service)


@router.get("/scripts", responses=sdapi_responses(example=SCRIPTS))
async def sdapi_scripts(_caller: Known) -> dict[str, list[str]]:
    """The scripts that a request may name: ADetailer, always on, and SD upscale."""
    return SCRIPTS


@router.get("/script-info", responses=sdapi_responses(example=SCRIPT_INFO))
async def sdapi_script_info(_caller: Known) -> _List:
    """What is known of the scripts."""
    return SCRIPT_INFO


@router.get("/embeddings", responses=sdapi_responses(example=EMBEDDINGS))
async def sdapi_embeddings(service: ServiceDep, _caller: Known) -> dict[str, dict[str, Any]]:
    """The textual inversions, which a prompt uses by their names."""
    names = await service.call(service.engines.diffusion.embeddings)
    return {"loaded": {name: dict(EMBEDDING) for name in names}, "skipped": {}}


@router.get("/latent-upscale-modes", responses=sdapi_responses(example=[]))
async def sdapi_latent_upscale_modes(_caller: Known) -> _List:
    """None: upscalers work on pixels."""
    return []


@router.get("/sd-vae", responses=sdapi_responses(example=[]))
async def sdapi_vae(_caller: Known) -> _List:
    """None: each model has its own."""
    return []


@router.get("/hypernetworks", responses=sdapi_responses(example=[]))
async def sdapi_hypernetworks(_caller: Known) -> _List:
    """None."""
    return []


@router.get("/face-restorers", responses=sdapi_responses(example=[]))
async def sdapi_face_restorers(_caller: Known) -> _List:
    """None."""
    return []


@router.get("/realesrgan-models", responses=sdapi_responses(example=[]))
async def sdapi_realesrgan_models(_caller: Known) -> _List:
    """None: see `upscalers`."""
    return []


@router.get("/prompt-styles", responses=sdapi_responses(example=[]))
async def sdapi_prompt_styles(_caller: Known) -> _List:
    """None."""
    return []


@router.get("/cmd-flags", responses=sdapi_responses(example={}))
async def sdapi_cmd_flags(_caller: Known) -> dict[str, Any]:
    """None are shown."""
    return {}


@router.get("/memory", responses=sdapi_responses(example=MEMORY))
async def sdapi_memory(_caller: Known) -> dict[str, dict[str, str]]:
    """Not shown here; see `/metrics`."""
    return MEMORY


@router.get("/extensions", responses=sdapi_responses(example=[]))
async def sdapi_extensions(_caller: Known) -> _List:
    """None: what is served of extensions is built in."""
    return []


@router.get("/sd-modules", responses=sdapi_responses(example=[]))
async def sdapi_modules(_caller: Known) -> _List:
    """None: Forge's list of VAEs and text encoders; each model has its own."""
    return []


@router.post("/refresh-checkpoints", responses=sdapi_responses())
async def sdapi_refresh_checkpoints(_caller: Known) -> None:
    """Nothing to do: what is at hand is looked up each time."""


@router.post("/refresh-vae", responses=sdapi_responses())
async def sdapi_refresh_vae(_caller: Known) -> None:
    """Nothing to do: there are none."""


@router.post("/refresh-embeddings", responses=sdapi_responses())
async def sdapi_refresh_embeddings(_caller: Known) -> None:
    """Nothing to do: there are none."""


@router.post("/refresh-loras", responses=sdapi_responses())
async def sdapi_refresh_loras(_caller: Known) -> None:
    """Nothing to do: what is at hand is looked up each time."""


@router.post("/unload-checkpoint", responses=sdapi_responses(example={}))
async def sdapi_unload_checkpoint(_caller: Known) -> dict[str, Any]:
    """Nothing to do: models leave the memory by themselves, and others may be using one."""
    return {}


@router.post("/reload-checkpoint", responses=sdapi_responses(example={}))
async def sdapi_reload_checkpoint(_caller: Known) -> dict[str, Any]:
    """Nothing to do: a model is loaded with the first image that it makes."""
    return {}


def _models(service: Service) -> _List:
    found = []
    for name in service.model_names():
        try:
            info = described(service.engines, name)
        except ModelError:  # the settings may name what is no diffusion model
            continue
        found.append(
            {
                "title": f"{name} [{info.hash[:SHORT_HASH]}]" if info.hash else name,
                "model_name": name,
                "hash": info.hash[:SHORT_HASH] or None,
                "sha256": info.hash or None,
                "filename": name,
                "config": None,
            }
        )
    return found


def _loras(service: Service) -> _List:
    found = []
    names = service.engines.diffusion.loras()
    models = service.engines.local_models.find_all("lora", names)
    for name in names:
        known = public_facts(models[name]) if name in models else {}
        metadata = {
            "modelspec.title": known.get("title"),
            "modelspec.license": known.get("license"),
            "modelspec.trigger_phrase": ", ".join(known.get("triggers", ())),
            "ss_base_model_version": known.get("family"),
        }
        metadata = {key: text for key, text in metadata.items() if text}
        found.append({"name": name, "alias": name, "path": name, "metadata": metadata})
    return found


def _upscalers(service: Service) -> _List:
    found: _List = [_upscaler("None", 4)]
    found += [_upscaler(name.capitalize(), 4) for name in RESAMPLERS]
    for name in service.limits.models(UPSCALER_MODEL):
        if name in RESAMPLERS:
            continue
        try:
            found.append(_upscaler(name, service.engines.upscaling.scale(name)))
        except ModelError:
            continue
    return found


def _upscaler(name: str, scale: int) -> dict[str, Any]:
    return {
        "name": name,
        "model_name": None,
        "model_path": None,
        "model_url": None,
        "scale": scale,
    }
