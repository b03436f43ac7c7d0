"""`run` and `submit` refuse what would do nothing, before anything is stored or painted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ninefold.testing import fake_engines
from tests.support import files_in

from .conftest import Cli


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "green").save(tmp_path / "src.png")
    Image.new("RGB", (2000, 8), "green").save(tmp_path / "banner.png")
    Image.new("L", (64, 64)).save(tmp_path / "black.png")
    strokes = np.zeros((64, 64, 4), np.uint8)
    strokes[10:30, 10:30, 3] = 255
    Image.fromarray(strokes).save(tmp_path / "strokes.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "white.png")
    Image.new("L", (64, 32), 255).save(tmp_path / "wide.png")


@pytest.mark.parametrize("command", [("run",), ("run", "--dry-run"), ("submit",)])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--image", "src.png", "--mask", "black.png"), "--mask: expected white"),
        (("--image", "src.png", "--mask", "strokes.png"), "transparent counts as black"),
        (("--mask", "white.png"), "takes a mask only with an image"),
        (("--image", "src.png", "--mask", "wide.png"), "mask: expected the shape of the image"),
        (("--image", "banner.png"), "expected at most 16 times as long as wide"),
        (("--image", "src.png", "--strength", "0"), "text_to_image.strength"),
    ],
)
def test_refused(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], arguments: tuple[str, ...], says: str
) -> None:
    before = files_in(tmp_path)
    outcome = cli(command[0], "a red house", "--preset", "draft", *command[1:], *arguments)
    assert outcome.code == 2
    assert says in " ".join(outcome.err.split())
    assert outcome.out == ""
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("command", [("run",), ("run", "--dry-run")])
def test_what_is_done_after_the_last_publisher_is_warned_of(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    stages = ["text_to_image", "publisher", "refiner"]
    config = tmp_path / "config.yaml"
    for names, warned in ((stages, True), ([*stages, "publisher"], False)):
        config.write_text(json.dumps({"stages": [{"stage": name} for name in names]}))
        outcome = cli(*command, "a red house", "--config", str(config), engines=fake_engines())
        assert outcome.code == 0
        said = " ".join(outcome.err.split())
        assert ("refiner: it changes the image after publisher has made" in said) == warned


def test_why_an_image_is_black_is_printed_and_in_the_runs_record(cli: Cli, tmp_path: Path) -> None:
    engines = fake_engines(black_seeds=[7])
    outcome = cli("run", "a", "--preset", "draft", "--seed", "7", engines=engines)
    assert outcome.code == 1
    assert "gave a black image" in " ".join(outcome.err.split())
    (record,) = tmp_path.glob("ninefold-out/*/context.json")
    error = json.loads(record.read_text())["error"]
    assert error["stage"] == "text_to_image"
    assert "gave a black image" in error["message"]
    assert not list(record.parent.glob("outputs/*"))


def test_a_mask_of_another_size_and_of_a_pipeline_that_uses_it(cli: Cli) -> None:
    Image.new("L", (128, 128), 255).save("large.png")
    cheap = ("--preset", "draft", "--quiet")
    assert cli("run", "a", "--image", "src.png", "--mask", "large.png", *cheap).code == 0


def test_a_black_image_ends_with_one_and_the_others_are_made(cli: Cli) -> None:
    engines = fake_engines(black_seeds=[8])
    arguments = ("run", "a", "--preset", "draft", "--seed", "7", "--count", "3")
    outcome = cli(*arguments, "--json", engines=engines)
    assert outcome.code == 1
    jobs = outcome.document["jobs"]
    assert [item["status"] for item in jobs] == ["succeeded", "failed", "succeeded"]
    assert "black image" in jobs[1]["error"]["message"]
    assert jobs[1]["error"]["stage"] == "text_to_image"
    allowed = cli(*arguments, "--set", "text_to_image.on_black=warn", "--json", engines=engines)
    assert allowed.code == 0
    assert "black image" in allowed.document["jobs"][1]["metadata"]["text_to_image"]["warnings"][0]


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "HEIC (a phone's photo: share or export it as JPEG)",
        ),
        (b"GIF89a\1\0\1\0", "GIF"),
        (b"BM\0\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "a video (MP4)"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"", "an empty file"),
        (b"hello", "bytes that start 68 65 6c 6c 6f"),
    ],
)
def test_files_of_other_kinds_are_refused_by_name(cli: Cli, start: bytes, says: str) -> None:
    Path("photo.jpg").write_bytes(start)
    outcome = cli("run", "a", "--preset", "draft", "--image", "photo.jpg")
    assert outcome.code == 2
    text = " ".join(outcome.err.split())
    assert f"photo.jpg: expected PNG, JPEG, WEBP, AVIF, JXL, got {says}" in text
    assert "convert it to one of those first" in text or "export or copy it again" in text
