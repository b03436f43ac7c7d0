"""Schedulers by the names that users know, built from a model's own scheduler config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ninefold.core.errors import InputError


@dataclass(frozen=True)
class Sampler:
    """A scheduler: what it is called here and by A1111, and how diffusers builds it."""

    name: str
    #: A1111's sampler, its schedule type where it has one of its own, and its other names.
    a1111_name: str
    #: diffusers module and class; both empty for the model's own.
    module: str = ""
    class_name: str = ""
    #: What is added to the model's own scheduler config.
    config: Mapping[str, Any] = field(default_factory=dict)
    a1111_schedule: str | None = None
    a1111_aliases: tuple[str, ...] = ()

    @property
    def a1111_label(self) -> str:
        """Sampler and schedule type in one, as older versions of A1111 name it."""
        return " ".join(filter(None, (self.a1111_name, self.a1111_schedule)))


_DPM = "scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler"
_DPM_CONFIG = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_ALL = (
    Sampler("default", "Default", a1111_aliases=("default",)),
    Sampler(
        "euler",
        "Euler",
        "scheduling_euler_discrete",
        "EulerDiscreteScheduler",
        a1111_aliases=("k_euler",),
    ),
    Sampler(
        "euler_a",
        "Euler a",
        "scheduling_euler_ancestral_discrete",
        "EulerAncestralDiscreteScheduler",
        a1111_aliases=("k_euler_a", "k_euler_ancestral"),
    ),
    Sampler(
        "dpmpp_2m",
        "DPM++ 2M",
        *_DPM,
        {**_DPM_CONFIG, "use_karras_sigmas": False},
        a1111_aliases=("k_dpmpp_2m",),
    ),
    Sampler(
        "dpmpp_2m_karras",
        "DPM++ 2M",
        *_DPM,
        {**_DPM_CONFIG, "use_karras_sigmas": True},
        a1111_schedule="Karras",
        a1111_aliases=("k_dpmpp_2m_ka",),
    ),
    Sampler("ddim", "DDIM", "scheduling_ddim", "DDIMScheduler", a1111_aliases=("ddim",)),
    Sampler(
        "unipc",
        "UniPC",
        "scheduling_unipc_multistep",
        "UniPCMultistepScheduler",
        a1111_aliases=("unipc",),
    ),
)
#: Every sampler by its name here; `default` is the model's own.
SAMPLERS: Mapping[str, Sampler] = {sampler.name: sampler for sampler in _ALL}
# Flow-matching models (Stable Diffusion 3, FLUX, Qwen-Image) have no noise schedule to convert.
_FLOW = frozenset({"default", "euler"})

NAMES = tuple(SAMPLERS)


def check_scheduler(name: str) -> None:
    """Raise `InputError` unless `name` is one of `NAMES`."""
    if name not in NAMES:
        raise InputError(f"No scheduler {name!r}: expected one of {', '.join(NAMES)}.")


def build_scheduler(name: str, own: Any) -> Any:
    """A fresh scheduler for one call, from the model's `own` one.

    Prediction type, betas, zero terminal signal-to-noise ratio and timestep spacing are kept
    where the class knows them. Raises `InputError` where the model cannot use it.
    """
    check_scheduler(name)
    flow = type(own).__name__.startswith("FlowMatch")
    if flow and name not in _FLOW:
        raise InputError(
            f"Scheduler {name!r} does not fit this flow-matching model: expected one of "
            f"{', '.join(sorted(_FLOW))}."
        )
    if name == "default" or flow:
        return type(own).from_config(own.config)
    sampler = SAMPLERS[name]
    module = import_module(f"diffusers.schedulers.{sampler.module}")
    scheduler = getattr(module, sampler.class_name)
    known = inspect.signature(scheduler.__init__).parameters
    config = {key: value for key, value in own.config.items() if key in known}
    return scheduler.from_config({**config, **sampler.config})
