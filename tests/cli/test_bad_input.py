"""Bad input: exit 2 before anything runs, one message, no traceback, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Cli, Outcome
from tests.cli.test_run import KEYS, save
from tests.support import files_in

BAD_CONFIG = """
stages:
  - {stage: text_to_image, params: {width: 9, stepz: 3}}
  - {stage: upscalr}
  - {stage: upscaler, params: {upscale_factor: 99}}
"""


def refused(outcome: Outcome, *expected: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("error: ")
    for text in expected:
        assert text in outcome.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["prompt", 'ninefold run "a red house"']),
        (("",), ["prompt: expected text, got none"]),
        (("   ",), ["prompt: expected text, got none"]),
        (("x" * 20_001,), ["prompt", "20000 characters"]),
        (("a", "--preset", "ful"), ["preset 'ful'", "Did you mean 'full'?"]),
        (("a", "--model", "nothing"), ["model", "nothing", "poster"]),
        (("a", "--model", "~nobody-here/a.safetensors"), ["model", "~nobody-here", "poster"]),
        (
            ("a", "--preset", "full", "--set", "upscaler.upscaler=~nobody-here/x.onnx"),
            ["upscaler.upscaler", "~nobody-here/x.onnx"],
        ),
        (("a", "--set", "upscalr.tile=64"), ["upscalr", "Did you mean 'upscaler'?"]),
        (("a", "--set", "upscaler.tiel=64"), ["upscaler.tiel: unknown", "Did you mean 'tile'?"]),
        (("a", "--set", "upscaler.upscale_factor=99"), ["less than or equal to 8", "got 99"]),
        (("a", "--set", "upscaler"), ["stage.parameter=value"]),
        (("a", "--set", "refiner.model=nothing"), ["refiner.model", "nothing"]),
        (("a", "--set", "refiner.scheduler=fast"), ["refiner.scheduler", "euler"]),
        (("a", "--set", "detailer.detector=cats"), ["detailer.detector", "cats"]),
        (("a", "--set", "upscaler.upscaler=9x"), ["upscaler.upscaler", "9x"]),
        (("a", "--set", "text_to_image.width=100"), ["multiple of 16", "got 100", "96 or 112"]),
        (("a", "--set", "text_to_image.width=8000"), ["512", "got 8000"]),
        (("a", "--set", "finisher.lut=none.cube"), ["finisher.lut", "No such file"]),
        (("a", "--set", "finisher.overlay=none.png"), ["finisher.overlay", "none.png"]),
        (("a", "--seed", "-1"), ["seed", "got -1"]),
        (("a", "--strength", "0.5"), ["--strength", "--image FILE"]),
        (("a", "--image", "none.png"), ["none.png"]),
        (("a", "--mask", "none.png"), ["none.png"]),
        (("a", "--config", "none.yaml"), ["none.yaml", "No such file"]),
        (("a", "--config", "a.yaml", "--preset", "full"), ["--preset or --config"]),
        (("--resume", "nowhere"), ["nowhere", "expected the folder of a run"]),
        (("a", "--resume", "nowhere", "--seed", "3"), ["PROMPT, --seed"]),
    ],
)
def test_refused(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], expected: list[str]) -> None:
    refused(cli("run", *arguments), *expected)
    assert files_in(tmp_path) == set()
    assert not (tmp_path / "ninefold-out").exists()


def test_every_problem_of_a_config_at_once(cli: Cli) -> None:
    Path("bad.yaml").write_text(BAD_CONFIG)
    for command in (("run", "a house", "--config"), ("config", "validate")):
        refused(
            cli(*command, "bad.yaml"),
            "error: 4 problems",
            "text_to_image.width",
            "text_to_image.stepz: unknown. Did you mean 'steps'?",
            "stage 'upscalr': unknown. Did you mean 'upscaler'?",
            "upscaler.upscale_factor",
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "stages: [{stage: prompt"),
        ("a.json", '{"stages": ['),
        ("a.toml", "stages = [["),
        ("a.txt", "stages: []"),
        ("b.yaml", "just text"),
        ("c.yaml", "stages: []"),
        ("d.yaml", "stages: [{stage: prompt}]\ncolour: red"),
        ("e.yaml", "stages: [{stage: inspector, params: {on_fail: sometimes}}]"),
    ],
)
def test_a_config_that_does_not_parse_or_fit(cli: Cli, name: str, text: str) -> None:
    Path(name).write_text(text)
    refused(cli("config", "validate", name))
    refused(cli("run", "a house", "--config", name))


def test_wiring_that_cannot_work(cli: Cli) -> None:
    text = "stages: [{stage: prompt}, {stage: text_to_image, on_error: skip}, {stage: upscaler}]"
    Path("wiring.yaml").write_text(text)
    refused(cli("run", "a", "--config", "wiring.yaml"), "upscaler", "may be skipped", "on_error")


def test_a_missing_image_says_which_option_gives_it(cli: Cli) -> None:
    Path("enlarge.yaml").write_text("stages: [{stage: upscaler}]")
    refused(cli("run", "a house", "--config", "enlarge.yaml"), "'image'", "--image FILE")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 64])
def test_a_corrupt_image_or_mask(cli: Cli, tmp_path: Path, content: bytes) -> None:
    Path("corrupt.png").write_bytes(content)
    save(Path("photo.png"))
    refused(cli("run", "a house", "--image", "corrupt.png"), "corrupt.png")
    refused(cli("run", "a house", "--image", "photo.png", "--mask", "corrupt.png"), "corrupt.png")
    assert files_in(tmp_path) == {"corrupt.png", "photo.png"}


def test_image_and_mask_are_reported_together(cli: Cli) -> None:
    both = cli("run", "x" * 25_000, "--image", "one.png", "--mask", "two.png")
    refused(both, "error: 3 problems", "prompt:", "--image: one.png", "--mask: two.png")


def test_a_truncated_png_is_refused(cli: Cli) -> None:
    whole = save(Path("whole.png")).read_bytes()
    Path("half.png").write_bytes(whole[: len(whole) // 2])
    refused(cli("run", "a house", "--image", "half.png"), "half.png")


def test_a_lut_that_does_not_parse(cli: Cli) -> None:
    Path("bad.cube").write_text("LUT_3D_SIZE 2\n0 0 zero\n")
    refused(cli("run", "a house", "--set", "finisher.lut=bad.cube"), "finisher.lut", "line 2")


def test_a_folder_that_cannot_be_made(cli: Cli) -> None:
    Path("taken").write_text("a file where a folder should be")
    refused(cli("run", "a house", "--out", "taken"), "cannot write", "taken", "another folder")
    assert Path("taken").is_file()


def test_the_folder_of_a_run_that_is_damaged(cli: Cli) -> None:
    done = cli("run", "a house", "--preset", "draft")
    folder = done.files[0].parent.parent
    (folder / "context.json").write_text('{"data": 3}')
    refused(cli("run", "--resume", folder))
    (folder / "context.json").write_text("{")
    refused(cli("run", "--resume", folder))


def test_refusal_as_json_is_an_object_of_the_same_shape(cli: Cli) -> None:
    failed = cli("run", "", "--json")
    assert failed.code == 2
    assert set(failed.document) == KEYS
    assert failed.document["status"] == "failed"
    assert failed.document["error"]["user_error"] is True


@pytest.mark.parametrize(
    "arguments", [("walk",), ("run", "a", "--fast"), ("run", "a", "--count", 0)]
)
def test_usage_errors_are_exit_2(cli: Cli, arguments: tuple[object, ...]) -> None:
    failed = cli(*arguments)
    assert failed.code == 2
    assert "Traceback" not in failed.err


def test_odd_images_are_taken(cli: Cli) -> None:
    Image.new("L", (40, 333), 90).save("narrow.png")
    assert cli("run", "a house", "--preset", "draft", "--image", "narrow.png").code == 0
