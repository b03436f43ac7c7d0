"""No network, and pipelines of tiny models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def hub_cache(no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def pipes() -> Callable[[str], Any]:
    from functools import cache

    from tests.tiny_models import build_tiny

    return cache(build_tiny)
