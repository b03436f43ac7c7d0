"""The training loop that all scripts share: resume, step, average over processes, log, save."""

from __future__ import annotations

import argparse
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from training.common import Budget, Team, load, log, save
from training.graphs import Compute, Graphs

SAVE = 180.0
"""Seconds between two checkpoints."""


class Stateful(Protocol):
    """A part of a checkpoint."""

    def state_dict(self) -> Any:
        """What of it is written."""

    def load_state_dict(self, state: Any) -> Any:
        """Take it over from a checkpoint."""


class TrainLoop:
    """The training of one model within a wall-clock budget, by one process or a team.

    while loop.running:
        loop.learn(loss)
        if loop.saved():
            ...  # evaluate the model from time to time
    """

    def __init__(
        self,
        checkpoint: Path,
        options: argparse.Namespace,
        device: torch.device,
        parts: Mapping[str, Stateful],
        optimisers: Sequence[torch.optim.Optimizer],
        *,
        rate: float,
        weights: Iterable[torch.nn.Parameter],
        flat: float = 0.3,
        clip: float | None = None,
        kind: str = "",
        team: Team | None = None,
    ) -> None:
        """Load the last checkpoint where there is one.

        `flat` is the share of the budget before the rate decays, `clip` the largest norm of the
        gradient. A checkpoint of another `kind` gives its parts alone: its time starts anew.
        """
        self.checkpoint, self.parts, self.optimisers = checkpoint, parts, optimisers
        self.rate, self.clip, self.kind = rate, clip, kind
        self.weights = list(weights)
        self.team = team or Team()
        self.step, spent = 0, 0.0
        state = load(checkpoint, options.fresh, device)
        self.resumed = state is not None
        if state is not None:
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.step = state["step"]
            if state.get("kind", "") == kind:
                spent = state["spent"]
                for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
                    optimiser.load_state_dict(kept)
        self.graphs = Graphs(self._step) if device.type == "cuda" else None
        for group in self._groups():  # after a checkpoint's, which may be another device's
            group["capturable"] = self.graphs is not None
            group["lr"] = torch.zeros((), device=device) if self.graphs else 0.0
        self.budget = Budget(options.minutes, spent, flat=flat)
        self.running = spent < self.budget.seconds  # the same in all of a team
        self._losses: list[torch.Tensor] = []
        self._saved = time.monotonic()
        #: Other numbers in each process, and after each resumption.
        self.seed = self.step * self.team.size + self.team.rank

    def learn(self, loss: torch.Tensor) -> None:
        """One step down the gradient of the loss."""
        self._set_rate()
        self._losses.append(self._step(lambda: loss))

    def repeat(self, kind: Hashable, compute: Compute) -> None:
        """One step down the gradient of the loss that `compute` gives.

        On a CUDA device the steps of one kind are one graph, so that `compute` must keep to what
        `Graphs.run` says.
        """
        self._set_rate()
        step = self._step(compute) if self.graphs is None else self.graphs.run(kind, compute)
        self._losses.append(step)

    def _step(self, compute: Compute) -> torch.Tensor:
        """The loss, which is not read here: to read it is to wait for the device."""
        loss = compute()
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        torch.autograd.backward(loss)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.clip)
        for optimiser in self.optimisers:
            optimiser.step()
        return loss.detach()

    def _groups(self) -> Iterator[dict[str, Any]]:
        return (group for optimiser in self.optimisers for group in optimiser.param_groups)

    def _set_rate(self) -> None:
        rate = self.rate * self.budget.scale
        for group in self._groups():
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)  # where a graph reads it
            else:
                group["lr"] = rate

    @property
    def steps(self) -> int:
        """Steps so far; in a team, those of the others since the last meeting left out."""
        return self.step + len(self._losses)

    @property
    def is_main(self) -> bool:
        """Whether this process is the one of its team that writes files."""
        return self.team.rank == 0

    def saved(self) -> bool:
        """Meet and log where it is time; whether a checkpoint was written, too."""
        if (meeting := self.team.step(self.weights, self.budget.progress)) is None:
            return False
        self.step += meeting.steps
        self.running = meeting.progress < 1
        loss = float(torch.stack(self._losses).mean())
        self._losses.clear()
        if not self.is_main:
            return False
        rate = self.rate * self.budget.scale
        log(self.checkpoint.stem, step=self.step, seconds=self.budget.spent, loss=loss, rate=rate)
        if self.running and time.monotonic() - self._saved < SAVE:
            return False
        self._saved = time.monotonic()
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state["optimisers"] = [optimiser.state_dict() for optimiser in self.optimisers]
        save(
            self.checkpoint,
            {**state, "step": self.step, "spent": self.budget.spent, "kind": self.kind},
        )
        return True
