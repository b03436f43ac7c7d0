from __future__ import annotations

import numpy as np
import pytest

from ninefold.imaging.edges import canny, preprocessed, soft_edges
from ninefold.imaging.types import Pixels


@pytest.fixture
def square() -> Pixels:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[16:48, 24:72] = (200, 180, 30)
    return pixels


def test_edges_lie_where_colours_change(square: Pixels) -> None:
    for edges in (canny(square, 100, 200), soft_edges(square)):
        assert edges.shape == square.shape
        assert edges.dtype == np.uint8
        assert edges[30, 20:28].max() == 255
        assert edges[30, 40:56].max() == 0
        assert edges[4].max() == 0
        assert np.array_equal(edges[..., 0], edges[..., 2])


def test_thresholds_decide_what_is_an_edge(square: Pixels) -> None:
    faint = (square // 8).astype(np.uint8)
    assert canny(faint, 100, 200).max() == 0
    assert canny(faint, 10, 20).max() == 255


def test_soft_edges_are_of_every_strength(square: Pixels) -> None:
    square[20:44, 30:66] //= 2
    assert len(np.unique(soft_edges(square))) > 10
    assert set(np.unique(canny(square, 50, 100))) == {0, 255}


def test_nothing_is_made_where_nothing_is_asked_for(square: Pixels) -> None:
    assert preprocessed(square, "none", 1, 2) is square
    assert soft_edges(np.zeros((8, 8, 3), np.uint8)).max() == 0
