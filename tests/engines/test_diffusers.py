"""The diffusers engine against diffusers itself, on tiny models of random weights."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.core.progress import SilentProgress
from ninefold.core.values import Lora
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import TextToImage
from ninefold.engines.memory import Rung, with_ladder
from ninefold.engines.resources import EngineResources
from ninefold.engines.sampler_table import SAMPLERS, SCHEDULES
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Mask, Pixels

from .conftest import from_image, inpaint, text

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]

QUIET = SilentProgress()


@pytest.fixture(scope="module")
def lora_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="module")
def engine(lora_folder: Path) -> DiffusersEngine:
    return DiffusersEngine(EngineResources(EngineSettings(device="cpu", loras=lora_folder)))


@pytest.fixture(scope="module")
def by_hand(tiny_folder: Path) -> Any:
    pipe = load(tiny_folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load(folder: Path) -> Any:
    import diffusers

    pipeline: Any = diffusers.DiffusionPipeline
    return pipeline.from_pretrained(str(folder))


def seeded(seed: int = 7) -> Any:
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def hand_call(pipe: Any, **arguments: Any) -> Pixels:
    made = pipe(
        generator=seeded(),
        guidance_scale=3.0,
        num_inference_steps=3,
        **{"prompt": "a red house", **arguments},
    )
    return np.asarray(made.images[0])


def run(engine: DiffusersEngine, request: TextToImage) -> Pixels:
    return engine.run(request, QUIET).image


def test_text_to_image_is_bit_identical(
    engine: DiffusersEngine, by_hand: Any, tiny_folder: Path
) -> None:
    made = run(engine, text(model=str(tiny_folder)))
    assert made.tobytes() == hand_call(by_hand, width=64, height=64).tobytes()


def test_guidance_is_rescaled_where_the_model_asks_for_it_and_the_pipeline_can(
    engine: DiffusersEngine, by_hand: Any, tiny_folder: Path, picture: Pixels, tmp_path: Path
) -> None:
    folder = tmp_path / "bright"
    shutil.copytree(tiny_folder, folder)
    (folder / "ninefold.json").write_text('{"default": {"guidance_rescale": 0.7}}')
    made = engine.run(text(model=str(folder)), QUIET)
    expected = hand_call(by_hand, width=64, height=64, guidance_rescale=0.7)
    assert made.image.tobytes() == expected.tobytes()
    assert made.image.tobytes() != hand_call(by_hand, width=64, height=64).tobytes()
    assert made.record.guidance_rescale == 0.7
    changed = engine.run(from_image(picture, model=str(folder)), QUIET)
    assert changed.record.guidance_rescale == 0
    assert engine.run(text(model=str(tiny_folder)), QUIET).record.guidance_rescale == 0


def test_image_to_image_is_bit_identical(
    engine: DiffusersEngine, by_hand: Any, tiny_folder: Path, picture: Pixels
) -> None:
    from diffusers import AutoPipelineForImage2Image
    from PIL import Image

    pipe = AutoPipelineForImage2Image.from_pipe(by_hand)
    pipe.set_progress_bar_config(disable=True)
    expected = hand_call(pipe, image=Image.fromarray(picture), strength=0.7)
    made = run(engine, from_image(picture, model=str(tiny_folder), strength=0.7))
    assert made.tobytes() == expected.tobytes()


def test_inpainting_is_bit_identical_inside_the_mask(
    engine: DiffusersEngine, by_hand: Any, tiny_folder: Path, picture: Pixels, half_mask: Mask
) -> None:
    from diffusers import AutoPipelineForInpainting
    from PIL import Image

    pipe = AutoPipelineForInpainting.from_pipe(by_hand)
    pipe.set_progress_bar_config(disable=True)
    expected = hand_call(
        pipe,
        image=Image.fromarray(picture),
        mask_image=Image.fromarray((half_mask * 255).astype(np.uint8)),
        strength=0.9,
        width=64,
        height=64,
    )
    made = run(engine, inpaint(picture, half_mask, model=str(tiny_folder)))
    assert np.array_equal(made[:, 32:], expected[:, 32:])


@pytest.mark.parametrize("scheduler", [*SAMPLERS, *(f"dpmpp_2m_{name}" for name in SCHEDULES)])
def test_every_scheduler_makes_an_image(
    engine: DiffusersEngine, tiny_folder: Path, scheduler: str
) -> None:
    request = text(model=str(tiny_folder), scheduler=scheduler, steps=4)
    first = run(engine, request)
    assert first.std() > 0
    assert first.tobytes() == run(engine, request).tobytes()


def make_lora(pipe: Any, path: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = pipe.unet
    unet.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    torch.manual_seed(0)
    state = {key: torch.randn_like(value) for key, value in get_peft_model_state_dict(unet).items()}
    StableDiffusionPipeline.save_lora_weights(
        str(path.parent), unet_lora_layers=state, weight_name=path.name
    )


def test_loras_act_and_leave_no_trace(
    engine: DiffusersEngine, tiny_folder: Path, lora_folder: Path
) -> None:
    make_lora(load(tiny_folder), lora_folder / "ink.v1.safetensors")
    assert engine.loras() == ("ink.v1", "night-neon")
    model = str(tiny_folder)
    plain = run(engine, text(model=model))
    strong = engine.run(text(model=model, loras=(Lora("ink.v1", 1.0),)), QUIET)
    weak = run(engine, text(model=model, loras=(Lora("ink.v1", 0.1),)))
    assert len({plain.tobytes(), strong.image.tobytes(), weak.tobytes()}) == 3
    (used,) = strong.record.loras
    assert (used.name, used.weight, len(used.hash)) == ("ink.v1", 1.0, 64)
    assert run(engine, text(model=model)).tobytes() == plain.tobytes()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "ink.v1/../ink.v1", ""])
def test_a_lora_name_is_never_a_path(engine: DiffusersEngine, tiny_folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="no LoRA is called"):
        run(engine, text(model=str(tiny_folder), loras=(Lora(name),)))


def test_a_lora_of_another_model_is_refused(
    engine: DiffusersEngine, tiny_folder: Path, lora_folder: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    save_file(
        {
            "unet.nowhere.lora_A.weight": torch.zeros(2, 4),
            "unet.nowhere.lora_B.weight": torch.zeros(4, 2),
        },
        lora_folder / "alien.safetensors",
    )
    model = str(tiny_folder)
    before = run(engine, text(model=model))
    with pytest.raises(ModelError, match="alien"):
        run(engine, text(model=model, loras=(Lora("alien"),)))
    assert run(engine, text(model=model)).tobytes() == before.tobytes()


def test_threads_share_an_engine(tiny_folder: Path, tiny_xl_folder: Path) -> None:
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu", deterministic=True)))
    requests = [
        text(model=str(folder), seed=seed, scheduler=scheduler)
        for folder, scheduler in ((tiny_folder, "euler"), (tiny_xl_folder, "dpmpp_2m"))
        for seed in (1, 2)
    ]
    alone = [run(engine, request).tobytes() for request in requests]
    together: dict[int, bytes] = {}

    def work(index: int) -> None:
        together[index] = run(engine, requests[index]).tobytes()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[index] for index in range(len(requests))] == alone


def test_a_damaged_model_is_reported(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "cut"
    shutil.copytree(tiny_folder, folder)
    weights = next(folder.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
    with pytest.raises(ModelError, match=r"cut/unet: .* is cut short"):
        run(engine, text(model=str(folder)))


def test_a_pipeline_that_diffusers_lacks_is_reported(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "future"
    shutil.copytree(tiny_folder, folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "FuturePipeline"))
    with pytest.raises(ModelError, match=r"FuturePipeline.*Upgrade"):
        run(DiffusersEngine(EngineResources(EngineSettings(device="cpu"))), text(model=str(folder)))


def test_the_shortcut_to_a_form_agrees_with_autopipeline() -> None:
    """Classes found by name are those that AutoPipeline would pick."""
    import diffusers
    from diffusers.pipelines import auto_pipeline

    for mapping, task in (
        (auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING, "Img2Img"),
        (auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING, "Inpaint"),
    ):
        for family, base in auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING.items():
            name = base.__name__.replace("Pipeline", f"{task}Pipeline")
            if family in mapping and hasattr(diffusers, name):
                assert mapping[family].__name__ == name


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def test_the_ladder_is_climbed_in_order_and_remembered() -> None:
    climbed: list[str] = []
    taken: list[str] = []
    rungs = [Rung(name, lambda name=name: climbed.append(name)) for name in "abc"]  # type: ignore[misc]

    def attempt() -> str:
        if len(climbed) < 2:
            raise OutOfMemoryError
        return "made"

    assert with_ladder(attempt, rungs, taken, lambda: None) == "made"
    assert climbed == taken == ["a", "b"]
    assert with_ladder(attempt, rungs, taken, lambda: None) == "made"
    assert climbed == ["a", "b"]


def test_the_end_of_the_ladder_says_what_to_do() -> None:
    def attempt() -> None:
        raise OutOfMemoryError

    with pytest.raises(ModelError, match="smaller size"):
        with_ladder(attempt, [Rung("a", lambda: None)], [], lambda: None)


def test_other_errors_are_not_taken_for_a_full_device() -> None:
    def attempt() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        with_ladder(attempt, [Rung("a", lambda: None)], [], lambda: None)


def test_a_description_follows_its_files(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "own"
    shutil.copytree(tiny_folder, folder)
    engine = DiffusersEngine(EngineResources(EngineSettings(device="cpu")))
    assert engine.describe(str(folder)) is engine.describe(str(folder))
    (folder / "ninefold.json").write_text('{"default": {"steps": 5}}')
    assert engine.describe(str(folder)).steps == 5
