"""Training steps as CUDA graphs: one call starts all of a step's kernels.

Started one by one from Python, thousands of small kernels take four times as long as they run.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable

import torch

Compute = Callable[[], torch.Tensor]
WARM_UP = 3
"""Steps taken one kernel at a time first: libraries choose their kernels in them."""
AHEAD = 2
"""Steps that the device may have in its queue."""


class Graphs:
    """A step in several kinds, each of which always runs the same kernels on the same memory."""

    def __init__(self, step: Callable[[Compute], torch.Tensor]) -> None:
        """`step` computes a loss with what it is given, learns from it and gives it back."""
        self.step = step
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.seen: Counter[Hashable] = Counter()
        self.ends: deque[torch.cuda.Event] = deque()
        self.taken: dict[Hashable, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}

    def run(self, kind: Hashable, compute: Compute) -> torch.Tensor:
        """Take a step; its loss.

        All that `compute` reads must lie on the device and stay where it is. What differs between
        two steps of a kind is random numbers drawn on the device, and what memory then holds.
        """
        if kind not in self.taken:
            self.seen[kind] += 1
            if self.seen[kind] <= WARM_UP:
                return self._one_by_one(compute)
            self.taken[kind] = self._record(compute)
        graph, loss = self.taken[kind]
        graph.replay()
        self._wait()
        return loss.clone()  # the next graph writes over it

    def _one_by_one(self, compute: Compute) -> torch.Tensor:
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            loss = self.step(compute)
        current.wait_stream(self.stream)
        return loss

    def _wait(self) -> None:
        """Let the device catch up: time is counted here, and its queue is long."""
        self.ends.append(torch.cuda.current_stream().record_event())
        if len(self.ends) > AHEAD:
            self.ends.popleft().synchronize()

    def _record(self, compute: Compute) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        """The kernels of a step, not yet run; all graphs share their memory, as one runs a time."""
        graph = torch.cuda.CUDAGraph()
        others = next(iter(self.taken.values()), None)
        pool = None if others is None else others[0].pool()
        with torch.cuda.graph(graph, pool=pool, stream=self.stream):
            loss = self.step(compute)
        return graph, loss
