"""Imports only point down, and the check notices where one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.layers import circles, violations


def test_the_package_keeps_its_layers() -> None:
    assert list(violations()) == []


def test_the_package_has_no_circles() -> None:
    assert list(circles()) == []


@pytest.mark.parametrize(
    ("place", "line", "reason"),
    [
        ("core/a.py", "import numpy", "nothing but pydantic"),
        ("core/a.py", "from ninefold.slots import IMAGE", "core lies below slots"),
        ("stages/a.py", "import torch", "only engines may"),
        ("jobs/a.py", "from dbos import DBOS", "only jobs/dbos_adapter.py may"),
        ("stages/a.py", "def f():\n    from torch import nn", "only engines may"),
        ("stages/a.py", "from ninefold.stages.b import B", "no stage imports another"),
        ("engines/a.py", "from ninefold.stages import STAGES", "engines lies below stages"),
        ("engines/a.py", "import ninefold.config", "engines lies below config"),
        ("imaging/a.py", "from ..stages import STAGES", "say where it lies"),
        ("imaging/a.py", "from . import b", "say where it lies"),
        ("elsewhere/a.py", "from ninefold.core import slots", "has no place"),
    ],
)
def test_what_breaks_the_rules_is_reported(
    tmp_path: Path, place: str, line: str, reason: str
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line)
    (problem,) = violations(tmp_path)
    assert reason in problem
    assert place in problem


def test_what_keeps_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "a.py").write_text(
        "import numpy\nfrom ninefold.core import stage\nfrom ninefold.stages.base import X\n"
    )
    assert list(violations(tmp_path)) == []


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("from ninefold.b import x", "ninefold.a -> ninefold.b -> ninefold.a"),
        ("import ninefold.b", "ninefold.a -> ninefold.b -> ninefold.a"),
        ("def f():\n    from ninefold import b", "ninefold.a -> ninefold.b -> ninefold.a"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ninefold.b import B",
            "ninefold.a -> ninefold.b -> ninefold.a",
        ),
        ("from ninefold.d.e import x", "ninefold.a -> ninefold.d -> ninefold.b -> ninefold.a"),
    ],
)
def test_a_circle_is_reported_once_however_it_closes(tmp_path: Path, line: str, way: str) -> None:
    package = tmp_path / "ninefold"
    (package / "d").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text(line)
    (package / "b.py").write_text("from ninefold.a import y")
    (package / "d" / "__init__.py").write_text("from ninefold import b")
    (package / "d" / "e.py").write_text("from ninefold.d import f")
    (package / "d" / "f.py").write_text("")
    assert list(circles(package)) == [f"circle of imports: {way}"]
    (package / "b.py").write_text("import numpy")
    assert list(circles(package)) == []
