"""Single files of tiny models, and what is painted with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.progress import SilentProgress
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.references import with_components
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

from ..conftest import text

MARKS = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
    pytest.mark.slow,
]


Make = Callable[[str], Path]


def engine(**settings: Any) -> DiffusersEngine:
    return DiffusersEngine(EngineResources(EngineSettings(device="cpu", **settings)))


def made(model: object, components: object = None, **changes: Any) -> bytes:
    reference = with_components(str(model), None if components is None else str(components))
    painter = engine()
    side = max(64, painter.describe(reference).min_size)
    request = replace(text(model=reference), steps=1, width=side, height=side, **changes)
    return painter.run(request, SilentProgress()).image.tobytes()


def described(model: Path, components: object = None) -> ModelInfo:
    reference = with_components(str(model), None if components is None else str(components))
    return engine().describe(reference)


def close(one: bytes, other: bytes) -> bool:
    """Alike but for rounding: where a weight begins in its file decides how sums are ordered."""
    first, second = (np.frombuffer(image, np.uint8).astype(int) for image in (one, other))
    return bool(np.abs(first - second).max() <= 2)


def save(tensors: dict[str, Any], path: Path, **metadata: str) -> Path:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    return path
