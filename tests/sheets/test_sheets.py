"""Sheets: what tiles say, how text fits, what is drawn where, and pages that hold no markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from ninefold.files.embed import EmbeddedMetadata
from ninefold.files.encode import encode
from ninefold.files.infotext import Infotext
from ninefold.files.png import add_text
from ninefold.files.xmp import Xmp
from ninefold.sheets.page import sheet_page
from ninefold.sheets.picture import SheetStyle, check_fits, draw_sheet
from ninefold.sheets.text import (
    SYSTEM_FONTS,
    fitting_font,
    load_font,
    missing_characters,
    wrapped,
)
from ninefold.sheets.theme import Theme
from ninefold.sheets.tiles import Sheet, Tile, image_files, tile_of, usual_columns

FIELDS = {"Steps": "20", "Seed": "7", "Size": "90x60", "Model": "/home/jane/x.safetensors"}
HOSTILE = "<script>alert('&')</script>\"onload="


def written(path: Path, prompt: str = "a red house", **fields: str) -> Path:
    pixels = np.full((60, 90, 3), (200, 30, 60), np.uint8)
    metadata = EmbeddedMetadata(Infotext(prompt, "fog", FIELDS | fields), Xmp())
    path.write_bytes(encode(pixels, path.suffix, metadata=metadata))
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".jxl"])
def test_a_tile_shows_a_file_and_what_it_says(tmp_path: Path, suffix: str) -> None:
    tile = tile_of(written(tmp_path / f"one{suffix}"), 45)
    assert tile.picture is not None
    assert tile.picture.shape == (30, 45, 3)
    said = dict(tile.caption)
    assert (said["Prompt"], said["Steps"], said["Model"]) == ("a red house", "20", "x.safetensors")
    assert "Negative prompt" not in said
    assert tile.made_by_ai


def test_fields_are_chosen_by_name(tmp_path: Path) -> None:
    file = written(tmp_path / "one.png", Note="odd")
    assert dict(tile_of(file, 64, ("seed", "NEGATIVE PROMPT", "none of it")).caption) == {
        "Seed": "7",
        "Negative prompt": "fog",
    }
    assert dict(tile_of(file, 64, ("all",)).caption)["Note"] == "odd"
    assert tile_of(file, 64, ()).caption == ()


def test_files_of_other_tools_are_read(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a blue tent", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "fog", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage",
              "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler",
              "inputs": {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0],
                         "latent_image": ["4", 0], "seed": 11, "steps": 9, "cfg": 6.5,
                         "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0]}},
    }  # fmt: skip
    file = tmp_path / "comfy.png"
    plain = encode(np.zeros((64, 64, 3), np.uint8), "png")
    file.write_bytes(add_text(plain, {"prompt": json.dumps(graph)}))
    said = dict(tile_of(file, 64, ("all",)).caption)
    assert (said["Prompt"], said["Negative prompt"]) == ("a blue tent", "fog")
    assert (said["Steps"], said["Seed"], said["CFG scale"]) == ("9", "11", "6.5")
    assert said["Tool"] == "ComfyUI"
    assert "sdxl" in said["Model"]


def test_files_that_are_no_pictures_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"GIF89a\1\0\1\0")
    assert "got GIF" in (tile_of(tmp_path / "a.png", 64).problem or "")
    assert "No such file" in (tile_of(tmp_path / "none.png", 64).problem or "")
    plain = tmp_path / "plain.png"
    plain.write_bytes(encode(np.zeros((8, 8, 3), np.uint8), "png"))
    tile = tile_of(plain, 64)
    assert tile.picture is not None
    assert tile.problem == "no generation data in the file"
    assert not tile.made_by_ai


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "c.png").mkdir()
    found = image_files([tmp_path, tmp_path / "gone.png"])
    assert [path.name for path in found] == ["a.JPG", "b.png", "gone.png"]


FONT = load_font(12)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.integers(20, 300), st.integers(1, 9))
def test_lines_fit(text: str, width: int, most: int) -> None:
    lines = wrapped(text, FONT, width, most)
    assert 1 <= len(lines) <= most
    for line in lines:
        assert FONT.getlength(line) <= width or len(line.rstrip("…")) <= 1
    if not lines[-1].endswith("…"):
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_long_texts_are_cut_with_an_ellipsis() -> None:
    lines = wrapped("word " * 100_000, FONT, 100, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")


def test_missing_characters_are_found() -> None:
    assert missing_characters(["a red house, 78\n", "赤い a"], FONT) == ["い", "赤"]


def test_a_font_of_the_system_where_it_has_more(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    whole = ImageFont.truetype

    def truetype(name: Any, *args: Any, **kwargs: Any) -> ImageFont.FreeTypeFont:
        if not isinstance(name, str):  # Pillow's own, out of its memory
            return whole(name, *args, **kwargs)
        opened.append(name)
        raise OSError("no such font")

    monkeypatch.setattr("PIL.ImageFont.truetype", truetype)
    assert fitting_font(["plain"]) is None
    assert opened == []
    assert fitting_font(["赤い"]) is None
    assert tuple(opened) == SYSTEM_FONTS


def test_a_sheet_shows_pictures_in_rows() -> None:
    red, blue = (np.full((64, 64, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    tiles = (Tile("a", red), Tile("b", blue), Tile("c", None, problem="gone"))
    drawn = draw_sheet(Sheet(tiles, 2), SheetStyle(tile=64))
    is_red, is_blue = ((drawn == colour).all(axis=2) for colour in ((255, 0, 0), (0, 0, 255)))
    assert is_red.sum() == is_blue.sum() == 64 * 64
    assert np.argwhere(is_red)[0][0] == np.argwhere(is_blue)[0][0]  # side by side
    assert np.argwhere(is_red)[0][1] < np.argwhere(is_blue)[0][1]
    dark = draw_sheet(Sheet(tiles, 2, "A title"), SheetStyle(tile=64, theme=Theme.DARK))
    assert dark[0, 0].max() < 60 < drawn[0, 0].min()
    assert dark.shape[0] > drawn.shape[0]


def test_labels_make_room() -> None:
    tiles = tuple(Tile("", np.zeros((64, 64, 3), np.uint8)) for _ in range(4))
    plain = draw_sheet(Sheet(tiles, 2), SheetStyle(tile=64))
    labelled = draw_sheet(Sheet(tiles, 2, "", ("10", "20"), ("3", "7")), SheetStyle(tile=64))
    assert labelled.shape[0] > plain.shape[0]
    assert labelled.shape[1] > plain.shape[1]


def test_too_large_a_sheet_is_refused_before_it_is_drawn() -> None:
    sheet = Sheet(tuple(Tile("", None) for _ in range(2_000)), 10)
    with pytest.raises(ValueError, match="choose smaller tiles or fewer pictures"):
        check_fits(sheet, SheetStyle(tile=1024))
    check_fits(sheet, SheetStyle(tile=64))


def test_a_font_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ttf").write_bytes(b"no font")
    with pytest.raises(ValueError, match=r"x\.ttf: expected a TrueType or OpenType font"):
        SheetStyle(font=tmp_path / "x.ttf").fonts()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_holds_every_text_and_no_markup_of_its_own() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    tiles = (
        Tile(HOSTILE, picture, (("Prompt", HOSTILE + "赤い"), (HOSTILE, HOSTILE))),
        Tile("gone", None, problem=HOSTILE),
    )
    flow = Sheet(tiles, 2, HOSTILE)
    grid = Sheet(tiles, 2, HOSTILE, (HOSTILE, "b"), (HOSTILE,))
    page = sheet_page([flow, grid], HOSTILE)
    parsed = _Tags()
    parsed.feed(page)
    assert "script" not in parsed.tags
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert parsed.text.count(HOSTILE) == 14
    assert "赤い" in parsed.text
    links = [value or "" for name, value in parsed.attributes if name in ("src", "href")]
    assert links
    assert all(link.startswith("data:image/webp;base64,") for link in links)
    assert "http" not in page.replace("http-equiv", "")


def test_columns_where_none_are_given() -> None:
    assert [usual_columns(count) for count in (1, 2, 4, 5, 9, 1000)] == [1, 2, 2, 3, 3, 8]
