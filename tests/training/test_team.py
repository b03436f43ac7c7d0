"""Processes that train one model together, for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MEMBER = """
import torch
from training.common import Team, channels_last

team = Team(every=1e9)
model = channels_last(torch.nn.Conv2d(2, 3, 3))
weights = list(model.parameters())
with torch.no_grad():
    for number, weight in enumerate(weights):
        weight.copy_(torch.arange(weight.numel()).view(weight.shape) + number + 10 * team.rank)
# The second takes three steps for each of the first, and counts three times as much.
for _ in range(2 if team.rank else 0):
    assert team.step(weights, 0.0) is None
meeting = team.step(weights, 1.0)
assert meeting.steps == 4, meeting
assert meeting.progress == 1, meeting
for number, weight in enumerate(weights):
    wanted = torch.arange(weight.numel()).view(weight.shape) + number + 7.5
    assert torch.allclose(weight, wanted.float()), (weight, wanted)
assert weights[0].is_contiguous(memory_format=torch.channels_last)
"""


@pytest.mark.slow
def test_a_team_goes_on_from_the_average_weighted_by_steps(tmp_path: Path) -> None:
    (tmp_path / "member.py").write_text(MEMBER)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--standalone", str(tmp_path / "member.py")),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
