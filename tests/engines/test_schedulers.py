"""Schedulers made of a model's own: against diffusers by hand, and against known solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError
from ninefold.engines.noise_levels import align_your_steps, kl_optimal
from ninefold.engines.sampler_names import find_scheduler, scheduler_names
from ninefold.engines.sampler_table import SAMPLERS, SCHEDULES
from ninefold.engines.schedulers import NAMES, build_scheduler, check_scheduler, kind_of, seed_steps

# diffusers copies tensors to arrays in the old way.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

#: Samplers that add noise on the way: they end elsewhere, with the same mean and deviation.
DRAWING = ("euler_a", "dpm2_a", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_sde", "ddpm", "sa_solver")
#: Those made for consistency models, which soften what others predict.
SOFTENING = ("lcm", "tcd")


def made(name: str, **config: Any) -> Any:
    import diffusers

    return getattr(diffusers, name)(**config)


def trained_on_noise(**config: Any) -> Any:
    common = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return made(
        "DDIMScheduler",
        **common,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        **config,
    )


FLOWS: dict[str, dict[str, Any]] = {
    "FlowMatchEulerDiscreteScheduler": {"shift": 3.0},
    "DPMSolverMultistepScheduler": {
        "use_flow_sigmas": True,
        "prediction_type": "flow_prediction",
        "flow_shift": 3.0,
    },
}


@pytest.mark.parametrize("name", scheduler_names("noise"))
def test_models_of_noise_end_where_the_formula_says(name: str) -> None:
    from tests.engines.known_solution import DEVIATION, MEAN, sampled_noise

    image, exact = sampled_noise(build_scheduler(name, trained_on_noise()), 40)
    _assert_right(name, image, exact, MEAN, DEVIATION)


@pytest.mark.parametrize("own", FLOWS)
@pytest.mark.parametrize("name", scheduler_names("flow"))
def test_models_of_flow_end_where_the_formula_says(own: str, name: str) -> None:
    from tests.engines.known_solution import DEVIATION, MEAN, sampled_flow

    image, exact = sampled_flow(build_scheduler(name, made(own, **FLOWS[own])), 40)
    _assert_right(name, image, exact, MEAN, DEVIATION)


def _assert_right(name: str, image: Any, exact: Any, mean: float, deviation: float) -> None:
    assert abs(float(image.mean()) - mean) < 0.03
    softened = 0.5 if name.startswith(SOFTENING) else 0.7
    assert softened * deviation < float(image.std()) < 1.3 * deviation
    if not name.startswith(DRAWING + SOFTENING):
        assert float((image - exact).abs().mean()) < 0.04


@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "unipc", "dpm2", "lms", "plms"])
def test_more_steps_come_nearer(name: str) -> None:
    from tests.engines.known_solution import sampled_noise

    few, exact = sampled_noise(build_scheduler(name, trained_on_noise()), 8)
    many, same = sampled_noise(build_scheduler(name, trained_on_noise()), 100)
    assert (many - same).abs().mean() < 0.6 * (few - exact).abs().mean()


@pytest.mark.parametrize("strength", [0.9, 0.55, 0.3])
@pytest.mark.parametrize("passes_sigmas", [False, True])
@pytest.mark.parametrize("name", scheduler_names("flow"))
def test_flow_solvers_start_in_the_middle(name: str, passes_sigmas: bool, strength: float) -> None:
    """As pipelines start from an image: a part of the timesteps, and `scale_noise`."""
    import torch

    from tests.engines.known_solution import DEVIATION, MEAN, SHAPE, flow_prediction

    scheduler = build_scheduler(name, made("FlowMatchEulerDiscreteScheduler", shift=3.0))
    generator = torch.Generator().manual_seed(5)
    seed_steps(scheduler, generator)
    if passes_sigmas:
        scheduler.set_timesteps(sigmas=np.linspace(1, 0.05, 20))
    else:
        scheduler.set_timesteps(20)
    steps = len(scheduler.timesteps) if passes_sigmas else 20
    first = (steps - int(steps * strength)) * scheduler.order
    expected = 1 - strength if passes_sigmas or scheduler.order == 1 else (1 - strength) * 40 / 39
    assert first / len(scheduler.timesteps) == pytest.approx(expected, abs=0.04)
    scheduler.set_begin_index(first)
    left = scheduler.timesteps[first:]
    source = MEAN + DEVIATION * torch.randn(SHAPE, generator=generator)
    sample = scheduler.scale_noise(source, left[:1], torch.randn(SHAPE, generator=generator))
    for step in left:
        predicted = flow_prediction(sample, float(step) / 1000)
        sample = scheduler.step(predicted, step, sample, return_dict=False)[0]
    assert abs(float(sample.mean()) - MEAN) < 0.04
    assert 0.55 * DEVIATION < float(sample.std()) < 1.35 * DEVIATION


def test_every_class_is_what_diffusers_makes_of_the_same_settings() -> None:
    import diffusers
    import torch

    from tests.engines.known_solution import sampled_noise

    own = trained_on_noise()
    for name in scheduler_names("noise"):
        found = find_scheduler(name)
        assert found is not None
        if found.sampler.name == "default" or found.schedule.levels is not None:
            continue
        scheduler = getattr(diffusers, found.sampler.class_name)
        settings = {key: value for key, value in found.schedule.config.items() if value}
        by_hand = scheduler.from_config(own.config, **settings, **found.sampler.config)
        if not settings.keys() <= by_hand.config.keys() or "beta" in found.schedule.name:
            continue  # what diffusers has no setting for, or crashes on
        expected, _ = sampled_noise(by_hand, 6)
        image, _ = sampled_noise(build_scheduler(name, own), 6)
        assert torch.equal(image, expected), name


def test_a_schedule_is_followed_by_classes_that_have_no_setting_for_it() -> None:
    own = trained_on_noise()
    for schedule in SCHEDULES:
        euler = build_scheduler(f"euler_{schedule}", own)
        ancestral = build_scheduler(f"euler_a_{schedule}", own)
        for scheduler in (euler, ancestral):
            scheduler.set_timesteps(9)
        assert np.array_equal(euler.sigmas, ancestral.sigmas)
        assert np.array_equal(euler.timesteps, ancestral.timesteps)
        assert (np.diff(euler.sigmas) < 0).all()


def test_levels_of_the_schedules() -> None:
    levels = kl_optimal(5, 0.03, 14.6)
    assert levels[0] == pytest.approx(14.6)
    assert levels[-1] == pytest.approx(0.03)
    assert np.diff(np.arctan(levels)) == pytest.approx(np.diff(np.arctan(levels))[0])
    assert align_your_steps(11, 0.01, 20)[5] == pytest.approx(1.396)
    assert align_your_steps(21, 0.01, 20)[1] == pytest.approx((14.615 * 6.475) ** 0.5)
    assert align_your_steps(1, 0.01, 20).shape == kl_optimal(1, 0.01, 20).shape == (1,)


@pytest.mark.parametrize("name", scheduler_names("zero_snr"))
def test_a_model_without_signal_at_the_end_keeps_its_noise(name: str) -> None:
    """Zero terminal signal: classes that cannot ask for it get the betas."""
    import torch

    own = trained_on_noise(
        rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing"
    )
    scheduler = build_scheduler(name, own)
    scheduler.set_timesteps(4)
    assert scheduler.config.prediction_type == "v_prediction"
    signal = scheduler.alphas_cumprod
    assert float(signal[-1]) < 1e-6
    assert torch.allclose(signal[:-1].float(), own.alphas_cumprod[:-1], rtol=1e-3)


def test_the_model_s_own_is_made_as_it_came() -> None:
    for own in (trained_on_noise(), made("FlowMatchEulerDiscreteScheduler", shift=2.0)):
        assert build_scheduler("default", own).config == own.config
        assert type(build_scheduler("default", own)) is type(own)


def test_another_flag_in_the_model_s_config_gives_way() -> None:
    own = made("EulerDiscreteScheduler", use_karras_sigmas=True)
    assert build_scheduler("dpmpp_2m_beta", own).config.use_beta_sigmas
    assert not build_scheduler("dpmpp_2m_beta", own).config.use_karras_sigmas
    assert not build_scheduler("euler", own).config.use_karras_sigmas
    assert build_scheduler("default", own).config.use_karras_sigmas


def test_the_shift_of_a_flow_model_is_kept() -> None:
    for name, config in FLOWS.items():
        for sampler in ("euler", "heun", "dpmpp_2m", "unipc", "lcm"):
            assert build_scheduler(sampler, made(name, **config)).config.shift == 3.0


def test_levels_that_a_pipeline_hands_over_are_followed() -> None:
    """FLUX and others pass sigmas and a shift by the size of the image."""
    own = made("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, shift=3.0)
    sigmas = np.linspace(1, 0.1, 10)
    euler = build_scheduler("euler", own)
    euler.set_timesteps(sigmas=sigmas, mu=0.8)
    for name in ("dpmpp_2m", "unipc", "euler_a", "lcm"):
        scheduler = build_scheduler(name, own)
        scheduler.set_timesteps(sigmas=sigmas, mu=0.8)
        assert np.array_equal(scheduler.sigmas, euler.sigmas)
        assert np.array_equal(scheduler.timesteps, euler.timesteps)


@pytest.mark.parametrize(
    ("name", "config", "kind"),
    [
        ("DDIMScheduler", {}, "noise"),
        ("PNDMScheduler", {"prediction_type": "v_prediction"}, "noise"),
        ("EulerDiscreteScheduler", {"rescale_betas_zero_snr": True}, "zero_snr"),
        ("FlowMatchEulerDiscreteScheduler", {}, "flow"),
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, "flow"),
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": False}, "noise"),
        ("UniPCMultistepScheduler", {"prediction_type": "flow_prediction"}, "flow"),
        ("SCMScheduler", {"prediction_type": "trigflow"}, "own"),
        ("EDMEulerScheduler", {}, "own"),
        ("DDPMWuerstchenScheduler", {}, "own"),
        ("CogVideoXDDIMScheduler", {}, "own"),
    ],
)
def test_the_kind_of_a_model(name: str, config: dict[str, Any], kind: str) -> None:
    assert kind_of(name, config) == kind


def test_what_does_not_fit_is_refused_when_it_is_built() -> None:
    with pytest.raises(InputError, match="flow-matching model"):
        build_scheduler("ddim", made("FlowMatchEulerDiscreteScheduler"))
    with pytest.raises(InputError, match="whose last timestep has no signal"):
        build_scheduler("heun", trained_on_noise(rescale_betas_zero_snr=True))
    with pytest.raises(InputError, match="only its own scheduler"):
        build_scheduler("euler", made("SCMScheduler"))


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninefold.engines.schedulers.find_spec", lambda name: None)
    for name in ("euler_beta", "lms"):
        with pytest.raises(InputError, match=r"needs the package scipy: `pip install"):
            check_scheduler(name)
    check_scheduler("dpmpp_2m_karras")


def test_each_step_draws_from_the_generator_of_the_request() -> None:
    import torch

    from tests.engines.known_solution import flow_prediction

    def run(seed: int) -> Any:
        torch.manual_seed(99)
        torch.randn(seed)  # the process's own noise is elsewhere each time
        scheduler = build_scheduler("lcm", made("FlowMatchEulerDiscreteScheduler", shift=3.0))
        seed_steps(scheduler, torch.Generator().manual_seed(1))
        scheduler.set_timesteps(4)
        sample = torch.zeros(1, 4, 8, 8)
        for step in scheduler.timesteps:
            predicted = flow_prediction(sample, float(step) / 1000)
            sample = scheduler.step(predicted, step, sample, return_dict=False)[0]
        return sample

    assert torch.equal(run(3), run(8))


def test_the_table_is_sound() -> None:
    import diffusers

    for sampler in SAMPLERS.values():
        assert set(sampler.schedules) <= set(SCHEDULES)
        assert sampler.automatic is None or sampler.automatic in sampler.schedules
        for name in filter(None, (sampler.class_name, sampler.flow_class)):
            assert hasattr(diffusers, name)
    assert "default" in NAMES
