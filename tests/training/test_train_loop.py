"""What all training has in common: budget, checkpoints, and going on from them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch

from training import common, train_loop
from training.train_loop import TrainLoop

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(common, "RUNS", tmp_path)
    return tmp_path


class Line:
    """A model of two weights, to be taught 3x + 1, and its loop."""

    def __init__(self, folder: Path, minutes: float, fresh: bool = False, **more: Any) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(1, 1)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1.0, weight_decay=0)
        self.loop = TrainLoop(
            folder / "line.pt",
            argparse.Namespace(minutes=minutes, fresh=fresh),
            CPU,
            {"model": self.model},
            [self.optimiser],
            rate=0.05,
            weights=self.model.parameters(),
            **more,
        )

    def train(self) -> None:
        """To the end of the budget."""
        while self.loop.running:
            x = torch.rand(16, 1)
            self.loop.learn((self.model(x) - 3 * x - 1).square().mean())
            self.loop.saved()


def test_it_learns_within_its_budget_and_leaves_a_checkpoint_and_a_log(folder: Path) -> None:
    line = Line(folder, minutes=0.01)
    assert not line.loop.resumed
    line.train()
    state = torch.load(folder / "line.pt", weights_only=True)
    assert state["step"] == line.loop.step > 10
    assert state["spent"] >= 0.6
    assert torch.equal(state["model"]["weight"], line.model.weight)
    head, *lines = (folder / "line.csv").read_text().splitlines()
    assert head == "step,seconds,loss,rate"
    assert len(lines) == 1


def test_it_goes_on_where_it_stopped(folder: Path) -> None:
    first = Line(folder, minutes=0.01)
    first.train()
    over = Line(folder, minutes=0.01)
    assert over.loop.resumed
    assert not over.loop.running
    again = Line(folder, minutes=0.08)
    assert again.loop.running
    assert again.loop.step == first.loop.step
    assert again.loop.budget.spent >= 0.6
    assert torch.equal(again.model.weight, first.model.weight)
    assert again.optimiser.state_dict()["state"]
    again.train()
    assert again.loop.step > first.loop.step
    wanted = (3 * torch.ones(1, 1), torch.ones(1))
    for weight, target in zip(again.model.parameters(), wanted, strict=True):
        assert torch.allclose(weight, target, atol=0.3)


def test_a_fresh_one_forgets_and_another_kind_keeps_the_weights_alone(folder: Path) -> None:
    first = Line(folder, minutes=0.01)
    first.train()
    fresh = Line(folder, minutes=0.01, fresh=True)
    assert (fresh.loop.resumed, fresh.loop.step) == (False, 0)
    other = Line(folder, minutes=0.01, kind="another")
    assert other.loop.running
    assert torch.equal(other.model.weight, first.model.weight)
    assert not other.optimiser.state_dict()["state"]


def test_it_saves_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_loop, "SAVE", 0.1)
    line = Line(folder, minutes=0.01, team=common.Team(every=0.05))
    saved = 0
    while line.loop.running:
        line.loop.learn(line.model(torch.rand(4, 1)).square().mean())
        saved += line.loop.saved()
    assert 2 <= saved <= 7
    assert len((folder / "line.csv").read_text().splitlines()) > saved


def test_it_goes_on_from_the_checkpoint_of_a_gpu(folder: Path) -> None:
    first = Line(folder, minutes=0.01)
    first.train()
    state = torch.load(folder / "line.pt", weights_only=True)
    for group in state["optimisers"][0]["param_groups"]:
        group |= {"capturable": True, "lr": torch.tensor(0.05)}  # as graphs need them
    torch.save(state, folder / "line.pt")
    again = Line(folder, minutes=0.08)
    again.train()
    assert again.loop.step > first.loop.step
    assert isinstance(again.optimiser.param_groups[0]["lr"], float)


def test_repeated_steps_are_single_steps_without_a_gpu(folder: Path) -> None:
    line, x = Line(folder, minutes=10), torch.rand(16, 1)
    losses = []
    for _ in range(5):
        line.loop.repeat("line", lambda: (line.model(x) - 3 * x - 1).square().mean())
        losses.append(float(line.loop._losses[-1]))
    assert line.loop.steps == 5
    assert losses == sorted(losses, reverse=True)
