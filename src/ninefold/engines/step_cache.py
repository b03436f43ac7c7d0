"""Leaves out runs of a network whose outcome can be foreseen from the runs before.

After EasyCache (https://arxiv.org/abs/2507.02860), for networks of every kind: how fast the
prediction follows its input is measured on the steps that run, and the change of each next input is
added up. While that foretells less than a tolerance, the two last predictions are continued on a
straight line over the timesteps instead of running the network.

A step is one of the scheduler's, which may look twice at one timestep (Heun's, PNDM's).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ninefold.engines.wrapped_methods import replaced_attribute, watch_steps

Quality = Literal["lossless", "high", "fast"]

#: How far a prediction may have moved since the last run, as a part of its mean magnitude.
TOLERANCES: dict[Quality, float] = {"high": 0.1, "fast": 0.25}
#: Steps at the beginning, where the composition is found, and at the end that always run; of
#: solvers that look twice a step, as many looks more at the beginning.
_FIRST, _LAST = 3, 1
#: Longest row of steps that are left out.
_ROW = 2
#: Networks that predict noise or flow, in the order in which they are looked for.
_NETWORKS = ("transformer", "unet", "prior")


@dataclass(frozen=True)
class _Step:
    """A step that ran: its input, flat, and what each run of the network gave; guidance may take
    two runs."""

    timestep: float
    sample: Any
    outputs: list[Any]


class StepCache:
    """The state of one call; predictions are tensors, or lists of one tensor an image."""

    def __init__(self, tolerance: float, total_steps: Callable[[], int], looks: int = 1) -> None:
        """`total_steps` is asked once the first step has begun; a solver's step has `looks`."""
        self._tolerance = tolerance
        self._total_steps = total_steps
        self._first = _FIRST * looks
        #: Steps that were left out.
        self.left_out = 0
        self._index = -1
        #: The last step that ran, maybe the current one, and the one that ran before it.
        self._last: _Step | None = None
        self._before: _Step | None = None
        #: How much a prediction moves with its input, both as mean magnitudes.
        self._rate = 0.0
        #: The two steps on whose line the current one lies; None where it runs.
        self._line: tuple[_Step, _Step] | None = None
        self._timestep = math.nan
        #: Whether the scheduler made a step since the network ran.
        self._stepped = False
        self._sample: Any = None
        self._moved = 0.0
        self._row = 0
        self._run = 0

    def wrapped(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """`forward` of the network, but for the steps that are foreseen."""

        def run(*args: Any, **kwargs: Any) -> Any:
            sample, timestep = _flat(_sample(args, kwargs)), _timestep(args, kwargs)
            if self._stepped or timestep != self._timestep:
                self._begin(timestep, sample)
            self._run += 1
            if self._line is not None and self._run <= len(self._line[0].outputs):
                return self._continued(*self._line)
            output = forward(*args, **kwargs)
            self._note(sample, output)
            return output

        return run

    def stepped(self) -> None:
        """Tell that the scheduler made its step: the next run of the network belongs to another."""
        self._stepped = True

    def _begin(self, timestep: float, sample: Any) -> None:
        """Decide about a step by its first input."""
        self._index += 1
        self._line = self._foreseen(sample)
        self._row = self._row + 1 if self._line else 0
        self.left_out += self._line is not None
        self._timestep, self._sample, self._run = timestep, sample.clone(), 0
        self._stepped = False

    def _foreseen(self, sample: Any) -> tuple[_Step, _Step] | None:
        last, before = self._last, self._before
        inside = self._first <= self._index < self._total_steps() - _LAST
        if not inside or last is None or before is None or self._row >= _ROW:
            return None
        if len(last.outputs) != len(before.outputs):
            return None
        change = _mean(sample - self._sample) * self._rate / (_mean(_flat(last.outputs[0])) or 1.0)
        if self._moved + change >= self._tolerance:
            return None
        self._moved += change
        return last, before

    def _continued(self, last: _Step, before: _Step) -> Any:
        """What the network would return, on the line through what it returned last."""
        reach = (self._timestep - last.timestep) / (last.timestep - before.timestep)
        output = last.outputs[self._run - 1]
        new, old = _prediction(output), _prediction(before.outputs[self._run - 1])
        if isinstance(new, list | tuple):
            found: Any = [n + (n - o) * reach for n, o in zip(new, old, strict=True)]
        else:
            found = new + (new - old) * reach
        return (found,) if isinstance(output, tuple) else type(output)(found)

    def _note(self, sample: Any, output: Any) -> None:
        """Remember what a run of the network gave."""
        if self._run > 1 and self._last is not None:
            self._last.outputs.append(output)
            return
        if self._last is None or self._last.timestep != self._timestep:
            self._before = self._last  # else no line goes through the two
        self._last = _Step(self._timestep, sample.clone(), [output])
        self._moved = 0.0
        if self._before is not None:
            turned = _flat(output) - _flat(self._before.outputs[0])
            self._rate = _mean(turned) / (_mean(sample - self._before.sample) or 1.0)


@contextmanager
def step_cache(
    pipe: Any, quality: Quality, total_steps: Callable[[], int]
) -> Iterator[StepCache | None]:
    """Leave out steps of `pipe`, whose scheduler serves this call alone, while the block runs; None
    where `quality` forbids it, or where the pipeline has no network that is run step by step."""
    found = [part for name in _NETWORKS if (part := getattr(pipe, name, None)) is not None]
    if quality == "lossless" or not found:
        yield None
        return
    network, scheduler = found[0], pipe.scheduler
    looks = getattr(getattr(scheduler, "solver", scheduler), "order", 1)
    cache = StepCache(TOLERANCES[quality], total_steps, looks)
    watch_steps(scheduler, lambda _: cache.stepped())
    # Offloading puts one of its own there.
    with replaced_attribute(network, "forward", cache.wrapped(network.forward)):
        yield cache


def _sample(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The noisy latents, by the names that networks have for them."""
    for name in ("hidden_states", "sample", "x"):
        if name in kwargs:
            return kwargs[name]
    return args[0]


def _timestep(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    names = [name for name in ("timestep", "timesteps", "t") if name in kwargs]
    found = kwargs[names[0]] if names else args[1]
    return float(found.flatten()[0]) if hasattr(found, "flatten") else float(found)


def _prediction(output: Any) -> Any:
    return output[0]


def _flat(value: Any) -> Any:
    """All numbers of a tensor, of a list of them or of an output's prediction, in a row."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().float().flatten()
    if isinstance(value, list):
        return torch.cat([_flat(item) for item in value])
    return _flat(_prediction(value))


def _mean(values: Any) -> float:
    return float(values.abs().mean())
