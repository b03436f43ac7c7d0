"""Samplers and noise schedules as data: what each is called here and elsewhere, and how diffusers
builds it.

Sources: `modules/sd_samplers*.py` and `sd_schedulers.py` of stable-diffusion-webui, the same of its
fork Forge, `comfy/samplers.py` of ComfyUI, and the table of k-diffusion's names in diffusers'
documentation (`api/schedulers/overview`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ninefold.engines import noise_levels
from ninefold.engines.noise_levels import NoiseLevels

#: What a model was trained for: to predict from noise of a variance (`noise`), which in the end may
#: leave no signal (`zero_snr`), or the straight way from noise to image (`flow`); or in a way that
#: only the scheduler that it came with follows (`own`).
SchedulerKind = Literal["noise", "zero_snr", "flow", "own"]


@dataclass(frozen=True)
class Schedule:
    """How the noise levels of the steps are spaced."""

    name: str
    #: A1111's label, and ComfyUI's name where a list of its has it.
    a1111_name: str
    comfyui_name: str | None
    aliases: tuple[str, ...] = ()
    #: What is added to a scheduler's config.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: The noise levels, where diffusers has no setting for them.
    levels: NoiseLevels | None = None
    #: Whether flow-matching models can use it; there `config` counts only where they know it.
    flow: bool = False
    #: Whether models without signal at the end can: not where levels are spaced by their size.
    zero_snr: bool = True
    #: The package that it needs beside ninefold's own.
    package: str = ""


@dataclass(frozen=True)
class Sampler:
    """How a step goes from one noise level to the next."""

    name: str
    a1111_name: str
    #: diffusers' class; empty for the model's own.
    class_name: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    comfyui_name: str | None = None
    aliases: tuple[str, ...] = ()
    #: Names of the schedules that it can follow, beside the model's own even spacing.
    schedules: Sequence[str] = ()
    #: The schedule that A1111 takes where its user chose none.
    automatic: str | None = None
    #: The class for flow-matching models; empty where there is none.
    flow_class: str = ""
    #: Schedules that take too large a step from where there is no signal; "" is the even one.
    not_from_zero_snr: Sequence[str] = ()
    #: The package that it needs beside ninefold's own.
    package: str = ""


def _flags(spacing: str | None = None, **chosen: bool) -> dict[str, Any]:
    # All three, since two at once are refused, and the model's own config may have one.
    names = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    found: dict[str, Any] = {name: chosen.get(name, False) for name in names}
    return found if spacing is None else found | {"timestep_spacing": spacing}


#: The even spacing of timesteps that a model's config asks for.
EVEN = Schedule("", "Uniform", "normal", ("uniform", "normal", "linear"), _flags(), flow=True)

SCHEDULES: Mapping[str, Schedule] = {
    schedule.name: schedule
    for schedule in (
        Schedule("karras", "Karras", "karras", ("ka",), _flags(use_karras_sigmas=True), flow=True),
        Schedule(
            "exponential",
            "Exponential",
            "exponential",
            # The same at its usual exponent of 1.
            ("exp", "polyexponential"),
            _flags(use_exponential_sigmas=True),
            flow=True,
        ),
        Schedule(
            "sgm_uniform",
            "SGM Uniform",
            "sgm_uniform",
            ("trailing",),
            _flags("trailing"),
            flow=True,
        ),
        Schedule("simple", "Simple", "simple", (), _flags("trailing"), flow=True),
        Schedule("ddim", "DDIM", "ddim_uniform", ("ddim_uniform", "leading"), _flags("leading")),
        Schedule(
            "beta",
            "Beta",
            "beta",
            (),
            _flags(use_beta_sigmas=True),
            flow=True,
            zero_snr=False,
            package="scipy",
        ),
        Schedule("kl_optimal", "KL Optimal", "kl_optimal", (), _flags(), noise_levels.kl_optimal),
        Schedule(
            "align_your_steps",
            "Align Your Steps",
            None,
            ("ays",),
            _flags(),
            noise_levels.align_your_steps,
        ),
    )
}

_ALL = tuple(SCHEDULES)
#: Of samplers that look at two levels a step: what diffusers itself can lay out for them.
_OF_TWO = ("karras", "exponential", "sgm_uniform", "simple", "ddim", "beta")
#: Of samplers that go by timesteps.
_SPACINGS = ("sgm_uniform", "simple", "ddim")

_MULTISTEP, _SINGLESTEP = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"


def _dpm(order: int, algorithm: str = "dpmsolver++", solver: str = "midpoint") -> dict[str, Any]:
    return {"algorithm_type": algorithm, "solver_order": order, "solver_type": solver}


_SDE = "sde-dpmsolver++"

SAMPLERS: Mapping[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Sampler("default", "Default"),
        Sampler(
            "euler",
            "Euler",
            "EulerDiscreteScheduler",
            comfyui_name="euler",
            schedules=_ALL,
            flow_class="FlowMatchEulerDiscreteScheduler",
        ),
        Sampler(
            "euler_a",
            "Euler a",
            "EulerAncestralDiscreteScheduler",
            comfyui_name="euler_ancestral",
            schedules=_ALL,
            flow_class="LTXEulerAncestralRFScheduler",
        ),
        Sampler(
            "lms",
            "LMS",
            "LMSDiscreteScheduler",
            comfyui_name="lms",
            schedules=_ALL,
            package="scipy",
        ),
        Sampler(
            "heun",
            "Heun",
            "HeunDiscreteScheduler",
            comfyui_name="heun",
            schedules=_OF_TWO,
            flow_class="FlowMatchHeunDiscreteScheduler",
            not_from_zero_snr=("", "sgm_uniform", "simple"),
        ),
        Sampler(
            "dpm2",
            "DPM2",
            "KDPM2DiscreteScheduler",
            comfyui_name="dpm_2",
            schedules=_OF_TWO,
            automatic="karras",
        ),
        Sampler(
            "dpm2_a",
            "DPM2 a",
            "KDPM2AncestralDiscreteScheduler",
            comfyui_name="dpm_2_ancestral",
            schedules=_OF_TWO,
            automatic="karras",
        ),
        Sampler(
            "dpmpp_2m",
            "DPM++ 2M",
            _MULTISTEP,
            _dpm(2),
            comfyui_name="dpmpp_2m",
            schedules=_ALL,
            automatic="karras",
            flow_class=_MULTISTEP,
        ),
        Sampler(
            "dpmpp_2m_sde",
            "DPM++ 2M SDE",
            _MULTISTEP,
            _dpm(2, _SDE),
            comfyui_name="dpmpp_2m_sde",
            schedules=_ALL,
            automatic="exponential",
            flow_class=_MULTISTEP,
        ),
        Sampler(
            "dpmpp_2m_sde_heun",
            "DPM++ 2M SDE Heun",
            _MULTISTEP,
            _dpm(2, _SDE, "heun"),
            comfyui_name="dpmpp_2m_sde_heun",
            schedules=_ALL,
            automatic="exponential",
            flow_class=_MULTISTEP,
        ),
        Sampler(
            "dpmpp_3m_sde",
            "DPM++ 3M SDE",
            _MULTISTEP,
            _dpm(3, _SDE),
            comfyui_name="dpmpp_3m_sde",
            schedules=_ALL,
            automatic="exponential",
            flow_class=_MULTISTEP,
        ),
        Sampler(
            "dpmpp_2s",
            "DPM++ 2S",
            _SINGLESTEP,
            {**_dpm(2), "lower_order_final": True},
            schedules=_ALL,
            automatic="karras",
        ),
        Sampler(
            "dpmpp_sde",
            "DPM++ SDE",
            _SINGLESTEP,
            {**_dpm(2, _SDE), "lower_order_final": True},
            comfyui_name="dpmpp_sde",
            schedules=_ALL,
            automatic="karras",
        ),
        Sampler("ddim", "DDIM", "DDIMScheduler", comfyui_name="ddim", schedules=_SPACINGS),
        Sampler("ddpm", "DDPM", "DDPMScheduler", comfyui_name="ddpm", schedules=_SPACINGS),
        Sampler(
            "plms",
            "PLMS",
            "PNDMScheduler",
            {"skip_prk_steps": True},
            aliases=("pndm",),
            schedules=_SPACINGS,
        ),
        Sampler(
            "unipc",
            "UniPC",
            "UniPCMultistepScheduler",
            # diffusers' own choice of the two; the images hardly differ.
            comfyui_name="uni_pc_bh2",
            aliases=("uni_pc",),
            schedules=_ALL,
            flow_class="UniPCMultistepScheduler",
        ),
        Sampler(
            "deis",
            "DEIS",
            "DEISMultistepScheduler",
            {"algorithm_type": "deis", "solver_type": "logrho", "solver_order": 2},
            comfyui_name="deis",
            schedules=_ALL,
        ),
        Sampler(
            "sa_solver",
            "SA Solver",
            "SASolverScheduler",
            {"algorithm_type": "data_prediction"},
            comfyui_name="sa_solver",
            schedules=_ALL,
        ),
        Sampler(
            "lcm", "LCM", "LCMScheduler", comfyui_name="lcm", flow_class="FlowMatchLCMScheduler"
        ),
        Sampler("tcd", "TCD", "TCDScheduler"),
    )
}

#: Samplers of others that diffusers has no counterpart of, and the nearest of ours: as
#: deterministic, and of the same kind.
NEAREST_SAMPLERS: Mapping[str, str] = {
    "DPM++ 2S a": "dpmpp_sde",
    "DPM fast": "dpmpp_2s",
    "DPM adaptive": "dpmpp_2m",
    "Restart": "heun",
    "HeunPP2": "heun",
    "IPNDM": "lms",
    "IPNDM_V": "lms",
    "DDIM CFG++": "ddim",
    "Euler CFG++": "euler",
    "Euler a CFG++": "euler_a",
    "DPM++ 2M CFG++": "dpmpp_2m",
    "DPM++ 2S a CFG++": "dpmpp_sde",
    "Res Multistep": "dpmpp_2m",
    "Res Multistep CFG++": "dpmpp_2m",
    "Res Multistep a": "dpmpp_2m_sde",
    "Res Multistep a CFG++": "dpmpp_2m_sde",
    "Gradient Estimation": "euler",
    "Gradient Estimation CFG++": "euler",
    "ER SDE": "dpmpp_3m_sde",
    "SEEDS 2": "dpmpp_sde",
    "SEEDS 3": "dpmpp_sde",
    "SA Solver PECE": "sa_solver",
    "Exp Heun 2 x0": "heun",
    "Exp Heun 2 x0 SDE": "dpmpp_sde",
    "[Forge] Flux Realistic": "euler",
}
#: The same of schedules.
NEAREST_SCHEDULES: Mapping[str, str] = {
    "Karras Exponential": "karras",
    "Turbo": "sgm_uniform",
    "Linear Quadratic": "simple",
    "Align Your Steps GITS": "align_your_steps",
    "Align Your Steps 11": "align_your_steps",
    "Align Your Steps 32": "align_your_steps",
    "Beta57": "beta",
    "Bong Tangent": "beta",
}
