"""`ninefold reproduce`: what it prints and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.engines.diffusion import DIFFUSION
from ninefold.files.decode import decode
from ninefold.files.embed import EmbeddedMetadata, read_record
from ninefold.files.encode import encode
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli
from tests.reproduction.making import OtherDiffusion, with_record

RUN = ("run", "a {red|blue} house", "--preset", "draft", "--quiet")


@pytest.fixture
def image(cli: Cli) -> Path:
    return cli(*RUN).files[0]


def test_an_identical_image(cli: Cli, image: Path) -> None:
    outcome = cli("reproduce", image, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{image}: identical\n  Every pixel is the same.\n"
    outcome = cli("reproduce", image, "-o", "again")
    (kept,) = [path for path in outcome.files if path.suffix == ".png"]
    assert kept.read_bytes() == image.read_bytes()
    assert "text_to_image" in outcome.err  # the progress


def test_other_images(cli: Cli, image: Path) -> None:
    record = read_record(image.read_bytes())
    pixels = decode(image)
    pixels[0, 0] ^= 1
    image.write_bytes(encode(pixels, "png", metadata=EmbeddedMetadata(record=record)))
    outcome = cli("reproduce", image, "--quiet")
    assert outcome.code == 3
    assert outcome.out.splitlines()[0].startswith(f"{image}: perceptually equal (PSNR ")
    image.write_bytes(encode(255 - pixels, "png", metadata=EmbeddedMetadata(record=record)))
    outcome = cli("reproduce", image, "--json")
    assert outcome.code == 4
    assert outcome.document["verdict"] == "different"
    assert outcome.document["file"] == str(image)
    assert outcome.document["same_final_pixels"] is True
    assert outcome.err == ""


def test_a_changed_model(cli: Cli, image: Path) -> None:
    engines = fake_engines().with_engines(DIFFUSION, OtherDiffusion())
    outcome = cli("reproduce", image, engines=engines)
    assert (outcome.code, outcome.out) == (2, "")
    assert "error: model poster: was fa4e000000, now 0123456789." in outcome.err
    assert "--anyway" in outcome.err
    outcome = cli("reproduce", image, "--anyway", engines=engines)
    assert outcome.code == 0
    assert "differs: model poster: was fa4e000000, now 0123456789" in outcome.err


def test_a_stage_that_fails(cli: Cli, image: Path) -> None:
    outcome = cli("reproduce", image, engines=fake_engines(fail_on="text_to_image"))
    assert outcome.code in (1, 2)
    assert outcome.out == ""
    assert "error: " in outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "image"], "--input image: expected NAME=FILE"),
        (["--input", "=x"], "--input =x: expected NAME=FILE"),
        (["--input", "mask=a.png", "--input", "mask=b.png"], "--input mask: given twice"),
        (["--input", "mask=a.png"], "--input mask: the image was made without one"),
        (["--record", "nowhere.json"], "nowhere.json: cannot be read"),
    ],
)
def test_wrong_options(cli: Cli, image: Path, options: list[str], message: str) -> None:
    outcome = cli("reproduce", image, *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_what_has_no_record(cli: Cli) -> None:
    plain = cli(*RUN, "--set", "publisher.metadata=minimal").files[0]
    outcome = cli("reproduce", plain)
    assert outcome.code == 2
    assert f"{plain.name}: expected a record of how it was made, got none" in outcome.err
    outcome = cli("reproduce", plain, "--record", plain.with_name("manifest.json"), "--quiet")
    assert outcome.code == 0


def test_a_record_cannot_steer_the_terminal(cli: Cli, image: Path) -> None:
    hostile = "Evil\x1b[2J"
    record = read_record(image.read_bytes())
    assert record is not None
    versions = record.environment.versions | {hostile: "1"}
    environment = record.environment.model_dump() | {"versions": versions}
    outcome = cli("reproduce", with_record(image, environment=environment))
    assert outcome.code == 0
    assert "differs: Evil\N{REPLACEMENT CHARACTER}[2J: was 1, now not there" in outcome.err
    entry = {"path": "/etc/passwd", "sha256": "0" * 64}
    outcome = cli("reproduce", with_record(image, inputs={hostile: entry}))
    assert outcome.code == 2
    assert "error: Evil\N{REPLACEMENT CHARACTER}[2J: expected a path below" in outcome.err
