"""ninefold: from a prompt to a finished image, nine stages, one pipeline."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ninefold._version import __version__

if TYPE_CHECKING:
    from ninefold.client import AsyncClient, Client
    from ninefold.config import PipelineConfig
    from ninefold.core.context import PipelineContext
    from ninefold.core.control_flow import Rewind
    from ninefold.core.errors import (
        ConfigError,
        ContractError,
        InputError,
        ModelError,
        NinefoldError,
        SigningError,
        StageError,
        StageInputError,
        StorageError,
        UserError,
        WiringError,
    )
    from ninefold.core.events import Event
    from ninefold.core.function_stage import stage
    from ninefold.core.model_refs import ModelRef
    from ninefold.core.pipeline import Pipeline
    from ninefold.core.progress import Previews
    from ninefold.core.slots import Slot
    from ninefold.core.stage import PipelineStage, StageParams
    from ninefold.core.values import Artifact, ImageRecord, Lora, Region, Verdict
    from ninefold.core.wiring import Step
    from ninefold.jobs.executor import JobExecutor
    from ninefold.jobs.model import Group, Job
    from ninefold.provenance.report import ProvenanceReport
    from ninefold.provenance.verification import verify
    from ninefold.reproduction.report import ReproductionReport
    from ninefold.reproduction.reproducing import reproduce
    from ninefold.slots import (
        IMAGE,
        MASK,
        MODEL,
        NEGATIVE_PROMPT,
        OUTPUTS,
        PROMPT,
        REFERENCES,
        REGIONS,
        SEED,
        VERDICT,
    )
    from ninefold.stages.base import EngineStage

#: Where each public name lives. They are imported when they are first used, so that
#: `import ninefold` costs next to nothing.
_HOMES = {
    "ninefold.client": ("AsyncClient", "Client"),
    "ninefold.config": ("PipelineConfig",),
    "ninefold.core.context": ("PipelineContext",),
    "ninefold.core.errors": (
        "ConfigError",
        "ContractError",
        "InputError",
        "ModelError",
        "NinefoldError",
        "SigningError",
        "StageError",
        "StageInputError",
        "StorageError",
        "UserError",
        "WiringError",
    ),
    "ninefold.core.events": ("Event",),
    "ninefold.core.function_stage": ("stage",),
    "ninefold.core.model_refs": ("ModelRef",),
    "ninefold.core.pipeline": ("Pipeline",),
    "ninefold.core.progress": ("Previews",),
    "ninefold.core.slots": ("Slot",),
    "ninefold.core.control_flow": ("Rewind",),
    "ninefold.core.stage": ("PipelineStage", "StageParams"),
    "ninefold.core.values": ("Artifact", "ImageRecord", "Lora", "Region", "Verdict"),
    "ninefold.core.wiring": ("Step",),
    "ninefold.inspection": ("FileDescription", "config_from_file", "inspect_file"),
    "ninefold.jobs.executor": ("JobExecutor",),
    "ninefold.jobs.model": ("Group", "Job"),
    "ninefold.provenance.report": ("ProvenanceReport",),
    "ninefold.provenance.verification": ("verify",),
    "ninefold.reproduction.report": ("ReproductionReport",),
    "ninefold.reproduction.reproducing": ("reproduce",),
    "ninefold.slots": (
        "IMAGE",
        "MASK",
        "MODEL",
        "NEGATIVE_PROMPT",
        "OUTPUTS",
        "PROMPT",
        "REFERENCES",
        "REGIONS",
        "SEED",
        "VERDICT",
    ),
    "ninefold.stages.base": ("EngineStage",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "IMAGE",
    "MASK",
    "MODEL",
    "NEGATIVE_PROMPT",
    "OUTPUTS",
    "PROMPT",
    "REFERENCES",
    "REGIONS",
    "SEED",
    "VERDICT",
    "Artifact",
    "AsyncClient",
    "Client",
    "ConfigError",
    "ContractError",
    "EngineStage",
    "Event",
    "FileDescription",
    "Group",
    "ImageRecord",
    "InputError",
    "Job",
    "JobExecutor",
    "Lora",
    "ModelError",
    "ModelRef",
    "NinefoldError",
    "Pipeline",
    "PipelineConfig",
    "PipelineContext",
    "PipelineStage",
    "Previews",
    "ProvenanceReport",
    "Region",
    "ReproductionReport",
    "Rewind",
    "SigningError",
    "Slot",
    "StageError",
    "StageInputError",
    "StageParams",
    "Step",
    "StorageError",
    "UserError",
    "Verdict",
    "WiringError",
    "__version__",
    "config_from_file",
    "inspect_file",
    "reproduce",
    "stage",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ninefold' has no attribute {name!r}")
    if _HOME[name] != "ninefold.client":  # which holds no context
        import_module("ninefold.slots")  # declares the slots that a context may hold
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return list(__all__)
