"""What a family makes of a request, without a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ninefold.engines.call_settings import (
    call_arguments,
    negative_prompt_of,
    painting_at,
    without_effect,
)
from ninefold.engines.families import Family, family_of_class
from ninefold.testing import fake_engines

from .cases import Case
from .runs import text

REQUEST = text(Case("poster", guidance=4.0))
INFO = fake_engines().diffusion.describe("poster")


def family(name: str) -> Family:
    return family_of_class(name)


@pytest.mark.parametrize(
    ("name", "size", "attribute", "value"),
    [
        ("Kandinsky5T2IPipeline", (640, 384), "resolutions", [(640, 384)]),
        ("FluxPipeline", (640, 384), "default_sample_size", 128),
    ],
)
def test_a_pipeline_with_sizes_of_its_own_is_given_another_for_the_call(
    name: str, size: tuple[int, int], attribute: str, value: object
) -> None:
    pipe = SimpleNamespace(resolutions=[(1024, 1024)], default_sample_size=128, vae_scale_factor=8)
    before = vars(pipe).copy()
    with painting_at(pipe, family(name), *size):
        assert getattr(pipe, attribute) == value
    assert vars(pipe) == before


@pytest.mark.parametrize("size", [(1024, 1024), (832, 1216), (64, 80), (1248, 832)])
def test_hidream_paints_every_size_as_asked(size: tuple[int, int]) -> None:
    pipe = SimpleNamespace(default_sample_size=128, vae_scale_factor=8)
    width, height = size
    with painting_at(pipe, family("HiDreamImagePipeline"), width, height):
        # As the pipeline reckons.
        scale = ((pipe.default_sample_size * 8) ** 2 / (width * height)) ** 0.5
        painted = (int(width * scale // 16 * 16), int(height * scale // 16 * 16))
    assert painted == size


def test_arguments_for_other_steps_than_the_usual_ones() -> None:
    sprint = family("SanaSprintPipeline")
    assert "intermediate_timesteps" not in call_arguments(sprint, replace(REQUEST, steps=2))
    given = call_arguments(sprint, replace(REQUEST, steps=4))
    assert given["intermediate_timesteps"] is None
    assert given["guidance_scale"] == 4.0


def test_a_negative_prompt_is_passed_where_it_acts() -> None:
    asked = replace(REQUEST, negative_prompt="fog")
    qwen, flux = family("QwenImagePipeline"), family("FluxPipeline")
    assert negative_prompt_of(qwen, asked) == "fog"
    assert negative_prompt_of(qwen, REQUEST) == " "
    assert negative_prompt_of(qwen, replace(asked, guidance_scale=1.0)) == ""
    assert negative_prompt_of(flux, asked) == ""
    assert negative_prompt_of(family("ZImagePipeline"), replace(asked, guidance_scale=0.5)) == "fog"


@pytest.mark.parametrize(
    ("name", "negative", "scale", "says"),
    [
        ("FluxPipeline", "fog", 3.5, "FLUX.1 takes no negative prompt"),
        ("DreamLiteMobilePipeline", "", 5.0, "takes no guidance scale; 5 was left out"),
        ("StableDiffusionPipeline", "fog", 1.0, "only at a guidance scale above 1, and it is 1"),
        ("StableUnCLIPPipeline", "", 4.0, "not in ninefold's table of families"),
    ],
)
def test_what_does_not_act_is_reported(name: str, negative: str, scale: float, says: str) -> None:
    info = replace(INFO, family=family(name), guidance_scale=0.0)
    (warning,) = without_effect(info, negative, scale)
    assert says in warning
    plain = replace(INFO, family=family("StableDiffusionPipeline"))
    assert tuple(without_effect(plain, "fog", 4.0)) == ()
    assert tuple(without_effect(plain, " ", 0.0)) == ()
