"""Noise levels of the steps (sigma, as a part of the signal), where diffusers has no setting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]
#: Takes the number of steps, the model's least and its greatest level; gives one level a step, the
#: greatest first.
NoiseLevels = Callable[[int, float, float], Levels]

#: Found for Stable Diffusion 1.5 by Sabour et al., "Align Your Steps" (2024), table 1; those for
#: SDXL differ by less than the steps do from one another.
_ALIGNED = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)


def kl_optimal(steps: int, least: float, greatest: float) -> Levels:
    """Even in the arc tangent of the level (Sabour et al., 2024, theorem 3.1)."""
    angles = np.linspace(np.arctan(greatest), np.arctan(least), steps)
    return np.tan(angles)


def align_your_steps(steps: int, least: float, greatest: float) -> Levels:
    """Levels that were found by search, with those between them on a logarithmic line."""
    logs = np.log(_ALIGNED)
    at = np.linspace(0, len(logs) - 1, steps)
    return np.exp(np.interp(at, np.arange(len(logs)), logs)).clip(least, greatest)
