"""The table against diffusers itself, and what it says of models by their configs."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import FAMILIES, Family, family_of_class
from ninefold.engines.model_info import describe
from ninefold.engines.models import resolve
from ninefold.engines.settings import EngineSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
Folder = Callable[[str], Path]
FORMS = [
    (family, task, name)
    for family in FAMILIES
    for task in ("text", "image", "inpaint", "edit")
    if (name := getattr(family, task)) is not None
]
#: Pipelines that diffusers counts as text-to-image and that make videos.
VIDEOS = {"HeliosPipeline", "HeliosPyramidPipeline"}


def info_of(folder: Path) -> ModelInfo:
    return describe(resolve(str(folder), EngineSettings(device="cpu")))


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    import diffusers

    return dict(inspect.signature(getattr(diffusers, name).__call__).parameters)


def test_every_text_to_image_pipeline_of_diffusers_is_in_the_table() -> None:
    from diffusers.pipelines import auto_pipeline

    mapping = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    names = {pipeline.__name__ for pipeline in mapping.values()} - VIDEOS
    assert {name for name in names if not family_of_class(name).in_table} == set()


def test_a_class_belongs_to_one_family_where_it_paints_from_text() -> None:
    loads = [family.loads for family in FAMILIES if family.loads]
    assert len(loads) == len(set(loads))
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_classes_are_those_of_diffusers(family: Family) -> None:
    import diffusers

    assert [name for name in family.classes if not hasattr(diffusers, name)] == []
    assert all(family_of_class(name) is family for name in family.classes - shared())


def shared() -> set[str]:
    """Classes that run over the parts of several families."""
    names = [name for family in FAMILIES for name in family.classes]
    return {name for name in names if names.count(name) > 1}


@pytest.mark.parametrize(("family", "task", "name"), FORMS, ids=lambda value: str(value)[:40])
def test_pipelines_take_what_the_table_passes(family: Family, task: str, name: str) -> None:
    accepted = parameters_of(name)
    if not any(
        parameter.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD for parameter in accepted.values()
    ):
        pytest.skip("a stand-in for a class that needs another library")  # pragma: no cover
    if task in ("image", "inpaint"):
        assert "strength" in accepted
    if family.guidance.argument:
        assert family.guidance.argument in accepted
    if family.guidance.takes_negative and task == "text":
        assert "negative_prompt" in accepted
    assert "num_inference_steps" in accepted
    if task == "text":
        assert accepted.keys() >= {*family.arguments, *family.other_steps}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_that_does_not_paint_from_text_says_what_it_does(family: Family) -> None:
    assert (family.text is None) == bool(family.instead)
    assert not family.instead.endswith(".")


@pytest.mark.parametrize(
    ("model", "native", "steps", "guidance"),
    [
        ("sd15", 64, 30, 7.5),
        ("sd2", 96, 30, 7.5),
        ("sd-turbo", 64, 4, 0.0),
        ("lcm", 64, 4, 8.5),
        ("sdxl", 64, 30, 5.0),
        ("sdxl-turbo", 512, 4, 0.0),
        ("sdxl-lightning", 64, 4, 0.0),
        ("flux", 1024, 28, 3.5),
        ("flux-schnell", 1024, 4, 0.0),
        ("flux2", 1024, 50, 4.0),
        ("flux2-klein", 1024, 4, 0.0),
        ("flux2-klein-base", 1024, 50, 4.0),
        ("z-image", 1024, 50, 4.0),
        ("z-image-turbo", 1024, 9, 0.0),
        ("pixart-512", 512, 20, 4.5),
        ("pixart-sigma", 1024, 20, 4.5),
        ("sana", 1024, 20, 4.5),
        ("sana-sprint", 1024, 2, 4.5),
        ("hidream", 1024, 50, 5.0),
        ("hidream-dev", 1024, 28, 0.0),
        ("qwen-image", 1024, 50, 4.0),
    ],
)
def test_size_steps_and_guidance_come_from_the_configs(
    tiny_models: Folder, model: str, native: int, steps: int, guidance: float
) -> None:
    info = info_of(tiny_models(model))
    assert info.native_size == (native, native)
    assert (info.steps, info.guidance_scale) == (steps, guidance)
    assert "name" not in info.recognised_by


@pytest.mark.parametrize(
    ("model", "multiple", "largest"),
    [("sd15", 8, 256), ("sd3", 16, 1536), ("sana", 32, 4096), ("auraflow", 16, 1024)],
)
def test_sizes_fit_the_latents_and_the_positions(
    tiny_models: Folder, model: str, multiple: int, largest: int
) -> None:
    info = info_of(tiny_models(model))
    assert (info.size_multiple, info.max_size) == (multiple, largest)


def test_few_steps_are_told_by_the_name_where_configs_are_silent(
    tiny_models: Folder, tmp_path: Path
) -> None:
    folder = tmp_path / "dreamLightning_XL"
    shutil.copytree(tiny_models("sdxl"), folder)
    assert info_of(folder).steps == 30  # a part of a word tells nothing
    folder = folder.rename(tmp_path / "dream-lightning-xl")
    info = info_of(folder)
    assert (info.steps, info.recognised_by) == (4, "Lightning, by its name alone")
    assert "by its name alone" in " ".join(line for _, line in info_lines(info))


def info_lines(info: ModelInfo) -> tuple[tuple[str, str], ...]:
    from ninefold.engines.capabilities import capabilities

    return capabilities(info)


def test_a_class_that_is_not_in_the_table_is_read_off_its_signature() -> None:
    family = family_of_class("StableUnCLIPPipeline")
    assert not family.in_table
    assert (family.text, family.steps, family.guidance.scale) == ("StableUnCLIPPipeline", 20, 10.0)
    assert family.tasks == {"text", "image", "inpaint"}
    assert not family_of_class("TextToVideoSDPipeline").tasks
    with pytest.raises(ModelError, match=r"FuturePipeline.*Upgrade"):
        family_of_class("FuturePipeline")


@pytest.mark.parametrize("name", ["StableDiffusionImg2ImgPipeline", "StableDiffusionPAGPipeline"])
def test_other_pipelines_over_the_same_parts_load_as_text_to_image(
    tiny_models: Folder, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_models("sd15"), folder)
    index: dict[str, Any] = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))
    files = resolve(str(folder), EngineSettings(device="cpu"))
    assert files.pipeline_class == "StableDiffusionPipeline"
    assert describe(files).family.tasks == {"text", "image", "inpaint"}
