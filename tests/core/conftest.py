"""Fixtures of the spine's tests."""

from __future__ import annotations

import pytest

from ninefold import PipelineContext

from .toys import NUMBER


@pytest.fixture
def numbered(context: PipelineContext) -> PipelineContext:
    context[NUMBER] = 1
    return context
