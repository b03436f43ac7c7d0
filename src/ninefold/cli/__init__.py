"""The command line: `ninefold`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.engines.engine_set import EngineSet


def main(argv: Sequence[str] | None = None, *, engines: EngineSet | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    `argv` is without the program's name; where it is None, the process is taken to run nothing
    else. `engines` replaces the real ones, as in tests.
    """
    from ninefold.cli.streams import own_streams, present_streams

    if argv is None:
        from ninefold.cli.process import own_process

        with own_streams(), own_process():
            return main(sys.argv[1:], engines=engines)
    from ninefold.cli.app import app

    try:
        with present_streams():
            app(list(argv), prog_name="ninefold", obj=engines)
    except SystemExit as leaving:
        code = leaving.code
        return code if isinstance(code, int) else int(code is not None)
    return 0
