"""Where in a prompt something is wrong, and how that is reported."""

from __future__ import annotations

from ninefold.core.errors import InputError

_SHOWN = 24


def syntax_error(where: str, source: str, at: int, message: str) -> InputError:
    """An error that names the place: whose text it is, the character (from 1) and what is there."""
    shown = source[at : at + _SHOWN]
    return InputError(f"{where}: cannot be read at character {at + 1} ({shown!r}). {message}")


def place(where: str, at: int) -> str:
    """Where something stands, for the start of an error."""
    return f"{where}, character {at + 1}"
