"""Which axis of a grid decides what only some of its cells have."""

from __future__ import annotations

from itertools import product
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from ninefold.sheets.axes import deciding_axis


@given(st.data())
def test_cells_of_some_values_of_an_axis_are_decided_by_it(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(lengths) - 1))
    places = data.draw(st.sets(st.integers(0, lengths[axis] - 1), min_size=1))
    numbered = enumerate(product(*(range(length) for length in reversed(lengths))))
    cells = [number for number, cell in numbered if cell[::-1][axis] in places]
    wanted = None if len(cells) == prod(lengths) else (axis, tuple(sorted(places)))
    assert deciding_axis(cells, lengths) == wanted


def test_cells_that_no_axis_alone_decides() -> None:
    assert deciding_axis([0], [2, 2]) is None
    assert deciding_axis([0, 3], [2, 2]) is None
    assert deciding_axis([0, 1, 2], [2, 2]) is None
    assert deciding_axis([0, 2], [2, 2]) == (0, (0,))
    assert deciding_axis([2, 3], [2, 2]) == (1, (1,))
