"""The .cube reader takes what the specification allows and names the line of what it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.imaging.cube import parse_cube

from .strategies import quick

CORNERS = "\n".join(f"{r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1))
CURVE = "0 0 0\n1 1 1"


def test_a_cube_with_everything() -> None:
    lut = parse_cube(
        "\ufeff# made by hand\r\n\r\n"
        'TITLE "Warm # evening"\r\nDOMAIN_MAX 1 1 2\r\nLUT_3D_SIZE 2\r\nDOMAIN_MIN -1 0 0.5\r\n'
        "# table\r\n" + CORNERS.replace("\n", "\r\n")
    )
    assert (lut.title, lut.size, lut.dimensions) == ("Warm # evening", 2, 3)
    assert lut.domain_min == (-1, 0, 0.5)
    assert lut.domain_max == (1, 1, 2)
    # Red changes fastest: indexed blue, green, red.
    assert lut.table[0, 0, 1].tolist() == [1, 0, 0]
    assert lut.table[1, 0, 0].tolist() == [0, 0, 1]


@quick
@given(st.lists(st.tuples(*[st.floats(-2, 2, width=32)] * 3), min_size=2, max_size=20))
def test_curves_come_back_as_written(rows: list[tuple[float, float, float]]) -> None:
    text = f"LUT_1D_SIZE {len(rows)}\n" + "\n".join(f"{r!r} {g!r} {b!r}" for r, g, b in rows)
    lut = parse_cube(text)
    assert lut.dimensions == 1
    assert np.array_equal(lut.table, np.array(rows, dtype=np.float32))


def test_the_range_that_resolve_writes() -> None:
    lut = parse_cube(f"LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.0 4.0\n{CORNERS}")
    assert lut.domain_max == (4, 4, 4)


def test_the_largest_sizes() -> None:
    assert parse_cube("LUT_1D_SIZE 65536\n" + "0 0 0\n" * 65536).size == 65536
    assert parse_cube("LUT_3D_SIZE 17\n" + "0 0 0\n" * 17**3).size == 17


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 0: expected LUT_1D_SIZE"),
        ("# nothing\n\n", "line 2: expected LUT_1D_SIZE or LUT_3D_SIZE, got the end"),
        ("0 0 0\nLUT_1D_SIZE 2", "line 1: .* before the table"),
        (f"LUT_1D_SIZE 3\n{CURVE}", "line 3: expected 3 table rows, got 2"),
        (f"LUT_1D_SIZE 2\n{CURVE}\n1 1 1", "line 4: expected 2 table rows, got one more"),
        ("LUT_1D_SIZE 2\n0 0\n", "line 2: expected 3 finite numbers, got 0 0"),
        ("LUT_1D_SIZE 2\n0 0 0 0\n", "line 2: expected 3 finite"),
        ("LUT_1D_SIZE 2\n0 0 x\n", "line 2: expected 3 finite"),
        ("LUT_1D_SIZE 2\nnan 0 0\n", "line 2: expected 3 finite"),
        ("LUT_1D_SIZE 2\n0 0 -inf\n", "line 2: expected 3 finite"),
        ("LUT_1D_SIZE 2\n0 0 1_0\n", "line 2: expected 3 finite"),
        ('LUT_1D_SIZE 2\n0 0 0\nTITLE "late"\n', "line 3: expected table rows only"),
        ("LUT_1D_SIZE 1\n", "line 1: expected LUT_1D_SIZE from 2 to 65536, got 1"),
        ("LUT_1D_SIZE 65537\n", "line 1: .* got 65537"),
        ("LUT_3D_SIZE 66\n", "line 1: expected LUT_3D_SIZE from 2 to 65, got 66"),
        ("LUT_3D_SIZE -3\n", "line 1: .* got -3"),
        ("LUT_3D_SIZE " + "9" * 5000, "line 1: .* got 999"),
        ("LUT_3D_SIZE\n", "line 1: .* got nothing"),
        ("LUT_3D_SIZE 2\nLUT_3D_SIZE 2\n", "line 2: expected LUT_3D_SIZE once"),
        ("LUT_3D_SIZE 2\nLUT_1D_SIZE 2\n", "line 2: expected either"),
        ("LUT_3D_SIZE 2\nGAMMA 2\n", "line 2: expected one of TITLE.* got GAMMA"),
        ("TITLE Warm\n", "line 1: expected a title in double quotes, got Warm"),
        ("DOMAIN_MIN 0 0\n", "line 1: expected 3 finite"),
        (f"LUT_1D_SIZE 2\nDOMAIN_MIN 1 0 0\n{CURVE}", "DOMAIN_MIN below DOMAIN_MAX"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cube(text)


@quick
@given(st.text(max_size=200))
def test_any_other_text_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.cube"):
        parse_cube(text)
