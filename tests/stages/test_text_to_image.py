from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ninefold import ConfigError, InputError, Lora, ModelError, PipelineContext, StageInputError
from ninefold.engines.defaults import default_engines
from ninefold.engines.diffusion import ImageToImage, Inpaint, TextToImage
from ninefold.engines.faults import fake_hash
from ninefold.engines.prompts import unknown_words
from ninefold.stages import TextToImageStage
from ninefold.testing import fake_engines

from ..support import box_mask, picture, pixels_of, psnr, recording_engines, run
from .contract import StageContract


class TestTextToImageContract(StageContract):
    stage_type = TextToImageStage
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 2}
    calls = "text_to_image"
    reports = 2

    def inputs(self) -> dict[str, Any]:
        return {"prompt": "a red house"}

    def options(self) -> dict[str, Any]:
        return {"seed": 7, "negative_prompt": "people"}


class TestImageToImageContract(TestTextToImageContract):
    calls = "image_to_image"
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 4}

    def options(self) -> dict[str, Any]:
        return super().options() | {"image": picture(128, 128)}


class TestInpaintContract(TestTextToImageContract):
    calls = "inpaint"
    builtin_params: ClassVar[dict[str, Any]] = {"steps": 4}

    def options(self) -> dict[str, Any]:
        mask = box_mask(128, 128, (32, 32, 96, 96))
        return super().options() | {"image": picture(128, 128), "mask": mask}


def painted(context: PipelineContext, **params: Any) -> TextToImage:
    """Run the stage, and return what it asked the engine for."""
    engines, requests = recording_engines()
    run(TextToImageStage(engines=engines, **params).execute(context))
    (request,) = requests
    return request


# -- from text ------------------------------------------------------------------------------------


def test_a_prompt_becomes_an_image(context: PipelineContext) -> None:
    run(TextToImageStage(engines=fake_engines()).execute(context))
    record = context["image"]
    assert (record.size, record.mode, record.made_by) == ((128, 128), "RGB", "text_to_image")
    assert record.path == context["image_path"] == context.workdir / "generated.png"
    assert pixels_of(record.path).shape == (128, 128, 3)
    (artifact,) = context.artifacts
    assert (artifact.name, artifact.stage) == ("generated.png", "text_to_image")
    assert artifact.media_type == "image/png"
    assert artifact.sha256 == record.sha256 == hashlib.sha256(record.path.read_bytes()).hexdigest()
    assert (
        context.metadata["text_to_image"].items()
        >= {
            "model": "poster",
            "model_hash": fake_hash(0),
            "seed": 7,
            "steps": 4,
            "guidance_scale": 4.0,
            "scheduler": "default",
            "size": [128, 128],
        }.items()
    )


def test_what_is_not_given_is_the_models_own(context: PipelineContext) -> None:
    context["negative_prompt"] = "people"
    context["loras"] = (Lora("sketch", 0.5),)
    assert painted(context) == TextToImage(
        model="poster",
        prompt="a red house",
        negative_prompt="people",
        width=128,
        height=128,
        steps=4,
        guidance_scale=4.0,
        scheduler="default",
        seed=7,
        loras=(Lora("sketch", 0.5),),
    )


def test_parameters_come_first(context: PipelineContext) -> None:
    context["model"] = "something"
    request = painted(
        context, model="poster", steps=3, guidance_scale=0, scheduler="euler", width=64, height=96
    )
    assert (request.model, request.steps, request.guidance_scale) == ("poster", 3, 0)
    assert (request.scheduler, request.width, request.height) == ("euler", 64, 96)
    assert context["image"].size == (64, 96)


def test_another_seed_or_prompt_gives_another_image(tmp_path: Path) -> None:
    seen = set()
    for seed, prompt in ((1, "a"), (2, "a"), (1, "b")):
        context = PipelineContext(tmp_path, seed=seed, prompt=prompt)
        run(TextToImageStage(engines=fake_engines()).execute(context))
        seen.add(context["image"].sha256)
    assert len(seen) == 3


def test_a_seed_is_drawn_where_none_is_given(tmp_path: Path) -> None:
    seeds = set()
    for _ in range(3):
        context = PipelineContext(tmp_path, prompt="a red house")
        assert painted(context).seed == context["seed"]
        seeds.add(context["seed"])
    assert len(seeds) == 3


@pytest.mark.parametrize("prompt", ["", "  "])
def test_a_blank_prompt_is_refused(tmp_path: Path, prompt: str) -> None:
    stage = TextToImageStage(engines=fake_engines())
    context = PipelineContext(tmp_path, prompt=prompt)
    assert run(stage.validate_input(context)) is False
    with pytest.raises(StageInputError, match="text_to_image: no 'prompt'"):
        run(stage.execute(context))


@pytest.mark.parametrize(
    ("params", "reported"),
    [
        ({"width": 100}, r"cannot do width 100: expected a multiple of 16.*nearest: 96 or 112"),
        ({"height": 1024}, r"cannot do height 1024: .*from 32 to 512; nearest: 512"),
        ({"width": 16}, r"cannot do width 16: .*nearest: 32"),
    ],
)
def test_a_size_that_the_model_cannot_do_is_reported_with_the_nearest(
    context: PipelineContext, params: dict[str, int], reported: str
) -> None:
    with pytest.raises(InputError, match=reported):
        run(TextToImageStage(engines=fake_engines(), **params).execute(context))
    assert context.artifacts == []


def test_an_unknown_model_scheduler_or_lora_is_refused(context: PipelineContext) -> None:
    with pytest.raises(ModelError, match="'sdxl'"):
        run(TextToImageStage(engines=fake_engines(), model="sdxl").execute(context))
    with pytest.raises(InputError, match=r"eular.*euler"):
        run(TextToImageStage(engines=fake_engines(), scheduler="eular").execute(context))
    context["loras"] = (Lora("inkk"),)
    with pytest.raises(InputError, match=r"inkk.*sketch"):
        run(TextToImageStage(engines=fake_engines()).execute(context))


@pytest.mark.parametrize(
    "params",
    [
        {"width": 8}, {"height": 9000}, {"steps": 0}, {"steps": 201}, {"guidance_scale": -1},
        {"guidance_scale": 31}, {"strength": 0}, {"strength": 1.1}, {"steps": 2.5},
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    (name,) = params
    with pytest.raises(ConfigError, match=f"text_to_image.{name}: "):
        TextToImageStage(**params)


# -- words that the model does not know -----------------------------------------------------------


def test_unknown_words_are_named_in_a_warning_with_a_remedy(context: PipelineContext) -> None:
    context["prompt"] = "a red dragon and two (wizards:1.2)"
    engines = fake_engines(words=["a", "red", "and", "two"])
    run(TextToImageStage(engines=engines).execute(context))
    (warning,) = context.metadata["text_to_image"]["warnings"]
    assert "poster does not know: dragon, wizards." in warning
    assert "A fake that paints gradients." in warning
    assert "--model" in warning


def test_known_words_raise_no_warning(context: PipelineContext) -> None:
    run(TextToImageStage(engines=fake_engines(words=["a", "red", "house"])).execute(context))
    assert "warnings" not in context.metadata["text_to_image"]


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a red house by the sea", ()),
        ("Sailboats, (a lighthouse:1.2) at night", ()),
        ("a red dragon in Paris", ("dragon", "paris")),
    ],
)
def test_the_built_in_model_says_which_words_it_does_not_know(
    prompt: str, unknown: tuple[str, ...]
) -> None:
    info = default_engines().diffusion.describe("poster")
    assert unknown_words(prompt, info) == unknown
    assert info.hint
    assert all(unknown_words(example, info) == () for example in info.examples)


# -- from an image --------------------------------------------------------------------------------


def test_a_source_image_is_changed_as_far_as_strength_says(tmp_path: Path) -> None:
    source = picture(128, 128)
    likeness = []
    for strength in (0.1, 0.4, 0.8, 1.0):
        context = PipelineContext(tmp_path, prompt="a red house", seed=7, image=source)
        request = painted(context, strength=strength)
        assert isinstance(request, ImageToImage)
        assert request.strength == strength
        assert np.array_equal(request.image, source)
        assert context.metadata["text_to_image"]["strength"] == strength
        likeness.append(psnr(source, pixels_of(context["image"].path)))
    assert likeness[0] == max(likeness)
    assert likeness[-1] < 15


def test_the_source_is_on_record(context: PipelineContext) -> None:
    context.set("image", picture(128, 128))
    source = context["image"].sha256
    painted(context)
    assert context.metadata["text_to_image"]["source"] == source
    assert (context.workdir / "source.png").exists()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((128, 128), (128, 128)),
        ((640, 640), (128, 128)),
        ((20, 20), (128, 128)),
        ((400, 200), (176, 96)),
        ((150, 300), (96, 176)),
    ],
)
def test_a_source_keeps_its_shape_at_the_models_area(
    context: PipelineContext, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    context.set("image", picture(*size))
    request = painted(context)
    assert (request.width, request.height) == context["image"].size == expected


def test_a_size_that_is_asked_for_holds_for_a_source_too(context: PipelineContext) -> None:
    context.set("image", picture(100, 50))
    assert painted(context, width=64, height=64).width == 64
    assert context["image"].size == (64, 64)
    (warning,) = context.metadata["text_to_image"]["warnings"]
    assert "100x50 was stretched to 64x64" in warning


@pytest.mark.parametrize("size", [(100, 50), (400, 200), (150, 301)])
def test_a_source_that_keeps_its_shape_is_no_warning(
    context: PipelineContext, size: tuple[int, int]
) -> None:
    context.set("image", picture(*size))
    painted(context)
    assert "warnings" not in context.metadata["text_to_image"]


@pytest.mark.parametrize(
    ("size", "asked", "expected"),
    [
        ((400, 200), {"width": 256}, (256, 128)),
        ((400, 200), {"height": 64}, (128, 64)),
        ((300, 200), {"width": 128}, (128, 80)),
        ((100, 90), {"height": 96}, (112, 96)),
        ((1000, 100), {"width": 320}, (320, 32)),
        ((1000, 100), {"height": 48}, (480, 48)),
    ],
)
def test_a_lone_side_keeps_the_shape_of_a_source(
    context: PipelineContext,
    size: tuple[int, int],
    asked: dict[str, int],
    expected: tuple[int, int],
) -> None:
    context.set("image", picture(*size))
    request = painted(context, **asked)
    assert (request.width, request.height) == context["image"].size == expected


def test_a_side_that_the_model_cannot_do_is_reported_beforehand_for_a_source_too(
    context: PipelineContext,
) -> None:
    context.set("image", picture(100, 50))
    (line,) = TextToImageStage(engines=fake_engines(), width=100).problems(context)
    assert line.startswith("text_to_image.width: expected a multiple of 16")


# -- inside a mask --------------------------------------------------------------------------------


def test_outside_the_mask_nothing_changes(context: PipelineContext) -> None:
    source, box = picture(128, 128), (32, 40, 96, 100)
    context.set("image", source)
    context.set("mask", box_mask(128, 128, box))
    request = painted(context)
    assert isinstance(request, Inpaint)
    changed = (pixels_of(context["image"].path) != source).any(axis=2)
    inside = box_mask(128, 128, box)[..., 0] > 0
    assert changed[inside].mean() > 0.9
    assert not changed[~inside].any()


def test_a_mask_is_brought_to_the_images_size(context: PipelineContext) -> None:
    source = picture(128, 128)
    context.set("image", source)
    context.set("mask", box_mask(32, 32, (0, 0, 16, 32)))
    painted(context)
    changed = (pixels_of(context["image"].path) != source).any(axis=2)
    assert changed[:, :60].mean() > 0.9
    assert not changed[:, 70:].any()


def test_a_mask_without_a_source_waits_for_later_stages(context: PipelineContext) -> None:
    context.set("mask", box_mask(32, 32, (0, 0, 16, 32)))
    assert type(painted(context)) is TextToImage


@pytest.mark.parametrize(
    ("prompt", "reported"),
    [
        ("a house <lora:sketch:0.5>", ()),
        ("a {<lora:sketsh:1>|<lora:sketch:1>} house", ("'sketsh'. Did you mean 'sketch'?",)),
        (
            "<lora:neon:1> a <lora:noir:1> house",
            ("'neon'. Known: sketch.", "'noir'. Known: sketch."),
        ),
    ],
)
def test_loras_that_are_not_at_hand_are_reported_before_it_runs(
    context: PipelineContext, prompt: str, reported: tuple[str, ...]
) -> None:
    context.set("prompt", prompt)
    found = tuple(TextToImageStage(engines=fake_engines(loras=("sketch",))).problems(context))
    assert found == tuple(f"prompt: no LoRA is called {line}" for line in reported)
