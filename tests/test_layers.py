"""Imports only point down, and the check notices where one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.layers import violations


def test_the_package_keeps_its_layers() -> None:
    assert list(violations()) == []


@pytest.mark.parametrize(
    ("place", "line", "reason"),
    [
        ("core/a.py", "import numpy", "nothing but pydantic"),
        ("core/a.py", "from ninefold.slots import IMAGE", "core lies below slots"),
        ("stages/a.py", "import torch", "only engines may"),
        ("stages/a.py", "def f():\n    from torch import nn", "only engines may"),
        ("stages/a.py", "from ninefold.stages.b import B", "no stage imports another"),
        ("engines/a.py", "from ninefold.stages import STAGES", "engines lies below stages"),
        ("engines/a.py", "import ninefold.config", "engines lies below config"),
        ("imaging/a.py", "from ..stages import STAGES", "say where it lies"),
        ("imaging/a.py", "from . import b", "say where it lies"),
        ("elsewhere/a.py", "from ninefold.core import slots", "has no place"),
    ],
)
def test_what_breaks_the_rules_is_told(tmp_path: Path, place: str, line: str, reason: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line)
    (told,) = violations(tmp_path)
    assert reason in told
    assert place in told


def test_what_keeps_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "a.py").write_text(
        "import numpy\nfrom ninefold.core import stage\nfrom ninefold.stages.base import X\n"
    )
    assert list(violations(tmp_path)) == []
