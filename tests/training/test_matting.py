"""Exact masks of rendered scenes, and the network that learns from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from training.matting import damaged, loss_of, overlap
from training.matting_net import STRIDE, MattingNet
from training.scenes import SHAPES, boxes, random_scene, render
from training.silhouettes import subject_mask
from training.subjects import SUBJECTS

SIDE = 96


def test_a_mask_has_the_shape_of_its_picture() -> None:
    for shape in SHAPES:
        scene = random_scene(4, shape)
        assert subject_mask(scene, SIDE).size == render(scene, SIDE).size


@pytest.mark.parametrize("subject", list(SUBJECTS))
def test_a_mask_covers_the_subject_and_nothing_else(subject: str) -> None:
    """Where scenes differ in the subject's colour alone, their pictures differ inside the mask."""
    scene = replace(
        random_scene(5), subject=subject, colour="red", weather="clear", count=1, setting="field",
        close_up=False, face=False, position="center", time="day",
    )  # fmt: skip
    mask = np.asarray(subject_mask(scene, SIDE))
    pictures = [
        np.asarray(render(replace(scene, colour=colour), SIDE)).astype(int)
        for colour in ("red", "blue", "green")
    ]
    changed = np.any([np.any(picture != pictures[0], axis=2) for picture in pictures], axis=0)
    assert (mask[changed] > 0).all(), "what has the subject's colour is not covered"
    name, (left, top, right, bottom) = boxes(scene, SIDE)[0]
    assert name == subject
    rows, columns = np.nonzero(mask)
    assert columns.min() >= left - 3
    assert columns.max() <= right + 3
    assert rows.min() >= top - 3
    assert rows.max() <= bottom + 3
    assert (mask == 255).sum() > 0.15 * (right - left) * (bottom - top)


def test_a_bare_landscape_has_no_subject() -> None:
    scene = next(scene for scene in map(random_scene, range(200)) if not scene.subject)
    assert not np.asarray(subject_mask(scene, SIDE)).any()


def test_the_shadow_of_a_near_subject_hides_a_far_one() -> None:
    scene = next(s for s in map(random_scene, range(500)) if s.count == 3 and not s.close_up)
    mask = np.asarray(subject_mask(scene, SIDE))
    assert mask.any()
    assert set(np.unique(mask)) > {0, 255}, "edges are soft"


def test_the_network_keeps_size_and_learns_a_square() -> None:
    torch.manual_seed(0)
    model = MattingNet().train()
    pictures = torch.full((2, 3, STRIDE * 2, STRIDE * 3), 0.2)
    coverage = torch.zeros(2, 1, STRIDE * 2, STRIDE * 3)
    pictures[:, 0, 16:48, 32:64], coverage[:, :, 16:48, 32:64] = 0.9, 1.0
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        logits = model(pictures)
        assert logits.shape == coverage.shape
        loss = loss_of(logits, coverage)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_damage_keeps_shape_and_range() -> None:
    rng, pictures = np.random.default_rng(1), torch.rand(2, 3, 96, 128)
    seen = set()
    for _ in range(30):
        found = damaged(pictures, rng)
        assert found.shape == pictures.shape
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        seen.add(round(float(found.mean()), 4))
    assert len(seen) > 20


def test_overlap_is_intersection_over_union() -> None:
    one, two = np.zeros((4, 4)), np.zeros((4, 4))
    assert overlap(one, two) == 1
    one[:2] = two[1:3] = 1
    assert overlap(one, two) == pytest.approx(1 / 3)
    assert overlap(one, np.zeros((4, 4))) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_exported_network_takes_any_size(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from training.matting import export_onnx

    path = tmp_path / "matting.onnx"
    model = MattingNet().eval()
    export_onnx(model, path)
    session = onnxruntime.InferenceSession(str(path))
    batch = np.random.default_rng(0).random((1, 3, 64, 160), np.float32)
    (alpha,) = session.run(None, {"pictures": batch})
    with torch.no_grad():
        expected = model(torch.from_numpy(batch)).sigmoid().numpy()
    assert np.abs(alpha - expected).max() < 1e-4
    assert session.get_modelmeta().custom_metadata_map["task"] == "matting"
    assert path.stat().st_size < 3 << 20
