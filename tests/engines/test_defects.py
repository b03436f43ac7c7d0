"""Black images of real pipelines: overflowed numbers and safety checkers, image by image."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ninefold import Pipeline, PipelineContext
from ninefold.core.progress import SilentProgress
from ninefold.engines.defaults import build_engines
from ninefold.engines.defects import damaged_addition, damaged_weight, defect_of, watched_decoding
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import Generated, TextToImage
from ninefold.engines.embeddings import Inversion
from ninefold.engines.loras.files import LoraFile
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Mask, Pixels
from ninefold.stages import PublisherStage, TextToImageStage
from tests.support import run

from .conftest import from_image, inpaint, text

slow = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]
QUIET = SilentProgress()


def test_what_is_reported_of_a_black_image() -> None:
    assert defect_of("tiny", "float16", 0, (), []) is None
    assert defect_of("tiny", "float16", 0, [False], [[True]]) is None
    overflowed = defect_of("tiny", "float16", 1, (), [[True, False]])
    assert overflowed is not None
    assert "NINEFOLD_DTYPE to bfloat16 or float32" in overflowed
    assert defect_of("tiny", "float16", 0, (), [[True, False]]) is None
    exact = defect_of("tiny", "float32", 0, (), [[True], [False]])
    assert exact is not None
    assert "NINEFOLD_DTYPE" not in exact
    assert "guidance scale" in exact
    refused = defect_of("tiny", "float32", 1, [False, True], [[True, True]])
    assert refused is not None
    assert "own safety checker" in refused


def test_a_pipeline_without_an_image_processor_is_left_alone() -> None:
    with watched_decoding(object()) as seen:
        assert seen == []


def test_a_damaged_weight_is_found_in_every_precision() -> None:
    import torch

    for dtype in (torch.float32, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2):
        network = torch.nn.Module()
        for name, value in (("sound", 1.0), ("broken", float("nan"))):
            values = torch.full((3,), value).to(dtype)
            network.register_parameter(name, torch.nn.Parameter(values, requires_grad=False))
        pipe = SimpleNamespace(components={"scheduler": object(), "unet": network})
        assert damaged_weight(pipe) == "unet.broken"
        del network.broken
        assert damaged_weight(pipe) is None


def broken(folder: Path, to: Path, value: float = 3e38) -> Path:
    """A copy of a model whose VAE gives no numbers: they overflow, or are none in its file."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, to)
    weights = to / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    key = "decoder.conv_out.weight"
    tensors[key] = np.full_like(tensors[key], value)
    save_file(tensors, weights, {"format": "pt"})
    return to


class TestNan:
    pytestmark = slow

    def test_overflow_is_reported_by_every_kind_of_request(
        self, tiny_folder: Path, tmp_path: Path, picture: Pixels, half_mask: Mask
    ) -> None:
        model = str(broken(tiny_folder, tmp_path / "broken"))
        engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
        for request in (text(), from_image(picture), inpaint(picture, half_mask)):
            made = engine.run(replace(request, model=model), QUIET)
            assert made.defect is not None
            assert "values that are no numbers (NaN or infinite) in float32" in made.defect
        sound = engine.run(text(model=str(tiny_folder)), QUIET)
        assert sound.defect is None
        assert sound.image.max() > 0

    def test_the_stage_fails_and_its_reason_is_in_the_context(
        self, tiny_folder: Path, tmp_path: Path
    ) -> None:
        engines = build_engines(EngineSettings(device="cpu"))
        model = str(broken(tiny_folder, tmp_path / "broken"))
        context = PipelineContext(tmp_path / "run", prompt="a", seed=1, model=model)
        stage = TextToImageStage(engines=engines, steps=1)
        run(Pipeline([stage, PublisherStage(engines=engines)]).execute(context))
        assert context.error is not None
        assert context.error.stage == "text_to_image"
        assert "broken gave values that are no numbers" in context.error.message
        assert not context.artifacts


class Checker:
    """A safety checker that refuses every second image that it is shown."""

    pytestmark = slow

    def __init__(self) -> None:
        import torch

        self.dtype = torch.float32

    def __call__(self, images: Any, clip_input: Any) -> Any:
        refused = [index % 2 == 1 for index in range(len(images))]
        for index, bad in enumerate(refused):
            if bad:
                images[index] = images[index] * 0
        return images, refused


@pytest.fixture
def checked(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> DiffusersEngine:
    """An engine whose tiny model has a safety checker."""
    import diffusers as untyped

    diffusers: Any = untyped

    def run_safety_checker(self: Any, image: Any, device: Any, dtype: Any) -> Any:
        return Checker()(image, None)

    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "run_safety_checker", run_safety_checker)
    return DiffusersEngine(EngineResources(EngineSettings(device="cpu", max_batch=4)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_batch_only_the_refused_image_fails(
    checked: DiffusersEngine, tiny_folder: Path
) -> None:
    requests = [text(model=str(tiny_folder), seed=seed, steps=12) for seed in range(4)]
    made: dict[int, Generated] = {}

    def ask(request: TextToImage) -> None:
        made[request.seed] = checked.run(request, QUIET)

    checked.run(requests[0], QUIET)  # loads the model, so that the next ones meet
    threads = [threading.Thread(target=ask, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    black = {seed for seed, result in made.items() if result.image.max() == 0}
    assert len(made) == 4
    assert black == {seed for seed, result in made.items() if result.defect is not None}
    assert len(black) < 4
    if any(result.record.batch_size > 1 for result in made.values()):
        assert black
    assert all("safety checker" in str(made[seed].defect) for seed in black)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_mask_that_the_models_own_inpainting_takes_for_black(
    tiny_folder: Path, picture: Pixels, half_mask: Mask
) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
    faint = engine.run(inpaint(picture, half_mask * np.float32(0.4), model=str(tiny_folder)), QUIET)
    assert "nowhere half white" in " ".join(faint.record.warnings)
    white = engine.run(inpaint(picture, half_mask, model=str(tiny_folder)), QUIET)
    assert white.record.warnings == ()


@pytest.mark.parametrize("kind", ["LoRA", "embedding"])
def test_a_damaged_lora_or_embedding_is_named(kind: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    found = {}
    for name, value in (("sound", 1.0), ("broken", float("nan")), ("endless", float("inf"))):
        path = tmp_path / f"{name}.safetensors"
        save_file({"emb_params": torch.full((1, 8), value)}, path)
        found[name] = (
            LoraFile(name, 1.0, path, None, "") if kind == "LoRA" else Inversion(name, path, "")
        )
    for names, expected in (
        (["sound"], None),
        (["sound", "broken"], f"{kind} 'broken'"),
        (["endless"], f"{kind} 'endless'"),
    ):
        files: Any = [found[name] for name in names]
        added = damaged_addition(files, ()) if kind == "LoRA" else damaged_addition((), files)
        assert added == expected
    reason = defect_of("tiny", "float32", 0, (), [[False]], added=lambda: "LoRA 'broken'")
    assert reason is not None
    assert reason.startswith("LoRA 'broken' is damaged")
