"""ninefold: from a prompt to a finished image, nine stages, one pipeline."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ninefold._version import __version__
from ninefold.core.context import PipelineContext
from ninefold.core.errors import (
    ConfigError,
    ContractError,
    InputError,
    ModelError,
    NinefoldError,
    StageError,
    StageInputError,
    StorageError,
    UserError,
    WiringError,
)
from ninefold.core.pipeline import Pipeline, Step
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage, Rewind, StageParams
from ninefold.core.values import Artifact, ImageRecord, Lora, Region, Verdict
from ninefold.slots import IMAGE, MASK, NEGATIVE_PROMPT, OUTPUTS, PROMPT, SEED, VERDICT

if TYPE_CHECKING:
    from ninefold.config import PipelineConfig

__all__ = [
    "IMAGE",
    "MASK",
    "NEGATIVE_PROMPT",
    "OUTPUTS",
    "PROMPT",
    "SEED",
    "VERDICT",
    "Artifact",
    "ConfigError",
    "ContractError",
    "ImageRecord",
    "InputError",
    "Lora",
    "ModelError",
    "NinefoldError",
    "Pipeline",
    "PipelineConfig",
    "PipelineContext",
    "PipelineStage",
    "Region",
    "Rewind",
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
]


def __getattr__(name: str) -> Any:
    if name == "PipelineConfig":  # it knows all stages, and those load NumPy and Pillow
        return import_module("ninefold.config").PipelineConfig
    raise AttributeError(f"module 'ninefold' has no attribute {name!r}")
