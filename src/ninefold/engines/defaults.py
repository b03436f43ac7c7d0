"""The engine set that stages share when they are given none."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ninefold.engines.base import EngineSet, EngineStats
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.settings import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "onnxruntime", "numpy", "pillow")


@cache
def default_engines() -> EngineSet:
    """The process's shared engines, set by `NINEFOLD_*` variables when first asked for.

    Cheap: torch and ONNX Runtime are imported with the first request. Raises `ConfigError`.
    """
    return build_engines(EngineSettings.from_environment())


def build_engines(settings: EngineSettings) -> EngineSet:
    """A set of its own, sharing no loaded model with any other."""
    diffusion = DiffusersEngine(settings)
    detection = OnnxDetectionEngine(settings)
    upscaling = OnnxUpscaleEngine(settings)

    def stats() -> EngineStats:
        kinds = {
            "diffusion": diffusion.resident,
            "detector": detection.resident,
            "upscaler": upscaling.resident,
        }
        resident = {
            (kind, name): size for kind, held in kinds.items() for name, size in held().items()
        }
        return EngineStats(resident, diffusion.batches())

    return EngineSet(diffusion, detection, upscaling, _versions(), settings.wildcards, stats)


def _versions() -> Mapping[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
