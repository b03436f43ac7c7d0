"""`ninefold verify`: what it prints and how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import ninefold
from tests.cli.conftest import Cli
from tests.provenance.signing import plain, signed, usual_signer


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file of each verdict."""
    made = {
        "intact": signed(),
        "altered": signed() + b"more",
        "foreign": signed(generator="Photo Editor"),
        "unproven": plain(),
        "unreadable": b"no image",
    }
    for name, data in made.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    return {name: tmp_path / f"{name}.png" for name in made}


CODES = {"intact": 0, "altered": 1, "foreign": 3, "unproven": 3, "unreadable": 2}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes(cli: Cli, files: dict[str, Path], name: str, code: int) -> None:
    """Of one file, and its verdict on the first line; an unreadable one is one line on stderr."""
    outcome = cli("verify", files[name])
    assert outcome.code == code
    if name == "unreadable":
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1
        assert "unreadable.png: expected PNG" in outcome.err
    else:
        assert outcome.out.startswith(f"{files[name]}: {name}: ")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["intact", "intact"], 0),
        (["unproven", "intact"], 3),
        (["foreign", "altered", "intact"], 1),
        (["altered", "unreadable", "intact"], 2),
    ],
)
def test_the_worst_of_several_files(
    cli: Cli, files: dict[str, Path], names: list[str], code: int
) -> None:
    """Every file is reported, also behind one that cannot be read."""
    outcome = cli("verify", *(files[name] for name in names), "--json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == code
    assert [line["file"] for line in lines] == [str(files[name]) for name in names]
    assert [line.get("verdict", "unreadable") for line in lines] == names


def test_json_has_what_scripts_need(cli: Cli, files: dict[str, Path]) -> None:
    """The names that are promised, and no others at the top."""
    document = cli("verify", files["intact"], "--json").document
    assert list(document) == ["file", "verdict", "c2pa", "watermark", "marks", "reasons"]
    assert {"present", "valid", "trusted", "actions", "problems"} <= set(document["c2pa"])
    assert {"found", "payload", "manifest"} <= set(document["watermark"])
    assert document["c2pa"]["actions"][0]["action"] == "c2pa.created"


def test_what_people_read(cli: Cli, files: dict[str, Path]) -> None:
    """Signature, software and parameters of each stage, and why."""
    shown = cli("verify", files["intact"]).out
    assert "certificate of test signer, not trusted" in shown
    assert f"text_to_image by ninefold {ninefold.__version__} with poster: steps=4" in shown
    assert "Anyone can sign with a certificate of their own" in shown
    shown = cli("verify", files["altered"]).out
    assert "its pixels or its metadata were changed" in shown
    assert "(assertion.dataHash.mismatch)" in shown


def test_trust_by_option_and_by_setting(
    cli: Cli, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PEM file; one without certificates is refused before anything is read."""
    anchors = tmp_path / "root.pem"
    anchors.write_text(usual_signer().anchor)
    document = cli("verify", files["intact"], "--trust", anchors, "--json").document
    assert document["c2pa"]["trusted"] is True
    monkeypatch.setenv("NINEFOLD_TRUST_ANCHORS", str(anchors))
    assert cli("verify", files["intact"], "--json").document["c2pa"]["trusted"] is True
    assert ninefold.verify(files["intact"]).c2pa.trusted
    for wrong in (files["intact"], tmp_path / "missing.pem"):
        outcome = cli("verify", files["intact"], "--trust", wrong)
        assert (outcome.code, outcome.out) == (2, "")
        assert "trust anchors: expected" in outcome.err


def test_stdin_and_folders(
    cli: Cli, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` is the image on stdin; of a folder the files are to be named."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(files["intact"].read_bytes())))
    outcome = cli("verify", "-")
    assert (outcome.code, outcome.out.partition(":")[0]) == (0, "-")
    outcome = cli("verify", tmp_path)
    assert outcome.code == 2
    assert "got a folder" in outcome.err


def test_nothing_steers_the_terminal(cli: Cli, tmp_path: Path) -> None:
    """Texts of a manifest are a stranger's."""
    path = tmp_path / "x.png"
    path.write_bytes(signed(generator="Evil\x1b[2J\nintact"))
    shown = cli("verify", path).out
    assert "\x1b" not in shown
    assert "\nintact" not in shown


def test_python(files: dict[str, Path]) -> None:
    """A path as text, or bytes."""
    assert ninefold.verify(str(files["foreign"])).verdict == "foreign"
    assert ninefold.verify(files["unproven"].read_bytes()).verdict == "unproven"
    with pytest.raises(ninefold.InputError, match="expected PNG"):
        ninefold.verify(files["unreadable"])
