"""Overlays land where they are reported, and nowhere else."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from ninefold.imaging.overlay import Anchor, apply_overlay

from .strategies import flat, noise


def mark(width: int, height: int, alpha: int = 255) -> NDArray[np.uint8]:
    """A red rectangle."""
    return np.full((height, width, 4), (255, 0, 0, alpha), dtype=np.uint8)


def extent(base: NDArray[np.uint8], out: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what changed."""
    rows, columns = np.nonzero((base != out).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    ("anchor", "place"),
    [
        ("top-left", (5, 5, 25, 15)),
        ("top", (40, 5, 60, 15)),
        ("top-right", (75, 5, 95, 15)),
        ("left", (5, 35, 25, 45)),
        ("centre", (40, 35, 60, 45)),
        ("right", (75, 35, 95, 45)),
        ("bottom-left", (5, 65, 25, 75)),
        ("bottom", (40, 65, 60, 75)),
        ("bottom-right", (75, 65, 95, 75)),
    ],
)
def test_nine_places(anchor: Anchor, place: tuple[int, int, int, int]) -> None:
    base = flat(100, 80, 0, 90, 0)
    out = apply_overlay(base, mark(20, 10), anchor, margin=5)
    assert extent(base, out) == place
    left, top, right, bottom = place
    assert (out[top:bottom, left:right] == (255, 0, 0)).all()


def test_all_places_are_tested() -> None:
    assert len(get_args(Anchor)) == 9


def test_opacity_multiplies_alpha() -> None:
    base = flat(20, 20, 0, 0, 200)
    assert apply_overlay(base, mark(20, 20), opacity=0.5)[3, 3].tolist() == [128, 0, 100]
    assert apply_overlay(base, mark(20, 20, 51), opacity=0.5)[3, 3].tolist() == [26, 0, 180]
    assert apply_overlay(base, mark(20, 20), opacity=0) is base
    assert np.array_equal(apply_overlay(base, mark(20, 20, 0)), base)


def test_scale_is_a_part_of_the_width() -> None:
    base = flat(200, 100, 0, 0, 0)
    assert extent(base, apply_overlay(base, mark(10, 5), "top-left", scale=0.25)) == (0, 0, 50, 25)


def test_what_is_too_large_shrinks_into_the_margins() -> None:
    base = flat(60, 40, 0, 0, 0)
    assert extent(base, apply_overlay(base, mark(400, 100), margin=10)) == (10, 20, 50, 30)


def test_hidden_colours_do_not_bleed_when_it_is_resized() -> None:
    overlay = mark(40, 40)
    overlay[:, 20:] = (0, 255, 0, 0)
    out = apply_overlay(flat(20, 20, 0, 0, 0), overlay)
    assert out[..., 1].max() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"opacity": 1.5},
        {"scale": 0.0},
        {"scale": 1.1},
        {"margin": 10},
        {"margin": -1},
        {"anchor": "middle"},
    ],
)
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        apply_overlay(noise(20, 20), mark(4, 4), **options)  # type: ignore[arg-type]


def test_an_overlay_without_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="H x W x 4"):
        apply_overlay(noise(20, 20), noise(4, 4))
