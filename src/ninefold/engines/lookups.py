"""Engines that look up each model once: for checks of many jobs, all of one moment."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from ninefold.engines.base import EngineSet

#: Methods of engines that only say what is at hand.
_LOOKUPS = frozenset(
    {"batch_limit", "describe", "hash", "labels", "lora_hash", "loras", "margin", "models"}
    | {"scale", "schedulers"}
)


def keep_lookups(engines: EngineSet) -> EngineSet:
    """The same engines, which answer from memory what they were asked before.

    Each lookup otherwise goes through the models' files, to see whether they changed.
    """
    kept: dict[str, Any] = {
        kind: _KeptLookups(getattr(engines, kind))
        for kind in ("diffusion", "detection", "upscaling")
    }
    return replace(engines, **kept)


class _KeptLookups:
    """An engine of any kind."""

    def __init__(self, engine: object) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)
        if name in _LOOKUPS:
            method = cache(method)
            setattr(self, name, method)
        return method
