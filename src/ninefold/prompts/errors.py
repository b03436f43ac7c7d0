"""Where in a prompt something is wrong, and how that is reported."""

from __future__ import annotations

from ninefold.core.errors import InputError

_SHOWN = 24


class PromptSyntaxError(InputError):
    """Text that cannot be read as a prompt; `at` is the character, from 0."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def syntax_error(where: str, source: str, at: int, message: str) -> PromptSyntaxError:
    """An error that names the place: whose text it is, the character (from 1) and what is there."""
    shown = source[at : at + _SHOWN]
    return PromptSyntaxError(
        f"{where}: cannot be read at character {at + 1} ({shown!r}). {message}", at
    )


def place(where: str, at: int) -> str:
    """Where something stands, for the start of an error."""
    return f"{where}, character {at + 1}"
