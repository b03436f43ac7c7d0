"""The models that ship with ninefold: where they lie, and whether they are still what shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ninefold.core.errors import ModelError
from ninefold.engines.hashing import SHORT_HASH, file_sha256

ROOT = Path(__file__).resolve().parent.parent / "builtin"

_REMEDY = "Reinstall ninefold, or in a checkout run `git checkout -- src/ninefold/builtin`."


@dataclass(frozen=True)
class _Pinned:
    """What a weight file has to be."""

    model: str
    version: str
    sha256: str
    size: int


def verify(path: Path, root: Path = ROOT) -> None:
    """Check a built-in weight file against `models.json`; files outside `root` pass.

    Raises `ModelError` with the remedy where the file is cut, changed, of another version, or
    none that ships.
    """
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return
    pinned = _pinned(root).get(name)
    if pinned is None:
        raise ModelError(
            f"{name} does not ship with this version of ninefold. Keep models of your own outside "
            f"{root.name}/. {_REMEDY}"
        )
    size = path.stat().st_size
    if size < pinned.size:
        raise ModelError(
            f"The built-in weights {name} are cut short: {size} of {pinned.size} bytes. {_REMEDY}"
        )
    if size > pinned.size or file_sha256(path) != pinned.sha256:
        raise ModelError(
            f"The built-in weights {name} are changed, or of another version than the "
            f"{pinned.version} of {pinned.model!r} that ships: expected SHA-256 "
            f"{pinned.sha256[:SHORT_HASH]}, got {file_sha256(path)[:SHORT_HASH]}. {_REMEDY}"
        )


def check_all(root: Path = ROOT) -> Iterator[tuple[str, str | None]]:
    """Every weight file that ships, by name, with what is wrong with it; raises `ModelError`."""
    for name in sorted(_pinned(root)):
        try:
            verify(root / name, root)
        except ModelError as error:
            yield name, str(error)
        except OSError:
            yield name, str(missing(name))
        else:
            yield name, None


def missing(what: str) -> ModelError:
    """The error for a built-in model that is not there."""
    return ModelError(f"The built-in {what} is missing from this installation. {_REMEDY}")


def _pinned(root: Path) -> dict[str, _Pinned]:
    """By path below `root`, from the entries' `path`, `version`, `sha256` and `bytes`."""
    try:
        entries = json.loads((root / "models.json").read_text(encoding="utf-8"))
        return {
            _below(root, entry["path"], name): _Pinned(
                model, str(entry["version"]), digest, int(entry["bytes"][name])
            )
            for model, entry in entries.items()
            for name, digest in entry["sha256"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"builtin/models.json cannot be read: {error}. {_REMEDY}") from error


def _below(root: Path, path: str, name: str) -> str:
    # The digests of a model that is one file are named beside it, not inside it.
    folder = PurePosixPath(path)
    return (folder / name if (root / path).is_dir() else folder.parent / name).as_posix()
