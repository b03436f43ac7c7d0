"""Names of samplers and schedules: every tool's in, ours out, and back again."""

from __future__ import annotations

import pytest

from ninefold.core.errors import InputError
from ninefold.engines.sampler_names import (
    aliases,
    canonical,
    find_scheduler,
    nearest_scheduler,
    scheduler_names,
)
from ninefold.engines.sampler_table import (
    NEAREST_SAMPLERS,
    NEAREST_SCHEDULES,
    SAMPLERS,
    SCHEDULES,
)
from ninefold.engines.schedulers import NAMES, check_scheduler

#: Names as tools write them, with the schedule beside it where they have one, and ours.
SPELLINGS = [
    ("dpmpp_2m_karras", None, "dpmpp_2m_karras"),
    ("DPM++ 2M Karras", None, "dpmpp_2m_karras"),
    ("dpm++ 2m", "Karras", "dpmpp_2m_karras"),
    ("DPM++ 2M", "Automatic", "dpmpp_2m_karras"),
    ("DPM++ 2M", "Uniform", "dpmpp_2m"),
    ("DPM++ 2M", None, "dpmpp_2m"),
    ("k_dpmpp_2m_ka", None, "dpmpp_2m_karras"),
    ("k_dpmpp_2m_sde_exp", None, "dpmpp_2m_sde_exponential"),
    ("DPM++ 2M SDE Heun", "automatic", "dpmpp_2m_sde_heun_exponential"),
    ("DPM++ 3M SDE Exponential", None, "dpmpp_3m_sde_exponential"),
    ("DPM++ SDE Karras", "Automatic", "dpmpp_sde_karras"),
    ("dpmpp_2m_sde_gpu", "sgm_uniform", "dpmpp_2m_sde_sgm_uniform"),
    ("dpmpp_2m_sde_heun_gpu", "normal", "dpmpp_2m_sde_heun"),
    ("sample_dpmpp_2m", None, "dpmpp_2m"),
    ("Euler a", "SGM Uniform", "euler_a_sgm_uniform"),
    ("EULER  A", "SGMUniform", "euler_a_sgm_uniform"),
    ("euler_ancestral", "normal", "euler_a"),
    ("k_euler_ancestral", None, "euler_a"),
    ("euler-a", None, "euler_a"),
    ("EulerAncestralDiscreteScheduler", None, "euler_a"),
    ("DPMSolverMultistepScheduler", None, "dpmpp_2m"),
    ("dpm_2_ancestral", "karras", "dpm2_a_karras"),
    ("DPM2 a Karras", None, "dpm2_a_karras"),
    ("uni_pc", "simple", "unipc_simple"),
    ("uni_pc_bh2", "beta", "unipc_beta"),
    ("UniPC", "Polyexponential", "unipc_exponential"),
    ("ddim", "ddim_uniform", "ddim_ddim"),
    ("DDIM", "DDIM", "ddim_ddim"),
    ("euler", "kl_optimal", "euler_kl_optimal"),
    ("Euler", "Align Your Steps", "euler_align_your_steps"),
    ("LMS Karras", None, "lms_karras"),
    ("PLMS", "automatic", "plms"),
    ("PNDMScheduler", None, "plms"),
    ("LCM", None, "lcm"),
    ("deis", "beta", "deis_beta"),
    ("Default", None, "default"),
]


@pytest.mark.parametrize(("sampler", "schedule", "ours"), SPELLINGS)
def test_other_tools_names_are_understood(sampler: str, schedule: str | None, ours: str) -> None:
    assert str(find_scheduler(sampler, schedule)) == ours
    if schedule is None:
        assert canonical(sampler) == ours


def test_every_name_of_ours_comes_back_from_every_tool() -> None:
    assert len(set(NAMES)) == len(NAMES) > 100
    for name in NAMES:
        found = find_scheduler(name)
        assert found is not None
        assert str(found) == name
        assert found.possible
        sampler, schedule = found.a1111
        assert str(find_scheduler(sampler, schedule)) == name
        assert str(find_scheduler(sampler, schedule or "Automatic")) == name
        if found.schedule.name or not found.sampler.automatic:
            assert str(find_scheduler(found.a1111_label)) == name
        if (pair := found.comfyui) is not None:
            assert str(find_scheduler(*pair)) == name


def test_every_alias_finds_its_sampler() -> None:
    for sampler in SAMPLERS.values():
        for alias in aliases(sampler):
            found = find_scheduler(alias)
            assert found is not None
            # Several samplers may be one class of diffusers.
            assert (
                found.sampler == sampler or found.sampler.class_name == sampler.class_name == alias
            )


def test_what_has_no_counterpart_names_the_nearest() -> None:
    for name, ours in NEAREST_SAMPLERS.items():
        assert find_scheduler(name) is None
        assert str(nearest_scheduler(name)) == ours
        with pytest.raises(InputError, match=f"no counterpart here. The nearest is '{ours}'"):
            check_scheduler(name)
    for name, ours in NEAREST_SCHEDULES.items():
        assert str(nearest_scheduler(f"Euler {name}")) == f"euler_{ours}"
        assert ours in SCHEDULES
    assert str(nearest_scheduler("Restart Karras")) == "heun_karras"
    assert str(nearest_scheduler("dpmpp_2s_ancestral")) == "dpmpp_sde"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fast", "unknown. Known: default, euler, euler_a"),
        ("unipcc", "unknown. Did you mean 'unipc'"),
        ("ddim_karras", "cannot follow the schedule 'karras'.*follows: sgm_uniform, simple, ddim"),
        ("LCM Karras", "cannot follow the schedule 'karras'.*follows: none"),
        ("", "unknown"),
    ],
)
def test_what_is_refused_says_what_there_is(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_scheduler(name)
    assert canonical(name) == name


def test_what_fits_a_kind_of_model() -> None:
    assert scheduler_names("own") == ("default",)
    assert set(scheduler_names("noise")) == set(NAMES)
    flow = scheduler_names("flow")
    assert {"default", "euler", "heun_beta", "dpmpp_2m_karras", "unipc", "lcm"} <= set(flow)
    for name in ("ddim", "lms", "euler_ddim", "dpm2", "dpmpp_sde", "euler_kl_optimal"):
        with pytest.raises(InputError, match=f"'{name}' gives nothing sensible.*dpmpp_2m_karras"):
            check_scheduler(name, "flow")
    with pytest.raises(InputError, match="only its own scheduler follows: expected one of default"):
        check_scheduler("euler", "own")
