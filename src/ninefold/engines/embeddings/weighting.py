"""How a weight acts on the rows that a text encoder gives for its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Means below this part of the standard deviation are noise, not a scale to restore (OpenAI's
#: CLIP has a tenth); so are those that would change everything by more than a factor of two.
_MEAN_FLOOR = 0.02
_MEAN_RANGE = (0.5, 2.0)


def scaled(state: Any, weights: Sequence[float]) -> Any:
    """Rows times their weights, the mean of all restored; as AUTOMATIC1111's webui does it.

    `state` is 1 x tokens x width, with a weight for each token. The mean is left alone where it is
    too small to speak of (text encoders trained from scratch may have none).
    """
    import torch

    if all(weight == 1.0 for weight in weights):
        return state
    factors = torch.tensor(weights, dtype=state.dtype, device=state.device)
    weighted = state * factors[None, :, None]
    mean, deviation = float(state.float().mean()), float(state.float().std())
    if abs(mean) < _MEAN_FLOOR * deviation:
        return weighted
    ratio = mean / (float(weighted.float().mean()) or mean)
    low, high = _MEAN_RANGE
    return weighted * ratio if low <= ratio <= high else weighted


def contrasted(state: Any, weights: Sequence[float], read: Sequence[bool]) -> Any:
    """Rows moved away from the mean of all tokens that are `read`, or towards it.

    For language models: what takes their rows normalises each, so a factor alone would be undone;
    what sets a word apart from its neighbours is not. The first token, on which such models park
    attention (rows a thousand times as long), has no part in the mean.
    """
    import torch

    if all(weight == 1.0 for weight in weights):
        return state
    first = read.index(True) if True in read else 0
    counted = [index for index, taken in enumerate(read) if taken and index != first]
    mean = state[:, counted or [first]].float().mean(dim=1, keepdim=True)
    factors = torch.tensor(weights, dtype=torch.float32, device=state.device)[None, :, None]
    moved = (mean + factors * (state.float() - mean)).to(state.dtype)
    return torch.where(factors == 1.0, state, moved)
