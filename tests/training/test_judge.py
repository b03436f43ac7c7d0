"""The judge, its files, and what the tables of bench/ count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.enlargement import gradients, psnr
from bench.figures import Figure
from training.distance import frechet_distance
from training.judge import PARTS, SHIPPED, Judge, damaged, is_whole, ship, shipped
from training.scenes import boxes, random_scene, render


def test_a_judge_is_the_same_after_it_was_shipped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge, pictures = Judge().eval(), torch.rand(2, 3, 64, 80)
    ship(judge, tmp_path / "judge.safetensors")
    again = shipped(tmp_path / "judge.safetensors")
    with torch.no_grad():
        assert torch.allclose(judge.features(pictures), again.features(pictures), atol=0.02)
    assert (tmp_path / "judge.safetensors").stat().st_size < 2 << 20


@pytest.mark.skipif(not SHIPPED.exists(), reason="the judge is not there")
def test_the_judge_that_ships_reads_held_out_renders() -> None:
    judge = shipped()
    scenes = [s for s in map(random_scene, range(15_000_000, 15_000_060)) if is_whole(s)]
    pictures = np.stack([np.asarray(render(scene, 256)) for scene in scenes])
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        features = judge.features(batch)
    verdicts = judge.verdicts_of(features)
    for part in PARTS:
        pairs = zip(scenes, verdicts, strict=True)
        assert np.mean([getattr(scene, part) == v[part] for scene, v in pairs]) > 0.9
    truth = torch.tensor([boxes(scene, 256)[0][1] for scene in scenes]) / 256
    assert float((judge.box_of(features) - truth).abs().mean()) < 0.03


def test_a_shifted_picture_has_a_shifted_box() -> None:
    rng = np.random.default_rng(0)
    pictures = torch.zeros(6, 3, 96, 96)
    pictures[:, :, 30:60, 40:70] = 1
    places = torch.tensor([[40.0, 30, 70, 60]] * 6) / 96
    moved, boxes_ = damaged(pictures, places, rng)
    for picture, box in zip(moved.mean(1), boxes_, strict=True):
        rows, columns = (picture > 0.5).nonzero(as_tuple=True)
        seen = torch.stack((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)) / 96
        assert float((seen - box).abs().max()) < 0.06


def test_the_distance_of_alike_sets_is_small_and_grows_with_the_gap() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(4000, 6), torch.randn(4000, 6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(first, second) < 0.05
    assert frechet_distance(first, second + 1) == pytest.approx(6, abs=0.3)
    # Normal distributions of deviations 1 and 2 lie (2 - 1) squared apart in each direction.
    assert frechet_distance(first, 2 * second) == pytest.approx(6, abs=0.5)


def test_a_figure_is_held_to_its_target() -> None:
    assert Figure("p", "n", 0.9, 0.9).met
    assert not Figure("p", "n", 0.89, 0.9).met
    assert Figure("p", "n", 5, 6, at_most=True).met
    assert not Figure("p", "n", 7, 6, at_most=True).met
    assert Figure("p", "n", 0.1).met
    assert "MISSED" in str(Figure("p", "n", 0.89, 0.9))
    assert not Figure("p", "n", float("nan"), 0.9).met


def test_psnr_by_hand() -> None:
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, grey) == pytest.approx(0)
    assert psnr(gradients(black), gradients(grey)) > 100  # both are flat
