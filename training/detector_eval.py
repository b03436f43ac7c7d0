"""Mean average precision at one threshold of overlap."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from training import data
from training.common import reduced, to_tensor
from training.detector_net import Detector
from training.scenes import CLASSES

Found = dict[str, list[tuple[float, int, list[float]]]]
"""By class: score, number of the picture, corners."""
Truth = list[list[tuple[str, list[float]]]]
"""For each picture its boxes: class and corners."""


@torch.no_grad()
def mean_average_precision(
    model: Detector, device: torch.device, size: int, count: int = 512
) -> float:
    """mAP at IoU 0.5 on held-out renders, reduced to `size` pixels a side."""
    held_out = data.load("held_out")
    pictures = held_out.pictures
    truth: Truth = [[(kind, list(box)) for kind, box in each] for each in held_out.boxes[:count]]
    found: Found = {name: [] for name in CLASSES}
    back = held_out.side / size
    model.eval()
    for first in range(0, count, 32):
        batch = functional.interpolate(
            to_tensor(pictures[first : min(first + 32, count)], device),
            size=size,
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        with reduced(device):
            output = model(batch.contiguous(memory_format=torch.channels_last)).cpu().numpy()
        for offset, result in enumerate(output):
            for number, name in enumerate(CLASSES):
                for score, box in suppress(result[:4].T, result[4 + number]):
                    found[name].append((score, first + offset, [v * back for v in box]))
    model.train()
    return mean(found, truth)


def mean(found: Found, truth: Truth, threshold: float = 0.5) -> float:
    """Mean average precision at one IoU threshold over the classes that the truth holds."""
    scores = [average_precision(found[name], truth, name, threshold) for name in found]
    return float(np.mean([score for score in scores if score is not None]))


def suppress(
    places: np.ndarray, scores: np.ndarray, floor: float = 0.05
) -> list[tuple[float, list[float]]]:
    """Greedy non-maximum suppression at IoU 0.5; boxes as corners."""
    kept: list[tuple[float, list[float]]] = []
    for index in np.argsort(-scores):
        if scores[index] < floor or len(kept) >= 20:
            break
        cx, cy, w, h = (float(v) for v in places[index])
        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        if all(overlap(box, other) < 0.5 for _, other in kept):
            kept.append((float(scores[index]), box))
    return kept


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes given by corners."""
    inner = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(
        0.0, min(a[3], b[3]) - max(a[1], b[1])
    )
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner
    return inner / max(union, 1e-9)


def average_precision(
    found: list[tuple[float, int, list[float]]], truth: Truth, name: str, threshold: float
) -> float | None:
    """Area under one class's precision envelope; None where the truth has none of it."""
    wanted = {
        (i, j) for i, boxes in enumerate(truth) for j, (kind, _) in enumerate(boxes) if kind == name
    }
    if not wanted:
        return None
    open_ = set(wanted)
    hits = []
    for _, image, box in sorted(found, key=lambda f: -f[0]):
        matches = [(overlap(box, truth[image][j][1]), j) for i, j in open_ if i == image]
        best = max(matches, default=(0.0, -1))
        hits.append(best[0] >= threshold)
        if hits[-1]:
            open_.discard((image, best[1]))
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(sum(envelope[i] for i, hit in enumerate(hits) if hit) / len(wanted))
