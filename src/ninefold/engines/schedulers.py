"""Schedulers by the names that users know, built from a model's own scheduler config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ninefold.core.errors import InputError

# Name: diffusers module and class, and what the name adds to the model's config.
_DIFFUSION: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "euler": ("scheduling_euler_discrete", "EulerDiscreteScheduler", {}),
    "euler_a": ("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", {}),
    "dpmpp_2m": (
        "scheduling_dpmsolver_multistep",
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": False},
    ),
    "dpmpp_2m_karras": (
        "scheduling_dpmsolver_multistep",
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": True},
    ),
    "ddim": ("scheduling_ddim", "DDIMScheduler", {}),
    "unipc": ("scheduling_unipc_multistep", "UniPCMultistepScheduler", {}),
}
# Flow-matching models (Stable Diffusion 3, FLUX, Qwen-Image) have no noise schedule to convert.
_FLOW = frozenset({"default", "euler"})

NAMES = ("default", *_DIFFUSION)


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
    module, class_name, extra = _DIFFUSION[name]
    scheduler = getattr(import_module(f"diffusers.schedulers.{module}"), class_name)
    known = inspect.signature(scheduler.__init__).parameters
    config = {key: value for key, value in own.config.items() if key in known}
    return scheduler.from_config({**config, **extra})
