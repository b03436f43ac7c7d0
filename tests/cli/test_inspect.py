"""`ninefold inspect` and `config from`: what files say, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.readers.comfyui import basic
from tests.readers.makers import picture, png, saved
from tests.readers.samples import A1111


@pytest.fixture(autouse=True)
def files(cli: Cli) -> None:
    """Files in the current folder."""
    Path("a.png").write_bytes(png({"parameters": A1111}))
    Path("graph.png").write_bytes(png({"prompt": basic()}))
    Path("plain.png").write_bytes(saved(picture(), "PNG"))
    Path("odd.png").write_bytes(png({"Comment": "Created with GIMP"}))
    Path("text.png").write_bytes(b"not an image")


def test_inspect_shows_what_a_file_says(cli: Cli) -> None:
    shown = cli("inspect", "a.png")
    assert shown.code == 0
    for text in ("a.png: PNG, 64x48", "made by  AUTOMATIC1111 v1.10.1 (PNG text parameters)",
                 "seed  123", "sampler  DPM++ 2M", "not taken over:", "- clip skip 2",
                 "ninefold config from a.png"):  # fmt: skip
        assert text in shown.out
    document = cli("inspect", "a.png", "--json").document
    assert document["file"] == "a.png"
    assert document["generation"]["model"] == {"name": "sd_xl_base_1.0", "hash": "31e35c80fc"}
    assert document["config"]["seed"] == 123
    assert "clip skip 2" in document["not_taken_over"]
    assert {"kind": "lora", "name": "night-neon", "at_hand": False}.items() <= next(
        item for item in document["models"] if item["kind"] == "lora"
    ).items()


def test_a_file_that_says_nothing_is_said_so(cli: Cli) -> None:
    shown = cli("inspect", "plain.png")
    assert (shown.code, "says nothing of how it was made" in shown.out) == (0, True)
    assert cli("inspect", "plain.png", "--json").document["generation"] is None
    assert "It has PNG text Comment, of no known meaning" in cli("inspect", "odd.png").out
    refused = cli("config", "from", "plain.png")
    assert (refused.code, refused.out) == (2, "")
    assert "plain.png says nothing of how it was made" in refused.err
    assert "ask for the file as it was saved first" in refused.err


@pytest.mark.parametrize("command", [("inspect",), ("config", "from")])
@pytest.mark.parametrize(
    ("file", "message"),
    [("none.png", "none.png: "), ("text.png", "expected PNG"), (".", "folder or device")],
)
def test_what_cannot_be_read(cli: Cli, command: tuple[str, ...], file: str, message: str) -> None:
    refused = cli(*command, file)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.count("error: ") == 1
    assert message in refused.err


def test_a_config_from_a_file_is_run(cli: Cli) -> None:
    made = cli("config", "from", "graph.png")
    assert made.code == 0
    assert "Not at hand: model sdxl/base.safetensors" in made.err
    Path("mine.yaml").write_text(made.out)
    assert cli("config", "validate", "mine.yaml").code == 0
    assert json.loads(cli("config", "from", "graph.png", "--json").out)["prompt"] == "a red house"
    options = ("--model", "poster", "--size", "128x128", "--json")
    done = cli("run", "--config", "mine.yaml", *options)
    assert done.code == 0, done.err
    metadata = done.document["metadata"]
    assert metadata["prompt"]["prompt"] == "a red house"
    assert metadata["text_to_image"]["seed"] == 156680208700286
    missing = cli("run", "--config", "mine.yaml", "--size", "128x128")
    assert missing.code == 2
    assert "base" in missing.err


def test_a_config_is_written_to_a_file(cli: Cli) -> None:
    for name in ("mine.yaml", "mine.json"):
        written = cli("config", "from", "graph.png", "-o", name)
        assert (written.code, written.out) == (0, "")
        assert f"ninefold run --config {name}" in written.err
        assert cli("config", "validate", name).code == 0
    assert json.loads(Path("mine.json").read_text())["seed"] == 156680208700286
    refused = cli("config", "from", "graph.png", "-o", "mine.txt")
    assert (refused.code, Path("mine.txt").exists()) == (2, False)
    assert "expected a .yaml or .json file" in refused.err
    assert "cannot be written" in cli("config", "from", "graph.png", "-o", "a.png/x.yaml").err


def test_our_own_files_give_back_their_config(cli: Cli) -> None:
    """By their record, in every format; a long prompt goes on in JPEG's extension."""
    prompt = "a {red|blue} house " + "by the sea " * 1200
    formats = "publisher.formats=[png, jpeg, webp, avif]"
    done = cli("run", prompt, "--preset", "draft", "--set", formats, "--seed", "5", "--json")
    assert done.code == 0, done.err
    for output in done.document["outputs"]:
        found = cli("inspect", output["path"], "--json").document
        assert found["generation"]["tool"] == "ninefold"
        assert found["not_taken_over"] == []
        config = found["config"]
        assert (config["prompt"], config["seed"]) == (prompt, 5)
        assert config["stages"][2]["params"] == {"formats": ["png", "jpeg", "webp", "avif"]}


def test_a_file_cannot_steer_the_terminal(cli: Cli) -> None:
    hostile = A1111.replace("v1.10.1", "v1\x1b[2J")
    assert hostile != A1111
    Path("hostile.png").write_bytes(png({"parameters": hostile}))
    shown = cli("inspect", "hostile.png")
    assert "v1\N{REPLACEMENT CHARACTER}[2J" in shown.out
    assert "\x1b" not in shown.out


def test_a_file_that_cannot_be_read_is_named(cli: Cli) -> None:
    Path("ten.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    for name in ("ten.png", "text.png"):
        for command in (("inspect",), ("config", "from")):
            shown = cli(*command, name)
            assert shown.code == 2
            assert shown.err.startswith(f"error: {name}: expected "), shown.err


def test_a_file_without_a_prompt_says_so(cli: Cli) -> None:
    Path("silent.png").write_bytes(png({"parameters": "Steps: 9, Sampler: Euler, Seed: 1"}))
    assert "The file has no prompt" in cli("inspect", "silent.png").out
    assert "The file has no prompt" not in cli("inspect", "a.png").out
