"""All nine stages together: repeated, interrupted anywhere and resumed, always the same bytes."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ninefold import Pipeline, PipelineConfig, PipelineContext
from ninefold.core.events import Event, StageStarted
from ninefold.core.progress import Progress
from ninefold.engines.diffusion import DIFFUSION, Generated, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.slots import MAX_SEED
from ninefold.stages import STAGES, FinisherStage
from ninefold.testing import fake_engines

from ..support import box_mask, files_in, picture, pixels_of, run
from .contract import TIMED_FILES

NAMES = [stage.name for stage in STAGES]
#: Signatures hold times and random numbers.
FULL = PipelineConfig.preset("full").with_settings(
    ["publisher.formats=[png]", "publisher.sign=false"]
)
CALLS = {
    "text_to_image": "text_to_image",
    "image_to_image": "refiner",
    "detect": "detailer",
    "inpaint": "detailer",
    "upscale": "upscaler",
}


def context_in(folder: Path, seed: int = 7) -> PipelineContext:
    return PipelineContext(folder, prompt="a {red|blue} house", seed=seed, job_id="job")


def execute(
    context: PipelineContext, engines: EngineSet | None = None, resume: bool = False
) -> PipelineContext:
    return run(FULL.build(engines or fake_engines()).execute(context, resume=resume))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder) - TIMED_FILES}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run that nothing disturbs leaves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    execute(context_in(folder)).raise_for_error()
    return contents(folder)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    tmp_path: Path, expected: dict[str, bytes]
) -> None:
    execute(context_in(tmp_path / "same")).raise_for_error()
    assert contents(tmp_path / "same") == expected
    execute(context_in(tmp_path / "other", 8)).raise_for_error()
    other = contents(tmp_path / "other")
    shared = expected.keys() & other.keys()
    assert len(shared) >= 7
    assert all(other[name] != expected[name] for name in shared)


def test_the_largest_seed_runs_through(tmp_path: Path) -> None:
    execute(context_in(tmp_path, MAX_SEED - 1)).raise_for_error()


@pytest.mark.parametrize("stage", NAMES)
def test_a_run_that_is_cancelled_in_any_stage_is_resumed_to_the_same_bytes(
    tmp_path: Path, expected: dict[str, bytes], stage: str
) -> None:
    context = context_in(tmp_path)

    async def main() -> None:
        def observe(event: Event) -> None:
            if event == StageStarted(stage, NAMES.index(stage) + 1, len(NAMES)):
                task.cancel()

        task = asyncio.create_task(FULL.build(fake_engines()).execute(context, observer=observe))
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert context.error is None
    assert context.completed == NAMES[: NAMES.index(stage)]
    again = PipelineContext.from_json(context.to_json())
    execute(again, resume=True).raise_for_error()
    assert again.completed == NAMES
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("call", list(CALLS))
def test_a_run_in_which_a_model_fails_once_is_resumed_to_the_same_bytes(
    tmp_path: Path, expected: dict[str, bytes], call: str
) -> None:
    context = execute(context_in(tmp_path), engines := fake_engines(fail_on=call, fail_times=1))
    assert context.error is not None
    assert context.error.stage == CALLS[call]
    assert context.completed == NAMES[: NAMES.index(CALLS[call])]
    assert {artifact.stage for artifact in context.artifacts} <= set(context.completed)
    again = PipelineContext.from_json(context.to_json())
    execute(again, engines, resume=True).raise_for_error()
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("writes", [0, 1, 3, 6, 8])
def test_a_disk_that_fills_up_stops_the_run_with_whole_files_only(
    tmp_path: Path, expected: dict[str, bytes], writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 2 * writes  # a file and its folder are synced

    def fsync(_: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    context = context_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        execute(context)
    assert context.error is not None
    assert context.error.user_error
    assert "Free some space" in context.error.message
    assert contents(tmp_path).items() <= expected.items()
    assert len(contents(tmp_path)) == writes
    execute(context, resume=True).raise_for_error()
    assert contents(tmp_path) == expected


def test_a_folder_that_cannot_be_written_stops_at_the_first_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    context = execute(context_in(tmp_path / "file" / "job"))
    assert context.error is not None
    assert (context.error.stage, context.error.user_error) == ("text_to_image", True)
    assert "choose another folder" in context.error.message
    assert context.metadata["prompt"]["seed"] == 7


def test_without_some_stages_the_rest_still_runs(tmp_path: Path) -> None:
    for left_out in NAMES:
        if left_out == "text_to_image":
            continue
        stages = [{"stage": name} for name in NAMES if name != left_out]
        pipeline = PipelineConfig.parse({"stages": stages}).build(fake_engines())
        context = run(pipeline.execute(context_in(tmp_path / left_out)))
        context.raise_for_error()
        assert left_out not in context.metadata


def test_every_stage_that_makes_an_image_changes_it(expected: dict[str, bytes]) -> None:
    images = [name for name in expected if name.startswith("generated")]
    assert len(images) == 6
    assert len({expected[name] for name in images}) == 6


def test_the_output_shows_what_the_finisher_made(
    tmp_path: Path, expected: dict[str, bytes]
) -> None:
    context = execute(context_in(tmp_path))
    (output, _) = context["outputs"]
    shown, finished = pixels_of(output.path), pixels_of(tmp_path / "generated_finished.png")
    assert np.abs(shown.astype(int) - finished).max() == 1  # what the fake watermark changes


# -- what can be reported beforehand -------------------------------------------------------------


def test_a_sound_pipeline_has_no_problems(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    assert FULL.build(fake_engines()).problems(context) == ()
    assert files_in(tmp_path) == set()
    assert context.metadata == {}


def test_everything_that_would_stop_it_is_reported_beforehand_and_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.cube").write_text("LUT_1D_SIZE 2\n")
    config = FULL.with_settings(
        [
            "prompt.styles=[night]",
            "text_to_image.scheduler=eular",
            "text_to_image.width=100",
            "refiner.model=xl",
            "detailer.detector=yolo",
            "upscaler.upscaler=8x",
            f"finisher.lut={tmp_path / 'bad.cube'}",
            f"finisher.overlay={tmp_path / 'none.png'}",
            "inspector.detector=yolo",
        ]
    )
    context = context_in(tmp_path / "job")
    engines = fake_engines(fail_on=list(CALLS))
    reported = config.build(engines).problems(context)
    for start, part in (
        ("prompt.styles: ", "night"),
        ("text_to_image.scheduler: ", "Did you mean 'euler'?"),
        ("refiner.model: ", "xl"),
        ("detailer.detector: ", "yolo"),
        ("upscaler.upscaler: ", "8x"),
        ("finisher.lut: ", "bad.cube"),
        ("finisher.overlay: ", "none.png"),
        ("inspector.detector: ", "yolo"),
    ):
        assert any(line.startswith(start) and part in line for line in reported), start
    assert len(set(reported)) == len(reported)
    assert not (tmp_path / "job").exists()


def test_a_size_that_the_model_cannot_do_is_reported_beforehand(tmp_path: Path) -> None:
    config = FULL.with_settings(["text_to_image.width=100", "text_to_image.height=20"])
    width, height = config.build(fake_engines()).problems(context_in(tmp_path))
    assert width.startswith("text_to_image.width: expected a multiple of 16 from 32 to 512")
    assert width.endswith("got 100. Nearest: 96 or 112.")
    assert height.endswith("got 20. Nearest: 32.")


def test_what_a_repeated_finisher_cannot_read_is_reported_under_its_own_name(
    tmp_path: Path,
) -> None:
    pipeline = Pipeline([FinisherStage(), FinisherStage(lut=tmp_path / "none.cube")])
    (line,) = pipeline.problems(PipelineContext(tmp_path, image=picture(64, 48)))
    assert line == "finisher_2.lut: none.cube cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("classes", "reported"),
    [
        (["fase"], "detailer.classes: 'fase' is unknown. Did you mean 'face'?"),
        (
            ["house", "dragon", "hoose"],
            "detailer.classes: 'dragon' is unknown. Known: face, house. "
            "'hoose' is unknown. Did you mean 'house'?",
        ),
    ],
)
def test_a_class_that_the_detector_does_not_know_is_reported_beforehand(
    tmp_path: Path, classes: list[str], reported: str
) -> None:
    config = FULL.with_settings([f"detailer.classes={classes}"])
    assert config.build(fake_engines()).problems(context_in(tmp_path)) == (reported,)


def test_classes_are_let_be_where_a_mask_takes_their_place_or_nobody_can_check(
    tmp_path: Path,
) -> None:
    config = FULL.with_settings(["detailer.classes=[dragon]"])
    masked = context_in(tmp_path)
    masked.set("image", picture(128, 128))
    masked.set("mask", box_mask(128, 128, (32, 32, 96, 96)))
    assert config.build(fake_engines()).problems(masked) == ()
    config = config.with_settings(["detailer.detector=yolo"])
    (line,) = config.build(fake_engines()).problems(context_in(tmp_path))
    assert line.startswith("detailer.detector: ")


def test_a_missing_prompt_is_reported_beforehand(tmp_path: Path) -> None:
    (line,) = FULL.build(fake_engines()).problems(PipelineContext(tmp_path))
    assert line == "prompt: no 'prompt' in the context. Give a prompt that is not empty."


# -- warnings of the engine -----------------------------------------------------------------------


class WarningDiffusion(FakeDiffusion):
    """Warns with every image."""

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        made = super().run(request, progress)
        return replace(made, record=replace(made.record, warnings=("One thing.", "Another.")))


def test_what_the_engine_warns_of_is_reported_by_every_stage_once(tmp_path: Path) -> None:
    engines = fake_engines().with_engines(DIFFUSION, WarningDiffusion())
    config = FULL.with_settings(["detailer.top_k=0", "detailer.confidence=0"])
    context = context_in(tmp_path)
    run(config.build(engines).execute(context))
    context.raise_for_error()
    assert len(context.metadata["detailer"]["regions"]) > 1
    assert context.metadata["restorer"]["tiles"] > 1
    for stage in ("text_to_image", "refiner", "detailer", "restorer"):
        assert context.metadata[stage]["warnings"] == ["One thing.", "Another."], stage
