"""Routes of A1111's extensions and of its page, which clients look for beside `/sdapi/v1`.

Source: `scripts/!adetailer.py` of Bing-su/adetailer, `scripts/api.py` of sd-webui-controlnet.
"""

from __future__ import annotations

from typing import Any

from ninefold._version import __version__
from ninefold.server.dependencies import Known, ServiceDep
from ninefold.server.router import Router
from ninefold.server.sdapi.adetailer import Unit
from ninefold.server.sdapi.controlnet_modules import control_types, module_details
from ninefold.server.sdapi.examples import (
    AD_MODELS,
    CONTROL_MODELS,
    CONTROL_MODULES,
    CONTROL_SETTINGS,
    CONTROL_TYPES,
)
from ninefold.server.sdapi.shared import sdapi_responses
from ninefold.server.service import Service
from ninefold.stages.control import CONTROL_MODEL
from ninefold.stages.parameters import DETECTOR_MODEL

router = Router(tags=["sdapi"])

#: Version of the API whose forms the lists have.
_CONTROLNET_API = 3


@router.get("/internal/ping", responses=sdapi_responses(example={}))
async def sdapi_ping(_caller: Known) -> dict[str, Any]:
    """Whether the server answers, and the key counts."""
    return {}


@router.get("/adetailer/v1/version", responses=sdapi_responses(example={"version": __version__}))
async def sdapi_adetailer_version(_caller: Known) -> dict[str, str]:
    """The version of ninefold, whose detailer it is."""
    return {"version": __version__}


@router.get("/adetailer/v1/schema", responses=sdapi_responses(example=Unit.model_json_schema()))
async def sdapi_adetailer_schema(_caller: Known) -> dict[str, Any]:
    """The JSON schema of a unit's arguments."""
    return Unit.model_json_schema()


@router.get("/adetailer/v1/ad_model", responses=sdapi_responses(example=AD_MODELS))
async def sdapi_adetailer_models(service: ServiceDep, _caller: Known) -> dict[str, list[str]]:
    """The detectors."""
    return {"ad_model": list(await service.call(service.limits.models, DETECTOR_MODEL))}


async def _control_models(service: Service) -> list[str]:
    """Control models by name.

    The extension adds a hash, for which every file would have to be read; `name [hash]` is taken
    in units all the same.
    """
    return list(await service.call(service.engines.models, CONTROL_MODEL))


@router.get("/controlnet/version", responses=sdapi_responses(example={"version": _CONTROLNET_API}))
async def sdapi_controlnet_version(_caller: Known) -> dict[str, int]:
    """Of the API whose forms the lists and units have."""
    return {"version": _CONTROLNET_API}


@router.get("/controlnet/model_list", responses=sdapi_responses(example=CONTROL_MODELS))
async def sdapi_controlnet_models(
    service: ServiceDep, _caller: Known, update: bool = True
) -> dict[str, list[str]]:
    """The ControlNets, T2I-Adapters and IP-Adapters."""
    return {"model_list": await _control_models(service)}


@router.get("/controlnet/module_list", responses=sdapi_responses(example=CONTROL_MODULES))
async def sdapi_controlnet_modules(_caller: Known) -> dict[str, Any]:
    """What pictures can be made into edges by."""
    return module_details()


@router.get("/controlnet/control_types", responses=sdapi_responses(example=CONTROL_TYPES))
async def sdapi_controlnet_types(service: ServiceDep, _caller: Known) -> dict[str, dict[str, Any]]:
    """Models and modules by what pictures show."""
    return control_types(await _control_models(service))


@router.get("/controlnet/settings", responses=sdapi_responses(example=CONTROL_SETTINGS))
async def sdapi_controlnet_settings(_caller: Known) -> dict[str, int]:
    """How many units a request may have."""
    return CONTROL_SETTINGS
