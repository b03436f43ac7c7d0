"""A context as JSON: all of it, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold import (
    IMAGE,
    MASK,
    ImageRecord,
    InputError,
    Lora,
    PipelineContext,
    Region,
    StageError,
    Verdict,
)
from ninefold.core.values import Attempt, Output, Seams
from ninefold.files.store import read_image, write_image
from ninefold.slots import (
    ATTEMPTS,
    CONFIG,
    IMAGE_PATH,
    LORAS,
    MAX_SEED,
    OUTPUTS,
    REGIONS,
    SEAMS,
    UPSCALE_FACTOR,
    VERDICT,
)
from tests.core.test_context import _artifact

from ..support import picture
from .toys import NUMBER, TEXT


def _full(context: PipelineContext) -> PipelineContext:
    """A context with every kind of slot set."""
    record = write_image(context, "text_to_image", "generated.png", picture(6, 5))
    crop = _artifact(context, "regions/1.png", "detailer")
    context[IMAGE] = record
    context[IMAGE_PATH] = record.path
    context[MASK] = ImageRecord(context.workdir / "mask.png", 6, 5, "RGB", "0" * 64, "input")
    context[LORAS] = (Lora("sketch", 0.5),)
    context[REGIONS] = (Region("face", 0.9, (1, 2, 3, 4), "a face", 7, crop, crop),)
    context[SEAMS] = Seams(6, 5, (3,), ())
    context[UPSCALE_FACTOR] = 1.5
    context[ATTEMPTS] = (Attempt(6, "fail", 0.5, ("Blurred.",)),)
    context[VERDICT] = Verdict("warn", 0.75, ("Blurred.",), {"sharpness": 3.5})
    context[CONFIG] = {"stages": [{"stage": "prompt"}]}
    output = context.workdir / "outputs" / "job.png"
    context[OUTPUTS] = (Output("outputs/job.png", output, "png", "image/png", 6, 5, "0" * 64),)
    context.add_metadata("text_to_image", model="poster", size=[6, 5], warnings=["ä"])
    context.begin("detailer")
    context.completed = ["text_to_image"]
    return context


def test_the_whole_context_comes_back_from_json(context: PipelineContext) -> None:
    _full(context)
    context.set_error(StageError("detailer", "no memory"))
    again = PipelineContext.from_json(context.to_json())
    for name in ("job_id", "workdir", "created_at", "data", "artifacts", "metadata", "error",
                 "completed", "inputs_by_step"):  # fmt: skip
        assert getattr(again, name) == getattr(context, name), name
    assert again.to_json() == context.to_json()
    assert np.array_equal(read_image(again, again[IMAGE]), picture(6, 5))


def test_json_holds_no_pixels_and_no_absolute_path_but_the_folder(
    context: PipelineContext,
) -> None:
    document = json.loads(_full(context).to_json())
    assert document.pop("workdir") == str(context.workdir)
    assert str(context.workdir) not in json.dumps(document)
    assert document["data"]["image"]["path"] == "generated.png"


def test_a_moved_folder_is_named_when_it_is_read(context: PipelineContext, tmp_path: Path) -> None:
    text = _full(context).to_json()
    moved = context.workdir.rename(tmp_path / "moved")
    again = PipelineContext.from_json(text, moved)
    assert again.workdir == moved
    assert again[IMAGE].path == moved / "generated.png"
    assert again.artifacts[0].path == moved / "generated.png"
    assert again[REGIONS][0].before.path == moved / "regions" / "1.png"
    assert np.array_equal(read_image(again, again[IMAGE]), picture(6, 5))


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png"])
@pytest.mark.parametrize("place", ["image", "artifacts", "regions", "outputs", "before"])
def test_json_that_leads_out_of_the_folder_is_refused(
    context: PipelineContext, place: str, path: str
) -> None:
    document = json.loads(_full(context).to_json())
    target = {
        "image": document["data"]["image"],
        "artifacts": document["artifacts"][0],
        "regions": document["data"]["regions"][0]["before"],
        "outputs": document["data"]["outputs"][0],
        "before": document["before"]["detailer"]["image"],
    }
    target[place]["path"] = path
    with pytest.raises(InputError, match="inside the working folder"):
        PipelineContext.from_json(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [
        {"data": {}},
        {"data": {"job_id": "../x"}},
        {"data": {"job_id": "j", "nothing": 1}},
        {"data": {"job_id": "j", "seed": "x"}},
        {"artifacts": [{"name": "x"}]},
        {"artifacts": None},
        {"metadata": []},
        {"completed": "prompt"},
        {"error": "x"},
        {"before": 5},
    ],
)
def test_json_that_is_no_context_is_refused(
    context: PipelineContext, change: dict[str, object]
) -> None:
    document = json.loads(context.to_json()) | change
    with pytest.raises(InputError):
        PipelineContext.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", "[" * 100_000])
def test_text_that_is_no_context_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a saved context"):
        PipelineContext.from_json(text)


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)


@given(
    prompt=_text,
    seed=st.integers(0, MAX_SEED - 1),
    loras=st.lists(st.builds(Lora, _text, st.floats(-10, 10)), max_size=3),
    number=st.integers(),
    toy=_text,
    metadata=st.dictionaries(_text, st.dictionaries(_text, _json, max_size=3), max_size=3),
    completed=st.lists(_text, max_size=3),
)
def test_any_context_comes_back_from_json(
    prompt: str,
    seed: int,
    loras: list[Lora],
    number: int,
    toy: str,
    metadata: dict[str, dict[str, Any]],
    completed: list[str],
) -> None:
    context = PipelineContext("/nowhere", prompt=prompt, seed=seed, loras=loras, job_id="j")
    context[NUMBER] = number
    context[TEXT] = toy
    context.metadata = metadata
    context.completed = completed
    again = PipelineContext.from_json(context.to_json())
    assert again.data == context.data
    assert again.metadata == metadata
    assert again.completed == completed
