"""Boxes and crops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.boxes import Box, crop_box

from .strategies import boxes_inside, quick

sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))


@st.composite
def crops(draw: st.DrawFn) -> tuple[Box, int, tuple[int, int], int, float | None]:
    """Arguments of crop_box."""
    size = draw(sizes)
    box = draw(boxes_inside(*size))
    aspects = st.none() | st.floats(0.25, 4)
    return box, draw(st.integers(0, 80)), size, draw(st.sampled_from([1, 8, 64])), draw(aspects)


@quick
@given(crops())
def test_a_crop_holds_its_box_and_stays_inside(
    case: tuple[Box, int, tuple[int, int], int, float | None],
) -> None:
    box, padding, size, multiple, aspect = case
    crop = crop_box(box, padding, size, multiple=multiple, aspect=aspect)
    assert crop.clip(*size) == crop
    assert crop.intersection(box) == box.area
    assert crop.width >= min(box.width + 2 * padding, size[0])
    assert crop.height >= min(box.height + 2 * padding, size[1])


@quick
@given(crops())
def test_crop_sides_are_multiples_where_there_is_room(
    case: tuple[Box, int, tuple[int, int], int, float | None],
) -> None:
    box, padding, size, multiple, aspect = case
    crop = crop_box(box, padding, size, multiple=multiple, aspect=aspect)
    assert crop.width % multiple == 0 or crop.width == size[0]
    assert crop.height % multiple == 0 or crop.height == size[1]


def test_a_crop_is_shifted_back_in_at_the_corner() -> None:
    assert crop_box(Box(0, 0, 10, 10), 20, (200, 200)) == Box(0, 0, 50, 50)
    assert crop_box(Box(190, 195, 200, 200), 20, (200, 200)) == Box(150, 155, 200, 200)


def test_a_crop_reaches_its_aspect() -> None:
    assert crop_box(Box(80, 90, 120, 110), 0, (200, 200), aspect=1) == Box(80, 80, 120, 120)
    assert crop_box(Box(80, 90, 120, 110), 0, (200, 200), aspect=4) == Box(60, 90, 140, 110)


@pytest.mark.parametrize(
    ("box", "options"),
    [
        (Box(300, 0, 310, 10), {}),
        (Box(5, 5, 5, 5), {}),
        (Box(5, 5, 9, 9), {"multiple": 0}),
        (Box(5, 5, 9, 9), {"aspect": 0.0}),
    ],
)
def test_an_impossible_crop_is_refused(box: Box, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        crop_box(box, 0, (200, 200), **options)  # type: ignore[arg-type]


@quick
@given(st.data())
def test_iou_is_symmetric_and_one_with_itself(data: st.DataObject) -> None:
    first, second = data.draw(boxes_inside(40, 40)), data.draw(boxes_inside(40, 40))
    assert first.iou(second) == second.iou(first)
    assert 0 <= first.iou(second) <= 1
    assert first.iou(first) == 1


def test_iou_counts_pixels() -> None:
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert Box(0, 0, 10, 10).iou(Box(20, 20, 30, 30)) == 0
    assert Box(3, 3, 3, 3).iou(Box(3, 3, 3, 3)) == 0


def test_expanding_and_clipping() -> None:
    box = Box(10, 10, 20, 16)
    assert box.expand(4) == Box(6, 6, 24, 20)
    assert box.expand(-100).area == 0
    assert box.expand(15).clip(30, 30) == Box(0, 0, 30, 30)
    assert Box(-5, -5, -1, 9).clip(30, 30).area == 0
    assert Box.around(1.2, 1.8, 3.1, 4.0) == Box(1, 1, 4, 4)


def test_edges_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="left <= right"):
        Box(5, 0, 4, 1)
