"""Exceptions that are control flow, not errors: they stand outside the tree of `errors.py`."""

from __future__ import annotations

from typing import Any

from ninefold.core.slots import Slot


class Rewind(Exception):  # noqa: N818 - control flow, not an error
    """Raised by a stage to run again from the first stage that provides `remake`.

    The data is then as it was before that stage, but for `changes`.
    """

    def __init__(self, remake: Slot[Any], changes: dict[Slot[Any], Any]) -> None:
        super().__init__(remake.name)
        self.remake = remake
        self.changes = changes


class Cancelled(Exception):  # noqa: N818 - control flow, not an error
    """Raised inside a worker thread when its stage was cancelled."""
