"""`ninefold sheet`: files in, a picture and a page out, and what is said on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.files.decode import probe
from ninefold.files.embed import read_parameters, read_xmp

from .conftest import Cli


@pytest.fixture
def outputs(cli: Cli) -> list[Path]:
    made = cli("run", "a red house", "--preset", "draft", "--seed", "5", "--count", "2", "--quiet")
    return made.files


def test_a_sheet_and_a_page(cli: Cli, outputs: list[Path]) -> None:
    done = cli("sheet", *outputs, "--out", "s.png", "--out", "s.html", "--title", "Houses")
    assert (done.code, done.err) == (0, "")
    assert done.files == [Path("s.png"), Path("s.html")]
    data = Path("s.png").read_bytes()
    assert probe(data).width > 512
    assert b"compositeWithTrainedAlgorithmicMedia" in (read_xmp(data) or b"")
    assert read_parameters(data) is None
    page = Path("s.html").read_text()
    assert "<h1>Houses</h1>" in page
    assert page.count("<img ") == 2
    assert str(Path.cwd()) not in page
    again = cli("sheet", *outputs, "--out", "s.png")
    assert again.code == 2
    assert "s.png: exists. Choose another name, or add --force" in again.err
    assert cli("sheet", *outputs, "--out", "s.png", "--force", "--theme", "dark").code == 0
    assert Path("s.png").read_bytes() != data


def test_files_that_cannot_be_shown(cli: Cli, outputs: list[Path]) -> None:
    Path("note.png").write_text("hello")
    done = cli("sheet", outputs[0], "note.png", "gone.png")
    assert done.code == 1
    assert done.files == [Path("sheet.png")]
    assert "warning: note.png: expected PNG" in done.err
    assert "warning: gone.png" in done.err
    Path("a\x1b[2J.png").write_text("hello")
    hostile = cli("sheet", outputs[0], "a\x1b[2J.png", "--out", "h.png")
    assert "warning: a\N{REPLACEMENT CHARACTER}[2J.png: expected PNG" in hostile.err
    assert "\x1b" not in hostile.err
    none = cli("sheet", "note.png", "gone.png", "--out", "x.png")
    assert none.code == 2
    assert not Path("x.png").exists()
    Path("empty").mkdir()
    assert "expected 1 to 2,000 image files, got 0" in cli("sheet", "empty").err


def test_every_wrong_option_is_told_at_once(cli: Cli, outputs: list[Path]) -> None:
    Path("bad.ttf").write_text("no font")
    done = cli(
        "sheet", *outputs, "--out", "a.gif", "--out", "no/b.png", "--out", outputs[0], "--font",
        "bad.ttf",
    )  # fmt: skip
    assert done.code == 2
    for said in ("a.gif: expected a name that ends in .png", "b.png: its folder does not exist",
                 "is one of the files shown", "--font: bad.ttf"):  # fmt: skip
        assert said in done.err
    assert not Path("a.gif").exists()


def test_fields_and_characters_that_are_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ninefold.sheets.text.SYSTEM_FONTS", ())
    files = cli("run", "赤い house", "--preset", "draft", "--seed", "5", "--quiet").files
    done = cli("sheet", *files, "--fields", "prompt,seed,frobs")
    assert done.code == 0
    assert "warning: no file has frobs; the files have:" in done.err
    assert "has no glyph for 2 characters (い赤)" in done.err
    assert "--font FILE" in done.err
    page = cli("sheet", *files, "--out", "s.html")
    assert page.err == ""
    assert "赤い house" in Path("s.html").read_text()
    bare = cli("sheet", *files, "--out", "t.html", "--fields", "none")
    assert "house" not in Path("t.html").read_text().replace('alt="', "")
    assert bare.code == 0
