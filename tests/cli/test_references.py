"""`--reference`: images that an edit model changes as the prompt says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support import files_in, recording_engines

from .conftest import Cli

EDIT = "QwenImageEditPlusPipeline"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    Image.new("RGB", (128, 64), "green").save(tmp_path / "a.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "b.png")


def test_several_are_changed_into_one(cli: Cli, tmp_path: Path) -> None:
    engines, requests = recording_engines(pipeline_class=EDIT)
    given = ("--reference", "a.png", "--reference", "b.png")
    outcome = cli("run", "blue on green", "--preset", "draft", *given, engines=engines)
    assert outcome.code == 0, outcome.err
    assert [item.shape[:2] for item in requests[0].references] == [(64, 128), (64, 64)]
    assert (requests[0].width, requests[0].height) == (176, 96)
    (manifest,) = tmp_path.rglob("manifest.json")
    text = manifest.read_text(encoding="utf-8")
    (record,) = tmp_path.glob("ninefold-out/*/context.json")
    for item in json.loads(record.read_text())["data"]["references"]:
        assert item["sha256"] in text


@pytest.mark.parametrize("command", [("run",), ("run", "--dry-run"), ("submit",)])
@pytest.mark.parametrize(
    ("edit", "arguments", "says"),
    [
        (False, ("--reference", "a.png"), "cannot take reference images"),
        (True, (), "cannot paint from a prompt alone"),
        (True, ("--reference", "no.png"), "--reference: no.png"),
        (True, ("--reference", "a.png") * 9, "references: expected at most 8"),
        (True, ("--reference", "a.png") * 17, "--reference: expected 1 to 16 images, got 17"),
    ],
)
def test_refused(
    cli: Cli,
    tmp_path: Path,
    command: tuple[str, ...],
    edit: bool,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    before = files_in(tmp_path)
    engines, _ = recording_engines(pipeline_class=EDIT if edit else None)
    given = ("--preset", "draft", *command[1:], *arguments)
    outcome = cli(command[0], "a house", *given, engines=engines)
    assert outcome.code == 2
    assert says in " ".join(outcome.err.split())
    assert files_in(tmp_path) == before


def test_a_run_goes_on_with_those_it_began_with(cli: Cli) -> None:
    outcome = cli("run", "--resume", "folder", "--reference", "a.png")
    assert outcome.code == 2
    assert "--reference cannot be given with it" in " ".join(outcome.err.split())
