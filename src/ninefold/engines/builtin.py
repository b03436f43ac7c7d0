"""The models that ship with ninefold: where they lie, and whether they are still what shipped."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from ninefold.core.errors import ModelError
from ninefold.engines.hashing import file_sha256

ROOT = Path(__file__).resolve().parent.parent / "builtin"

_REMEDY = "Reinstall ninefold, or in a checkout run `git checkout -- src/ninefold/builtin`."


def verify(path: Path, root: Path = ROOT) -> None:
    """Check a built-in weight file against `models.json`; raises `ModelError` with the remedy.

    Files outside `root`, and files that `models.json` does not list, pass.
    """
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return
    expected = _listed(root).get(name)
    if expected is not None and file_sha256(path) != expected:
        raise ModelError(
            f"The built-in weights {name} are damaged: expected SHA-256 {expected[:10]}, "
            f"got {file_sha256(path)[:10]}. {_REMEDY}"
        )


def missing(what: str) -> ModelError:
    """The error for a built-in model that is not there."""
    return ModelError(f"The built-in {what} is missing from this installation. {_REMEDY}")


def _listed(root: Path) -> dict[str, str]:
    """SHA-256 by path below `root`, from the entries' `path` and `sha256` {file: digest}."""
    path = root / "models.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {
            _below(root, entry["path"], name): digest
            for entry in entries.values()
            for name, digest in entry["sha256"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"builtin/models.json cannot be read: {error}. {_REMEDY}") from error


def _below(root: Path, path: str, name: str) -> str:
    # The digests of a model that is one file are named beside it, not inside it.
    folder = PurePosixPath(path)
    return (folder / name if (root / path).is_dir() else folder.parent / name).as_posix()
