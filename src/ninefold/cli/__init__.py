"""The command line: `ninefold`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.engines.base import EngineSet


def main(argv: Sequence[str] | None = None, *, engines: EngineSet | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    `argv` is without the program's name. `engines` replaces the real ones, as in tests.
    """
    from ninefold.cli.app import app

    try:
        app(list(sys.argv[1:] if argv is None else argv), prog_name="ninefold", obj=engines)
    except SystemExit as leaving:
        code = leaving.code
        return code if isinstance(code, int) else int(code is not None)
    return 0
