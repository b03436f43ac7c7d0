"""Reference images of `text_to_image`, and what models that need or take none say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold import InputError, Pipeline, PipelineContext, PipelineStage
from ninefold.engines.engine_set import EngineSet
from ninefold.slots import MAX_REFERENCES
from ninefold.stages import DetailerStage, PromptStage, RefinerStage, TextToImageStage

from ..support import box_mask, picture, recording_engines, run

KONTEXT, MANY = "FluxKontextPipeline", "QwenImageEditPlusPipeline"
FILL = "FluxFillPipeline"


def problems(stage: PipelineStage[Any], **given: Any) -> tuple[str, ...]:
    context = PipelineContext(prompt="make it red", **given)
    return Pipeline([stage]).problems(context)


def painted(engines: EngineSet, **given: Any) -> PipelineContext:
    context = PipelineContext(prompt="make it red", seed=7, **given)
    stage = TextToImageStage(engines=engines)
    run(Pipeline([PromptStage(), stage]).execute(context))
    context.raise_for_error()
    return context


def test_they_reach_the_engine_and_the_metadata() -> None:
    engines, requests = recording_engines(pipeline_class=MANY)
    first, second = picture(128, 64), picture(40, 30, seed=3)
    context = painted(engines, references=[first, Image.fromarray(second)])
    (request,) = requests
    assert np.array_equal(request.references[0], first)
    assert np.array_equal(request.references[1], second)
    records = context.get("references")
    assert context.metadata["text_to_image"]["references"] == [item.sha256 for item in records]
    assert [item.path.name for item in records] == ["reference_1.png", "reference_2.png"]


def test_the_image_takes_on_the_shape_of_the_first() -> None:
    engines, requests = recording_engines(pipeline_class=MANY)
    painted(engines, references=[picture(200, 100), picture(50, 50)])
    assert (requests[0].width, requests[0].height) == (176, 96)
    stage = TextToImageStage(engines=engines)
    context = PipelineContext(prompt="a", references=[picture(200, 100)])
    assert stage.output_size(context, None) == (176, 96)


def test_what_is_transparent_counts_as_white() -> None:
    engines, requests = recording_engines(pipeline_class=KONTEXT)
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    painted(engines, references=clear)
    assert (requests[0].references[0] == 255).all()


def test_they_are_read_back_from_a_record(tmp_path: Path) -> None:
    context = PipelineContext(tmp_path, references=[picture(64, 64)])
    again = PipelineContext(tmp_path / "other", references=context.get("references"))
    assert again.get("references") == context.get("references")


@pytest.mark.parametrize("count", [0, MAX_REFERENCES + 1])
def test_only_so_many_are_taken(count: int) -> None:
    with pytest.raises(InputError, match=f"references: expected 1 to {MAX_REFERENCES} images"):
        PipelineContext(references=[picture(16, 16)] * count)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("no")
    with pytest.raises(InputError, match=r"no\.png"):
        PipelineContext(references=[picture(16, 16), tmp_path / "no.png"])


@pytest.mark.parametrize(
    ("pipeline_class", "count", "says"),
    [
        (None, 1, "cannot take reference images"),
        (KONTEXT, 2, "references: expected at most 1, as many as poster takes, got 2"),
        (MANY, 0, "cannot paint from a prompt alone: it changes reference images"),
        (FILL, 0, "it paints only inside a mask: name it as the model of the detailer"),
        (FILL, 1, "cannot take reference images"),
    ],
)
def test_what_a_model_cannot_do_is_said_before_it_runs(
    pipeline_class: str | None, count: int, says: str
) -> None:
    engines, requests = recording_engines(pipeline_class=pipeline_class)
    given = {"references": [picture(64, 64)] * count} if count else {}
    (problem,) = problems(TextToImageStage(engines=engines), **given)
    assert problem.startswith("text_to_image: ")
    assert says in problem
    assert requests == []


@pytest.mark.parametrize("pipeline_class", [None, KONTEXT, "Flux2Pipeline", "SanaPipeline"])
def test_a_model_that_paints_from_text_needs_none(pipeline_class: str | None) -> None:
    engines, _ = recording_engines(pipeline_class=pipeline_class)
    assert problems(TextToImageStage(engines=engines)) == ()


def test_stages_after_the_first_ask_for_what_they_do() -> None:
    engines, _ = recording_engines(pipeline_class=FILL)
    image, mask = picture(128, 128), box_mask(128, 128, (0, 0, 64, 64))
    assert problems(DetailerStage(engines=engines), image=image, mask=mask) == ()
    (problem,) = problems(RefinerStage(engines=engines, model="poster"), image=image)
    assert problem.startswith("refiner: poster (FLUX.1 Fill) cannot work over a whole image")
    assert problems(RefinerStage(engines=engines, refinement_level=0), image=image) == ()


def test_a_pipeline_without_text_to_image_refuses_them() -> None:
    engines, _ = recording_engines(pipeline_class=KONTEXT)
    context = PipelineContext(image=picture(128, 128), references=[picture(64, 64)])
    found = Pipeline([RefinerStage(engines=engines)]).problems(context)
    assert [line for line in found if line.startswith("references")]
