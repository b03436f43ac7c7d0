"""What lies in deploy/ is as the service is: its settings exist, and systemd can read its unit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ninefold.core.settings import variable_of
from ninefold.settings import Settings
from tests.forked import ROOT

FOLDER = ROOT / "deploy"


def test_every_setting_that_is_named_exists() -> None:
    known = {variable_of(name) for name in Settings.model_fields} | {"NINEFOLD_SETTINGS"}
    for path in (*FOLDER.iterdir(), *(ROOT / "docs/howto").glob("*.md")):
        named = set(re.findall(r"\bNINEFOLD_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
        assert named - known - {"NINEFOLD_KEY"} == set(), path.name


def test_systemd_can_read_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = (FOLDER / "ninefold.service").read_text(encoding="utf-8")
    (tmp_path / "ninefold.service").write_text(
        unit.replace("/opt/ninefold/bin/ninefold serve", "/bin/true"), encoding="utf-8"
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "ninefold.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_file_copies_what_is_there() -> None:
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    copied = [
        word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()
    ]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    # The project reads its version from src, and its description from README.md.
    assert {"pyproject.toml", "README.md", "LICENSE", "src"} <= set(copied)
