from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import ConfigError, Pipeline, PipelineContext
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.faults import fake_hash
from ninefold.imaging.edges import canny
from ninefold.stages import DetailerStage, RefinerStage, RestorerStage, TextToImageStage
from ninefold.testing import fake_engines

from ..support import picture, recording_engines, run

EDGES = {"model": "edges", "image": "pose"}


def painted(stage: Any, tmp_path: Path, **slots: Any) -> tuple[list[TextToImage], PipelineContext]:
    """The requests of a stage with one entry, and the context afterwards."""
    engines, requests = recording_engines()
    context = PipelineContext(tmp_path, prompt="a red house", seed=7, **slots)
    run(stage.with_engines(engines).execute(context))
    return requests, context


def test_a_picture_of_its_own_steers_the_first_image(tmp_path: Path) -> None:
    pose = picture(64, 64)
    entry = {**EDGES, "preprocess": "canny", "strength": 0.7, "start": 0.1, "end": 0.8}
    stage = TextToImageStage(control=[entry])
    (request,), context = painted(stage, tmp_path, control_images={"pose": pose})
    (control,) = request.control
    assert control.image.shape == (128, 128, 3)
    assert set(np.unique(control.image)) <= {0, 255}
    (noted,) = context.metadata["text_to_image"]["control"]
    assert noted == {
        "model": "edges",
        "hash": fake_hash(3),
        "kind": "controlnet",
        "image": context["control_images"]["pose"].sha256,
        "strength": 0.7,
        "start": 0.1,
        "end": 0.8,
        "preprocess": "canny 100 200",
    }
    again = PipelineContext.from_json(context.to_json())
    assert again.to_json() == context.to_json()


def test_every_entry_and_every_pixel_counts(tmp_path: Path) -> None:
    images = []
    entries: list[dict[str, Any]] = [
        EDGES,
        {**EDGES, "strength": 0.5},
        {**EDGES, "end": 0.5},
        {**EDGES, "model": "union", "mode": "depth"},
        {**EDGES, "model": "style"},
    ]
    for number, entry in enumerate(entries):
        stage = TextToImageStage(control=[entry])
        slots = {"control_images": {"pose": picture(64, 64)}}
        _, context = painted(stage, tmp_path / str(number), **slots)
        images.append(context["image"].sha256)
    stage = TextToImageStage(control=[EDGES])
    slots = {"control_images": {"pose": picture(64, 64)[::-1].copy()}}
    _, context = painted(stage, tmp_path / "other", **slots)
    images.append(context["image"].sha256)
    assert len(set(images)) == len(images)


@pytest.mark.parametrize("stage_type", [TextToImageStage, RefinerStage, RestorerStage])
def test_the_source_steers_what_is_made_of_it(tmp_path: Path, stage_type: Any) -> None:
    stage = stage_type(control=[{"model": "edges", "preprocess": "canny"}])
    (request, *_), context = painted(stage, tmp_path, image=picture(128, 128))
    assert np.array_equal(request.control[0].image, canny(picture(128, 128), 100, 200))
    assert request.control[0].source != ""
    assert len(context.metadata[stage.name]["control"]) == 1


def test_regions_and_tiles_see_their_part_of_a_picture(tmp_path: Path) -> None:
    across = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    entry = {"model": "edges", "image": "ramp"}
    slots = {"image": picture(256, 256), "control_images": {"ramp": across}}
    tiles, _ = painted(RestorerStage(tile=128, control=[entry]), tmp_path / "tiles", **slots)
    assert len(tiles) > 3
    lefts = sorted({int(request.control[0].image[0, 0, 0]) for request in tiles})
    assert lefts[0] == 0
    assert lefts[-1] == 128
    mask = np.zeros((256, 256), np.uint8)
    mask[100:150, 180:220] = 255
    (region,), _ = painted(DetailerStage(control=[entry]), tmp_path / "region", mask=mask, **slots)
    shown = region.control[0].image
    assert shown.min() > 100
    assert shown[:, -1].min() > 200
    # What an IP-Adapter looks at stays whole.
    (whole,), _ = painted(
        DetailerStage(control=[{**entry, "model": "style"}]), tmp_path / "ip", mask=mask, **slots
    )
    assert whole.control[0].image.shape == (256, 256, 3)


def test_a_picture_of_another_shape_is_stretched_and_reported(tmp_path: Path) -> None:
    slots = {"control_images": {"pose": picture(64, 32)}}
    _, context = painted(TextToImageStage(control=[EDGES]), tmp_path, **slots)
    (warning,) = context.metadata["text_to_image"]["warnings"]
    assert "was stretched to 128x128" in warning


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"model": "nonesuch"}, r"control\.0\.model: .*nonesuch"),
        ({"model": "edges"}, r"control\.0\.image: expected a picture"),
        ({"model": "edges", "image": "face"}, r"control\.0\.image: no picture 'face'.*pose"),
        ({"model": "union", "image": "pose"}, r"control\.0: mode: expected one of canny, depth"),
        ({**EDGES, "mode": "canny"}, r"control\.0: mode: edges is no union model"),
        ({"model": "union", "image": "pose", "mode": "tile"}, "does not know 'tile'"),
        (
            {"model": "style", "image": "pose", "preprocess": "canny"},
            r"control\.0\.preprocess: style is an IP-Adapter",
        ),
    ],
)
def test_what_cannot_act_is_known_before_anything_runs(
    tmp_path: Path, entry: dict[str, Any], says: str
) -> None:
    import re

    stage = TextToImageStage(engines=fake_engines(), control=[entry])
    context = PipelineContext(
        tmp_path, prompt="a red house", control_images={"pose": picture(64, 64)}
    )
    problems = "\n".join(Pipeline([stage]).problems(context))
    assert re.search(says, problems)


def test_pictures_that_nothing_names_are_refused(tmp_path: Path) -> None:
    context = PipelineContext(
        tmp_path, prompt="a red house", control_images={"pose": picture(64, 64)}
    )
    stage = TextToImageStage(engines=fake_engines(), control=[])
    (problem,) = Pipeline([stage]).problems(context)
    assert "control_images: would have no effect" in problem


def test_of_several_pictures_each_is_named_or_refused(tmp_path: Path) -> None:
    entry = {"model": "edges", "image": "pose"}
    stages = [TextToImageStage(engines=fake_engines(), control=[entry])]
    given = {name: picture(64, 64) for name in ("pose", "depth", "tile")}
    context = PipelineContext(tmp_path, prompt="a red house", control_images=given)
    (problem,) = Pipeline(stages).unused_inputs(context)
    assert problem.startswith("control_images: depth, tile would have no effect.")
    del given["tile"]
    context = PipelineContext(tmp_path, prompt="a red house", control_images=given)
    refine = RefinerStage(engines=fake_engines(), control=[{"model": "edges", "image": "depth"}])
    assert Pipeline([*stages, refine]).unused_inputs(context) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": 2.5},
        {"start": 0.5, "end": 0.5},
        {"low_threshold": 201},
        {"preprocess": "depth"},
        {"weight": 1},
        {"image": ""},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_entries_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"control\.0"):
        TextToImageStage(control=[{**EDGES, **wrong}])


def test_models_and_pictures_are_part_of_what_a_result_hangs_on(tmp_path: Path) -> None:
    engines = fake_engines()
    context = PipelineContext(
        tmp_path, prompt="a", seed=7, control_images={"pose": picture(64, 64)}
    )
    plain = TextToImageStage(engines=engines)
    steered = TextToImageStage(engines=engines, control=[EDGES])
    assert (steered.fingerprint(context) or {})["control"] == [fake_hash(3)]
    assert "control" not in (plain.fingerprint(context) or {})
    assert "control_images" in context.slots_as_json(steered.scope())


def test_control_and_reference_images_are_not_mixed(tmp_path: Path) -> None:
    context = PipelineContext(
        tmp_path,
        prompt="a red house",
        control_images={"pose": picture(64, 64)},
        references=[picture(64, 64)],
    )
    stage = TextToImageStage(engines=fake_engines(), control=[EDGES])
    assert any("cannot act on an edit" in text for text in Pipeline([stage]).problems(context))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"strength": 0}, ["edges did not act, for its strength is 0."]),
        ({"start": 0.1, "end": 0.2}, ["no whole step of the 4 that ran lies between 0.1 and 0.2"]),
        ({"start": 0.5, "end": 0.75}, []),
    ],
)
def test_what_does_not_act_is_reported(
    change: dict[str, float], expected: list[str], tmp_path: Path
) -> None:
    slots = {"control_images": {"pose": picture(64, 64)}}
    stage = TextToImageStage(control=[{**EDGES, **change}], steps=4)
    _, context = painted(stage, tmp_path, **slots)
    warnings = [
        text for text in context.metadata["text_to_image"].get("warnings", []) if "act" in text
    ]
    assert len(warnings) == len(expected)
    for text, part in zip(warnings, expected, strict=True):
        assert part in text
