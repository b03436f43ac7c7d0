"""Flow-matching models with the steps of other solvers than Euler's.

Pipelines hand their noise levels and shifts to the scheduler of the model, each in its own way. So
that scheduler stays, for all that concerns the levels; only the step is another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

#: Solvers that go by the logarithm of signal to noise want some signal at the start.
_MOST_NOISE = 1 - 1e-6


class FlowSolver(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]
    """A flow-matching model's own noise levels, with the steps of `solver`."""

    solver: Any = None
    #: By how much pipelines multiply the count of the steps that they leave out.
    order: int = 1
    timesteps: Any
    sigmas: Any

    @property
    def looks_twice(self) -> bool:
        """Whether the solver looks at each level between the first and the last twice."""
        return bool(self.solver.order == 2)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
        timesteps: Any = None,
    ) -> None:
        """As the model's own scheduler does it; the solver follows."""
        # A pipeline that passes the levels counts the timesteps, with those in between.
        self.order = self.solver.order if sigmas is None else 1
        if sigmas is None and timesteps is None and num_inference_steps is not None:
            # Euler's own levels end close to 0, and solvers that look back overshoot on the way.
            sigmas = np.linspace(1, 1 / num_inference_steps, num_inference_steps)
        super().set_timesteps(num_inference_steps, device, sigmas, mu, timesteps)
        solver, steps = self.solver, len(self.timesteps)
        if self.looks_twice:
            first, rest = self.timesteps[:1], self.timesteps[1:]
            self.timesteps = torch.cat([first, rest.repeat_interleave(2)])
            first, rest, last = self.sigmas[:1], self.sigmas[1:-1], self.sigmas[-1:]
            self.sigmas = torch.cat([first, rest.repeat_interleave(2), last])
        solver.set_timesteps(steps, device=self.timesteps.device)
        solver.timesteps, solver.sigmas = self.timesteps, self.sigmas.clamp(max=_MOST_NOISE)

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start at a later step."""
        super().set_begin_index(begin_index)
        self.solver.set_begin_index(begin_index)

    def step(
        self,
        model_output: Any,
        timestep: Any,
        sample: Any,
        generator: Any = None,
        return_dict: bool = True,
    ) -> Any:
        """The solver's step."""
        # For its count of steps, which `scale_noise` goes by.
        super().step(model_output, timestep, sample, return_dict=False)
        begins_between = self.looks_twice and (self.step_index - 1) % 2 == 1
        if begins_between and self.solver.step_index is None:
            # The second look of a step whose first one was left out: the next level is the same.
            self.solver.set_begin_index(self.step_index)
            return (sample,)
        own = signature(self.solver.step).parameters
        options = {"generator": generator} if "generator" in own else {}
        return self.solver.step(model_output, timestep, sample, return_dict=return_dict, **options)


def flow_solver(config: Mapping[str, Any], solver: Any) -> FlowSolver:
    """The scheduler of a flow-matching model, by its config, with the steps of `solver`."""
    made: FlowSolver = FlowSolver.from_config(dict(config))
    made.solver, made.order = solver, solver.order
    return made
