"""Models of a normal distribution: the best prediction is a formula, and so is where it leads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: Mean and standard deviation of what the models paint.
MEAN, DEVIATION = 0.6, 0.25
SHAPE = (1, 4, 32, 32)


def sampled_noise(scheduler: Any, steps: int, seed: int = 3) -> tuple[Any, Any]:
    """What `scheduler` makes of noise with a model that predicts it, and the exact solution."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1 - betas, 0)
    levels = ((1 - signal) / signal).sqrt().numpy()
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(SHAPE, generator=generator)
    sample = noise * scheduler.init_noise_sigma
    options = _options(scheduler, generator)
    exact = None
    for step in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, step)
        level = float(np.interp(float(step), np.arange(1000), levels))
        a, b = 1 / (1 + level**2) ** 0.5, level / (1 + level**2) ** 0.5
        variance = (a * DEVIATION) ** 2 + b**2
        if exact is None:
            exact = MEAN + DEVIATION * (seen - a * MEAN) / variance**0.5
        predicted = b * (seen - a * MEAN) / variance
        sample = scheduler.step(predicted.float(), step, sample, return_dict=False, **options)[0]
    return sample, exact


def sampled_flow(scheduler: Any, steps: int, seed: int = 3, **timing: Any) -> tuple[Any, Any]:
    """The same for a model that predicts the way from noise to image."""
    scheduler.set_timesteps(steps, **timing)
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(SHAPE, generator=generator)
    exact = MEAN + DEVIATION * sample
    options = _options(scheduler, generator)
    for step in scheduler.timesteps:
        predicted = flow_prediction(sample, float(step) / 1000)
        sample = scheduler.step(predicted, step, sample, return_dict=False, **options)[0]
    return sample, exact


def flow_prediction(sample: Any, level: float) -> Any:
    """Noise less image, as is to be expected of a sample with `level` (0 to 1) of noise."""
    a, b = 1 - level, level
    variance = (a * DEVIATION) ** 2 + b**2
    off = sample - a * MEAN
    return b * off / variance - (MEAN + a * DEVIATION**2 * off / variance)


def _options(scheduler: Any, generator: Any) -> dict[str, Any]:
    import inspect

    known = inspect.signature(scheduler.step).parameters
    return {"generator": generator} if "generator" in known else {}
