"""The picture at the end: which terminals get one, and what they are sent."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ninefold.cli.picture import CELLS, SIDE, Method, drawn, method_for, show_picture
from tests.support import picture


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, "blocks"),
        ({"COLORTERM": "truecolor", "TERM": "xterm-kitty", "TMUX": "1"}, "blocks"),
        ({"TERM": "xterm"}, "none"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-kitty", "NINEFOLD_PICTURE": "none"}, "none"),
        ({"NINEFOLD_PICTURE": "sixel"}, "sixel"),
    ],
)
def test_method_for(environ: dict[str, str], expected: Method) -> None:
    assert method_for(environ) == expected


def test_kitty_gets_the_picture_as_png_in_chunks() -> None:
    text = drawn(picture(900, 600), "kitty")
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert chunks[0][0] == "f=100,a=T,m=1"
    assert chunks[-1][0] == "m=0"
    assert max(len(data) for _, data in chunks) <= 4096
    image = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks))))
    assert image.size == (SIDE, round(SIDE * 600 / 900))


def test_iterm_gets_the_picture_as_one_file() -> None:
    match = re.fullmatch(
        r"\x1b]1337;File=inline=1;size=(\d+):(.*)\x07\n", drawn(picture(64, 48), "iterm")
    )
    assert match is not None
    data = base64.b64decode(match[2])
    assert len(data) == int(match[1])
    assert Image.open(io.BytesIO(data)).size == (64, 48)


def test_sixel_draws_every_pixel_of_a_band() -> None:
    image = np.zeros((8, 3, 3), np.uint8)
    image[:, 1] = 255
    text = drawn(image, "sixel")
    assert text.startswith('\x1bPq"1;1;3;8')
    assert text.endswith("-\x1b\\\n")
    assert text.count("-") == 2  # two bands: six rows and two
    full, two = chr(63 + 0b111111), chr(63 + 0b11)
    assert f"?{full}?" in text
    assert f"{full}?{full}" in text
    assert f"?{two}?" in text


def test_blocks_show_two_rows_a_line() -> None:
    text = drawn(picture(CELLS * 4, CELLS * 2 + 2), "blocks")
    lines = text.rstrip("\n").split("\n")
    assert all(line.count("▀") == CELLS for line in lines)
    assert len(lines) == CELLS // 4 + 1
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_only_terminals_get_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(picture(32, 32)).save(path)
    environ = {"NINEFOLD_PICTURE": "blocks"}
    plain, terminal = io.StringIO(), Terminal()
    show_picture(path, plain, environ)
    show_picture(path, terminal, environ)
    assert plain.getvalue() == ""
    assert "▀" in terminal.getvalue()


def test_a_picture_that_cannot_be_read_is_no_error(tmp_path: Path) -> None:
    terminal = Terminal()
    show_picture(tmp_path / "none.png", terminal, {"NINEFOLD_PICTURE": "blocks"})
    assert terminal.getvalue() == ""
