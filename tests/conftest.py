"""What all tests share: no time limits on examples, and nothing of the caller's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from ninefold import PipelineContext

settings.register_profile("ninefold", deadline=None)
settings.load_profile("ninefold")


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors (pyproject.toml), but for those of libraries about themselves."""
    # dynamicprompts 0.31 calls pyparsing 3.3 by old names; users never see it.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:dynamicprompts")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NINEFOLD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def context(tmp_path: Path) -> PipelineContext:
    """A context with a prompt and a seed, in a folder of its own."""
    return PipelineContext(tmp_path / "job", prompt="a red house", seed=7, job_id="job")
