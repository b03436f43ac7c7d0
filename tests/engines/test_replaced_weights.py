"""Weights that are replaced between their description and their use fail the call, whatever they
are of: a record never names others than those that ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines import (
    control_loading,
    onnx_session,
    spandrel_upscaling,
    transformers_detection,
)
from ninefold.engines.control import Control
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.embeddings import clip
from ninefold.engines.loading import LOADING
from ninefold.engines.loras import applying
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.spandrel_upscaling import SpandrelUpscaleEngine
from ninefold.engines.transformers_detection import TransformersDetectionEngine
from tests.engines import lora_forms
from tests.engines.conftest import text
from tests.tiny_models.control import tiny_control

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

IMAGE = np.random.default_rng(4).integers(0, 256, (48, 64, 3), np.uint8)
Replace = Callable[[], object]


@pytest.fixture
def just_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Replace], None]:
    """Have weights replaced when a function of a module is called for the first time."""

    def arrange(module: Any, name: str, replace: Replace) -> None:
        original = getattr(module, name)

        def first(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(module, name, original)
            replace()
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, first)

    return arrange


@pytest.fixture
def while_loading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Replace], None]:
    """Have weights replaced when a module's turn to load comes."""

    def arrange(module: Any, replace: Replace) -> None:
        @contextmanager
        def first() -> Iterator[None]:
            monkeypatch.setattr(module, "LOADING", LOADING)
            replace()
            with LOADING:
                yield

        monkeypatch.setattr(module, "LOADING", first())

    return arrange


def engine(**settings: Any) -> EngineResources:
    return EngineResources(EngineSettings(device="cpu", threads=1, **settings))


def halved(*files: Path) -> Replace:
    """Half of every weight, in files of the same names."""
    from safetensors.numpy import load_file, save_file

    def replace() -> None:
        for file in files:
            half = {name: np.asarray(value / 2) for name, value in load_file(file).items()}
            save_file(half, file)

    return replace


def refused_once(name: str, use: Callable[[], object]) -> None:
    with pytest.raises(ModelError, match=rf"^{name}: its weights were replaced while they were"):
        use()
    use()


def test_an_onnx_model(tmp_path: Path, just_before: Any) -> None:
    from tests.engines.test_onnx import upscaler

    upscaling = OnnxUpscaleEngine(engine())
    model = upscaler(tmp_path / "up.onnx", 1)
    just_before(onnx_session, "_open", lambda: upscaler(tmp_path / "up.onnx", 2))
    refused_once("up.onnx", lambda: upscaling.upscale(model, IMAGE))


def test_an_upscaler_of_tensors(tmp_path: Path, while_loading: Any) -> None:
    from tests.engines.test_spandrel import FAMILIES, saved

    upscaling = SpandrelUpscaleEngine(engine())
    file = tmp_path / "up.safetensors"
    model = saved(file, next(iter(FAMILIES)))
    while_loading(spandrel_upscaling, halved(file))
    refused_once("up.safetensors", lambda: upscaling.upscale(model, IMAGE))


def test_a_detector_in_a_folder(tmp_path: Path, while_loading: Any) -> None:
    from tests.engines.test_transformers_detection import yolos

    detection = TransformersDetectionEngine(engine())
    yolos(tmp_path / "yolos")
    while_loading(transformers_detection, halved(tmp_path / "yolos" / "model.safetensors"))
    refused_once("yolos", lambda: detection.detect(str(tmp_path / "yolos"), IMAGE, 0.0))


def test_a_controlnet(tiny_models: Any, tmp_path: Path, while_loading: Any) -> None:
    network = tiny_control("sd15-controlnet", tmp_path / "edges")
    diffusion = DiffusersEngine(engine(control=tmp_path))
    control = Control(network.name, np.zeros((64, 64, 3), np.uint8))
    request = text(model=str(tiny_models("sd15")), control=(control,))
    while_loading(control_loading, halved(*network.glob("*.safetensors")))
    refused_once(network.name, lambda: diffusion.run(request, SilentProgress()))


def test_a_lora(tiny_models: Any, tmp_path: Path, just_before: Any) -> None:
    import diffusers

    pipeline: Any = diffusers.DiffusionPipeline
    pipe = pipeline.from_pretrained(str(tiny_models("sd15")))
    pipe.set_progress_bar_config(disable=True)
    file = tmp_path / "own.safetensors"
    lora_forms.made(pipe, "sd15", "LoRA", file)
    just_before(applying, "read_safetensors", halved(file))
    refused_once("LoRA own", lambda: lora_forms.with_loras(pipe, tmp_path, Lora("own")))


def test_an_embedding(tiny_folder: Path, tmp_path: Path, just_before: Any) -> None:
    from tests.engines.test_inversions import save, vectors

    path = save(tmp_path / "ohwx.safetensors", emb_params=vectors(2, 16))
    diffusion = DiffusersEngine(engine(embeddings=tmp_path))
    request = text(model=str(tiny_folder), prompt="a ohwx house")
    other = vectors(2, 16, seed=1)
    just_before(clip, "read_vectors", lambda: save(path, emb_params=other))
    refused_once("embedding ohwx", lambda: diffusion.run(request, SilentProgress()))
