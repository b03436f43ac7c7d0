"""The tree at the top of `core/errors.py` is the tree of errors."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ninefold.core import errors

PACKAGE = Path(errors.__file__).parents[1]
#: Name, file and the name of the class above it.
Entry = tuple[str, str, str]


def test_the_tree_names_every_error_where_it_is() -> None:
    assert sorted(_drawn(errors.__doc__ or "")) == sorted(_defined(PACKAGE))


def test_an_error_that_is_not_drawn_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class NinefoldError(Exception): ...")
    (tmp_path / "b.py").write_text("class OddError(a.NinefoldError, OSError): ...")
    (tmp_path / "c.py").write_text("def f():\n    class InnerError(OddError): ...")
    assert list(_defined(tmp_path)) == [
        ("NinefoldError", "a.py", "Exception"),
        ("OddError", "b.py", "NinefoldError"),
        ("InnerError", "c.py", "OddError"),
    ]


def _drawn(text: str) -> list[Entry]:
    found: list[Entry] = []
    above = ["Exception"]
    for line in text.splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+Error)\b\s*(?:([\w/]+\.py):)?", line):
            depth = len(match[1]) // 4
            above[depth + 1 :] = [match[2]]
            found.append((match[2], match[3] or "core/errors.py", above[depth]))
    return found


def _defined(package: Path) -> list[Entry]:
    """Every class below `NinefoldError`, with the first of its bases that is one, too."""
    classes = [
        (node.name, path.relative_to(package).as_posix(), [_name(base) for base in node.bases])
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    known = {"NinefoldError"}
    while more := {name for name, _, bases in classes if known & {*bases}} - known:
        known |= more
    return [
        (name, path, next((base for base in bases if base in known), "Exception"))
        for name, path, bases in classes
        if name == "NinefoldError" or known & {*bases}
    ]


def _name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
