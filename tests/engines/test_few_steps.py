"""LoRAs that were distilled for few steps are told by their names, and others are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ninefold.core.errors import InputError
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Configs, family_of_class
from ninefold.engines.loras import few_steps
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings


def model(pipeline: str = "StableDiffusionXLPipeline", name: str = "it") -> ModelInfo:
    family = family_of_class(pipeline)
    no_configs: Configs = lambda _: {}  # noqa: E731
    family, _ = family.for_model(no_configs, name)
    guidance = family.guidance.scale
    kind = family.scheduler
    return ModelInfo(
        name, "", (1024, 1024), 8, 2048, family.steps, guidance, "default", kind, family=family
    )


@pytest.mark.parametrize(
    ("name", "kind", "steps", "scheduler"),
    [
        ("lcm-lora-sdxl", "LCM", 4, "lcm"),
        ("LCM_LoRA_Weights_SD15", "LCM", 4, "lcm"),
        ("latent-consistency/lcm-lora-sdxl/pytorch_lora_weights", "LCM", 4, "lcm"),
        ("sdxl_lightning_8step_lora", "Lightning", 8, "euler_sgm_uniform"),
        ("ByteDance/SDXL-Lightning/lora", "Lightning", 4, "euler_sgm_uniform"),
        ("Hyper-SDXL-8steps-lora", "Hyper", 8, "ddim_sgm_uniform"),
        ("hyper/Hyper-SD15-1step-lora", "Hyper", 1, "ddim_sgm_uniform"),
        ("sd_xl_turbo_lora_v1", "Turbo", 4, "euler_sgm_uniform"),
        ("dmd2_sdxl_4step_lora_fp16", "DMD2", 4, "lcm"),
        ("TCD-SDXL-LoRA", "TCD", 4, "tcd"),
        ("pcm_sdxl_smallcfg_2step_converted", "PCM", 2, "ddim_sgm_uniform"),
    ],
)
def test_names_of_distilled_ones_tell_steps_guidance_and_sampler(
    name: str, kind: str, steps: int, scheduler: str
) -> None:
    found = few_steps("own", (name,), model())
    assert found is not None
    assert (found.kind, found.steps, found.scheduler) == (kind, steps, scheduler)
    assert found.guidance_scale == 1.0  # at which no guidance acts
    usual = found.applied(model())
    assert (usual.steps, usual.guidance_scale, usual.scheduler) == (steps, 1.0, scheduler)


@pytest.mark.parametrize(
    "name",
    [
        "hyper-realism",
        "hyperdetailed_v2",
        "porsche-911-turbo",
        "lightning-strikes",
        "film-lcmx",
        "turbocharged",
        "add-detail-xl",
        "lcm/add-detail-xl",
        "100steps-temple",
        "pytorch_lora_weights",
    ],
)
def test_names_of_styles_and_things_do_not(name: str) -> None:
    assert few_steps("own", (name,), model()) is None


def test_a_title_in_the_header_counts_where_the_name_says_nothing() -> None:
    found = few_steps("own", ("mine", "LCM LoRA for SDXL"), model())
    assert found is not None
    assert found.kind == "LCM"


@pytest.mark.parametrize(
    ("name", "pipeline", "steps", "guidance", "scheduler"),
    [
        ("FLUX.1-Turbo-Alpha", "FluxPipeline", 8, 3.5, "default"),
        ("Hyper-FLUX.1-dev-8steps-lora", "FluxPipeline", 8, 3.5, "default"),
        ("Qwen-Image-Lightning-8steps-V1.1", "QwenImagePipeline", 8, 1.0, "default"),
        ("Qwen-Image-Edit-Lightning-4steps-V1.0", "QwenImageEditPipeline", 4, 1.0, "default"),
        ("Hyper-SD15-8steps-CFG-lora", "StableDiffusionPipeline", 8, 7.5, "ddim_sgm_uniform"),
        ("Hyper-SD3-4steps-lora", "StableDiffusion3Pipeline", 4, 1.0, "default"),
    ],
)
def test_what_they_change_hangs_on_the_family(
    name: str, pipeline: str, steps: int, guidance: float, scheduler: str
) -> None:
    found = few_steps("own", (name,), model(pipeline))
    assert found is not None
    assert (found.steps, found.guidance_scale, found.scheduler) == (steps, guidance, scheduler)


def test_a_model_that_needs_as_few_steps_without_it_stays_as_it_is() -> None:
    assert few_steps("own", ("lcm-lora-sdxl",), model(name="sdxl-turbo")) is None
    assert few_steps("own", ("FLUX.1-Turbo-Alpha",), model("FluxPipeline", "flux-schnell")) is None


def test_what_it_changes_and_what_does_not_suit_it_is_said() -> None:
    found = few_steps("own", ("lcm-lora-sdxl",), model())
    assert found is not None
    assert list(found.warnings(model(), None, None, None)) == [
        "LoRA 'own' was distilled for few steps (LCM, by its name): steps 4 instead of 30, "
        "guidance_scale 1 instead of 5, scheduler lcm instead of default. Set them for other "
        "values."
    ]
    assert list(found.warnings(model(), 8, 1.5, "euler")) == []
    (much,) = found.warnings(model(), 30, 7.0, "euler")
    assert "steps 30 are more than it gains by, 4 are usual" in much
    assert "guidance_scale 7 makes colours harsh, 1 is usual" in much


def test_the_engine_says_what_a_lora_is_called(
    tiny_models: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "loras" / "lcm-lora-sdv1-5"
    folder.mkdir(parents=True)
    down = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"
    weights = {down: np.zeros((4, 8), np.float16)}
    metadata = {"modelspec.title": "A title"}
    save_file(weights, folder / "pytorch_lora_weights.safetensors", metadata)
    settings = EngineSettings(device="cpu", loras=tmp_path / "loras")
    engine = DiffusersEngine(EngineResources(settings))
    names = engine.lora_names(str(tiny_models("sd15")), "pytorch_lora_weights")
    assert names == ("lcm-lora-sdv1-5/pytorch_lora_weights", "A title")
    with pytest.raises(InputError, match="no LoRA is called 'other'"):
        engine.lora_names(str(tiny_models("sd15")), "other")
