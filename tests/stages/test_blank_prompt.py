"""A blank prompt, where a config allows one: the model paints without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold import Pipeline, PipelineContext
from ninefold.stages import PromptStage, PublisherStage, TextToImageStage
from ninefold.testing import fake_engines

from ..support import run


def pipeline(*, allowed: bool) -> Pipeline:
    engines = fake_engines()
    return Pipeline(
        [
            PromptStage(allow_blank=allowed),
            TextToImageStage(engines=engines, allow_blank=allowed),
            PublisherStage(engines=engines),
        ]
    )


@pytest.mark.parametrize("prompt", ["", "  ", "<lora:sketch:0.5>"])
def test_a_blank_prompt_paints_where_it_is_allowed(tmp_path: Path, prompt: str) -> None:
    context = run(pipeline(allowed=True).execute(PipelineContext(tmp_path, prompt=prompt, seed=7)))
    context.raise_for_error()
    assert not context["prompt"].strip()
    assert [lora.name for lora in context["loras"]] == (["sketch"] if prompt.strip() else [])
    refused = PipelineContext(tmp_path / "refused", prompt=prompt, seed=7)
    run(pipeline(allowed=False).execute(refused))
    assert refused.error is not None


def test_no_prompt_at_all_is_still_missing(tmp_path: Path) -> None:
    assert pipeline(allowed=True).missing_inputs(PipelineContext(tmp_path, seed=7))
