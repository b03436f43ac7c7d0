"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path


def expand_home(path: str | Path) -> Path:
    """With `~` or `~name` at its start as that home folder; as it is where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
