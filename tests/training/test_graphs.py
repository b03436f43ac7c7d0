"""Steps as CUDA graphs do what steps one by one do."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import pytest
import torch

from training import common
from training.graphs import WARM_UP
from training.muon import with_adamw
from training.train_loop import TrainLoop

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Taught:
    """A small network that learns from what lies in two buffers, and its loop."""

    def __init__(self, folder: Path) -> None:
        device = torch.device("cuda")
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(8, 3, 1)
        ).to(device)
        self.inputs = [torch.randn(4, 3, side, side, device=device) for side in (8, 12)]
        self.loop = TrainLoop(
            folder / "taught.pt",
            argparse.Namespace(minutes=10, fresh=False),
            device,
            {"model": self.model},
            with_adamw(self.model.parameters(), 1e-2, decay=0.01),
            rate=1e-2,
            weights=self.model.parameters(),
            clip=1.0,
        )
        self.loop.budget.warm_up = 0.0  # the same rate in both runs, whatever time it is

    def loss(self, number: int) -> torch.Tensor:
        with common.reduced(torch.device("cuda")):
            out = self.model(self.inputs[number])
        error: torch.Tensor = (out.float() - self.inputs[number].flip(3)).square()
        return error.mean()


def test_graphs_learn_what_single_steps_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "RUNS", tmp_path)
    plain, graphed = Taught(tmp_path), Taught(tmp_path)
    for _ in range(3 * WARM_UP):
        for number in (0, 1):
            plain.loop.learn(plain.loss(number))
            graphed.loop.repeat(number, partial(graphed.loss, number))
            graphed.inputs[number].mul_(1.01)  # a graph sees what its memory holds
            plain.inputs[number].mul_(1.01)
    assert graphed.loop.graphs is not None
    assert set(graphed.loop.graphs.taken) == {0, 1}
    for one, other in zip(plain.model.parameters(), graphed.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0.02, atol=1e-3)
    reported = [[float(loss) for loss in taught.loop._losses] for taught in (plain, graphed)]
    assert reported[0] == pytest.approx(reported[1], rel=0.02)
    assert len(set(reported[1])) == len(reported[1])


def test_random_numbers_differ_from_replay_to_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "RUNS", tmp_path)
    taught = Taught(tmp_path)

    def noisy() -> torch.Tensor:
        return taught.loss(0) + torch.rand((), device="cuda")

    for _ in range(WARM_UP + 4):
        taught.loop.repeat("noisy", noisy)
    last = [float(loss) for loss in taught.loop._losses[-4:]]
    assert len({round(loss, 4) for loss in last}) == 4
