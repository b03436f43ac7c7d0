"""Which cells answer for which box, and how average precision counts."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("onnx", reason="training scripts need the extra `training`")

from training.detector_eval import average_precision, mean, suppress
from training.detector_loss import assign, cells_of, iou, loss_of, pad
from training.detector_net import Detector

CPU = torch.device("cpu")
BOX = (10.0, 20.0, 40.0, 60.0)


def owners(*targets: tuple[int, tuple[float, float, float, float]]) -> torch.Tensor:
    corners, _ = pad([list(targets)], CPU)
    return assign(corners, cells_of(128, 128, CPU))[0]


def test_cells_follow_the_networks_output() -> None:
    model = Detector(3).eval()
    with torch.no_grad():
        boxes, logits = model.raw(torch.rand(2, 3, 64, 96))
    cells = cells_of(64, 96, CPU)
    assert boxes.shape == (2, len(cells), 4)
    assert logits.shape == (2, len(cells), 3)
    inside = (boxes[0, :, :2] < cells[:, :2]) & (cells[:, :2] < boxes[0, :, 2:])
    assert bool(inside.all())


@pytest.mark.parametrize(("side", "stride"), [(30, 8), (60, 16), (120, 32)])
def test_a_box_belongs_to_the_level_of_its_size(side: int, stride: int) -> None:
    owner = owners((0, (2.0, 2.0, 2.0 + side, 2.0 + side)))
    strides = cells_of(128, 128, CPU)[owner == 0, 2]
    assert len(strides) > 0
    assert set(strides.tolist()) == {float(stride)}


def test_a_smaller_box_wins_a_shared_cell() -> None:
    corners, kinds = pad([[(1, (12.0, 12.0, 28.0, 28.0)), (0, (0.0, 0.0, 40.0, 40.0))]], CPU)
    assert kinds.tolist() == [[0, 1]]
    cells = cells_of(128, 128, CPU)
    owner = assign(corners, cells)[0]
    centre = ((cells[:, :2] - 20).abs() < 5).all(1) & (cells[:, 2] == 8)
    assert set(owner[centre].tolist()) == {1}


def test_a_picture_without_boxes_has_no_owners() -> None:
    assert owners().max() == -1


def test_iou_of_known_boxes() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[1.0, 0.0, 3.0, 2.0], [2.0, 0.0, 3.0, 1.0]])
    ratio, general = iou(a, b)
    assert ratio.tolist() == pytest.approx([1 / 3, 0])
    assert general.tolist() == pytest.approx([1 / 3, -1 / 3])


def test_a_few_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    model = Detector(2).train()
    pictures = torch.zeros(2, 3, 64, 64)
    pictures[0, 0, 20:44, 10:34] = 1
    targets = [[(1, (10.0, 20.0, 34.0, 44.0))], []]
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = loss_of(model, pictures, targets)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_average_precision_by_hand() -> None:
    truth = [[("cat", [0.0, 0.0, 10.0, 10.0])], [("cat", [0.0, 0.0, 10.0, 10.0])]]
    hit, miss = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]
    assert average_precision([(0.9, 0, hit), (0.8, 1, hit)], truth, "cat", 0.5) == 1
    assert average_precision([(0.9, 0, miss), (0.8, 1, hit)], truth, "cat", 0.5) == 0.25
    twice = [(0.9, 0, hit), (0.8, 0, hit), (0.7, 1, hit)]
    assert average_precision(twice, truth, "cat", 0.5) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([], truth, "dog", 0.5) is None
    assert mean({"cat": [(0.9, 0, hit)], "dog": [(0.5, 0, hit)]}, truth) == 0.5


def test_overlapping_finds_of_a_class_are_one() -> None:
    import numpy as np

    places = np.array([[10, 10, 8, 8], [11, 10, 8, 8], [40, 40, 8, 8]], np.float32)
    kept = suppress(places, np.array([0.6, 0.9, 0.3], np.float32))
    assert [round(score, 1) for score, _ in kept] == [0.9, 0.3]
