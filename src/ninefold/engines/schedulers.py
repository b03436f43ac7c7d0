"""Schedulers by name, built from a model's own scheduler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.sampler_names import (
    SchedulerName,
    find_scheduler,
    nearest_scheduler,
    scheduler_names,
)
from ninefold.engines.sampler_table import EVEN, SAMPLERS, SCHEDULES, SchedulerKind
from ninefold.engines.wrapped_methods import wrap_method

#: Every name that a request may give.
NAMES = scheduler_names()

#: diffusers' classes that start from noise of a variance, and can be exchanged for one another.
_NOISE = frozenset(
    {
        "DDIMParallelScheduler",
        "DDIMScheduler",
        "DDPMParallelScheduler",
        "DDPMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSDEScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LCMScheduler",
        "LMSDiscreteScheduler",
        "PNDMScheduler",
        "SASolverScheduler",
        "TCDScheduler",
        "UniPCMultistepScheduler",
    }
)
#: What a flow-matching model's config may say of its noise levels, beside the shift.
_FLOW_CONFIG = ("num_train_timesteps", "use_dynamic_shifting", "time_shift_type", "shift_terminal")


def kind_of(class_name: str, config: Mapping[str, Any]) -> SchedulerKind:
    """What a model was trained for, by the class and the config of its own scheduler."""
    flow = config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    if class_name.startswith("FlowMatch") or flow:
        return "flow"
    if class_name not in _NOISE:
        return "own"
    return "zero_snr" if config.get("rescale_betas_zero_snr") else "noise"


def check_scheduler(
    name: str, kind: SchedulerKind | None = None, known: Sequence[str] = NAMES
) -> None:
    """Raise `InputError` unless `name` is one of `known`, and fits models of `kind`."""
    found = find_scheduler(name)
    if name not in known and (found is None or str(found) not in known):
        raise InputError(_unknown(name, found, known))
    if found is None:
        return
    for package in found.packages:
        if find_spec(package) is None:
            raise InputError(
                f"{name!r} needs the package {package}: `pip install 'ninefold[samplers]'`."
            )
    if kind is not None and not found.fits(kind):
        raise InputError(
            f"{name!r} gives nothing sensible with this {_MODELS[kind]}: expected one of "
            f"{', '.join(scheduler_names(kind))}."
        )


def fits_kind(name: str, kind: SchedulerKind) -> bool:
    """Whether a scheduler gives something sensible with models of a kind."""
    found = find_scheduler(name)
    return found is None or found.fits(kind)


def _unknown(name: str, found: SchedulerName | None, known: Sequence[str]) -> str:
    if found is not None and not found.possible:
        schedules = ", ".join(found.sampler.schedules) or "none"
        return (
            f"{name!r}: {found.sampler.name} cannot follow the schedule {found.schedule.name!r}. "
            f"Beside the model's own even spacing it follows: {schedules}."
        )
    if (nearest := nearest_scheduler(name)) is not None:
        return f"{name!r} has no counterpart here. The nearest is {str(nearest)!r}."
    if near := get_close_matches(name, known, 1):
        return f"{name!r} is unknown. Did you mean {near[0]!r}?"
    plain = ", ".join(item for item in known if item in SAMPLERS or item not in NAMES)
    return (
        f"{name!r} is unknown. Known: {plain}; most also "
        f"with a schedule, as in dpmpp_2m_karras: {', '.join(SCHEDULES)}."
    )


_MODELS: Mapping[SchedulerKind, str] = {
    "noise": "model",
    "zero_snr": "model, whose last timestep has no signal",
    "flow": "flow-matching model",
    "own": "model, which only its own scheduler follows",
}


def build_scheduler(name: str, own: Any) -> Any:
    """A fresh scheduler for one call, from the model's `own` one.

    It is what diffusers makes of the model's config with the settings of the sampler and the
    schedule: prediction type, betas and zero terminal signal-to-noise ratio are kept. Raises
    `InputError` where the model cannot use it.
    """
    kind = kind_of(type(own).__name__, own.config)
    check_scheduler(name, kind)
    found = find_scheduler(name)
    if found is None or found.sampler.name == "default":
        return type(own).from_config(own.config)
    return _flow(found, own) if kind == "flow" else _noise(found, own)


def explain_errors(scheduler: Any, name: str) -> None:
    """Have what goes wrong within `scheduler`, which serves one call on the model `name`, raised as
    `ModelError`: its settings are a stranger's, and some show what is wrong with them only then."""

    def explained(original: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            return original(*args, **options)
        except (ValueError, TypeError, IndexError, NotImplementedError) as error:
            first = (str(error).strip().splitlines() or [""])[0][:200]
            raise ModelError(
                f"{name}: its scheduler, {type(scheduler).__name__}, fails with these settings "
                f"({type(error).__name__}: {first}). Choose more steps or another scheduler, or "
                "get the model's scheduler_config.json again."
            ) from error

    for method in ("set_timesteps", "step"):
        wrap_method(scheduler, method, explained)


def seed_steps(scheduler: Any, generator: Any) -> None:
    """Have every step of `scheduler` draw from `generator`, or from one of a list for each image.

    Not all pipelines hand theirs on, and noise would then come from the process's own.
    """
    if "generator" in inspect.signature(scheduler.step).parameters:
        scheduler.step = partial(scheduler.step, generator=generator)


def _class(name: str) -> Any:
    return getattr(import_module("diffusers"), name)


def _known(scheduler: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(scheduler.__init__).parameters
    return {key: value for key, value in config.items() if key in parameters}


def _noise(found: SchedulerName, own: Any) -> Any:
    scheduler, schedule = _class(found.sampler.class_name), found.schedule
    settings = _known(scheduler, {**schedule.config, **found.sampler.config})
    if own.config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in _known(
        scheduler, {"rescale_betas_zero_snr": True}
    ):
        settings["trained_betas"] = _rescaled_betas(own)
    made = scheduler.from_config(own.config, **settings)
    if schedule.levels is not None or not _known(scheduler, schedule.config).keys() >= {
        key for key, value in schedule.config.items() if value
    }:
        euler = _class("EulerDiscreteScheduler")
        spaced = euler.from_config(own.config, **_known(euler, schedule.config))
        _follow(made, found, spaced)
    _start_at_first(made)
    return made


def _start_at_first(scheduler: Any) -> None:
    """Have a run that starts with the first timestep start at the first step, too.

    Rounded timesteps may be alike, and diffusers then takes the second, as for a run that starts in
    the middle.
    """
    find = getattr(scheduler, "index_for_timestep", None)
    if find is None:
        return

    def index_for_timestep(timestep: Any, *args: Any) -> Any:
        return 0 if bool(timestep == scheduler.timesteps[0]) else find(timestep, *args)

    scheduler.index_for_timestep = index_for_timestep


def _rescaled_betas(own: Any) -> list[float]:
    """Betas of a model with no signal at the last timestep, for classes that cannot ask for them:
    as in those that can, a signal of 2 ** -24 is left, so that noise levels are finite."""
    signal = np.cumprod(1 - own.betas.double().numpy())
    signal[-1] = 2.0**-24
    ratios = signal[1:] / signal[:-1]
    return [float(1 - signal[0]), *(1 - ratios).tolist()]


def _follow(scheduler: Any, found: SchedulerName, spaced: Any) -> None:
    """Give a scheduler the noise levels that Euler's, `spaced`, has, or that the schedule asks
    for."""
    import torch

    levels, set_own = found.schedule.levels, scheduler.set_timesteps

    def set_timesteps(num_inference_steps: int, device: Any = None) -> None:
        if levels is None:
            spaced.set_timesteps(num_inference_steps, device=device)
        else:
            trained = ((1 - spaced.alphas_cumprod) / spaced.alphas_cumprod) ** 0.5
            chosen = levels(num_inference_steps, float(trained[0]), float(trained[-1]))
            spaced.set_timesteps(sigmas=[*chosen, 0.0], device=device)
        set_own(num_inference_steps, device=device)
        # Some must not end at 0, whose logarithm they take.
        scheduler.sigmas = torch.cat([spaced.sigmas[:-1], scheduler.sigmas[-1:]])
        scheduler.timesteps = spaced.timesteps

    scheduler.set_timesteps = set_timesteps


def _flow(found: SchedulerName, own: Any) -> Any:
    from ninefold.engines.flow_solver import flow_solver

    euler = "FlowMatchEulerDiscreteScheduler"
    name = found.sampler.flow_class
    config = dict(own.config)
    if not type(own).__name__.startswith("FlowMatch"):
        config = {key: config[key] for key in _FLOW_CONFIG if key in config}
        config["shift"] = own.config.get("flow_shift", 1.0)
    if found.schedule is not EVEN:
        config |= found.schedule.config
    if name in (euler, "FlowMatchLCMScheduler"):
        scheduler = _class(name)
        return scheduler.from_config(_known(scheduler, config))
    solver = _class(name)
    settings = {
        "prediction_type": "flow_prediction",
        "use_flow_sigmas": True,
        "num_train_timesteps": config.get("num_train_timesteps", 1000),
    }
    return flow_solver(
        _known(_class(euler), config),
        solver(**_known(solver, {**settings, **found.sampler.config})),
    )
