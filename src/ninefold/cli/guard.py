"""What every command has around it: errors become a message and an exit code."""

from __future__ import annotations

import errno
import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

P = ParamSpec("P")

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

#: Set to 1 to see the traceback of a bug.
DEBUG_VARIABLE = "NINEFOLD_DEBUG"

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
#: What a machine refuses, as opposed to a mistake in a program.
_REFUSALS = {
    getattr(errno, name, None)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EFBIG", "ENAMETOOLONG")
}


def guarded(command: Callable[P, int]) -> Callable[P, NoReturn]:
    """Leave with the command's exit code, and never with a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> NoReturn:
        from ninefold.core.errors import UserError

        try:
            code = command(*args, **kwargs)
        except UserError as error:
            say_error(str(error))
            code = BAD_INPUT
        except KeyboardInterrupt:
            code = INTERRUPTED
        except typer.Exit as leaving:
            code = leaving.exit_code
        except BrokenPipeError:  # whoever read the output has enough of it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        except Exception as error:
            say_error(explain(error))
            code = FAILED
        raise typer.Exit(code)

    return run


def plain(text: str) -> str:
    """One line of a stranger's text without what steers a terminal; bytes of file names stay."""
    return "".join(
        letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else _UNKNOWN
        for letter in text
    )


def say(text: str) -> None:
    """Print lines on stderr; they may quote files of strangers."""
    typer.echo("\n".join(map(plain, text.split("\n"))), err=True)


def say_error(message: str) -> None:
    """Print an error of one or several lines on stderr."""
    lines = message.splitlines() or ["unknown"]
    if len(lines) == 1:
        say(f"error: {lines[0]}")
    else:
        say("\n  ".join([f"error: {len(lines)} problems", *lines]))


def explain(error: BaseException, stage: str | None = None, folder: Path | None = None) -> str:
    """One line for an error that nobody raised on purpose, and where its traceback is.

    The traceback goes to `folder`/error.txt, or to a temporary file, or with NINEFOLD_DEBUG=1 to
    stderr. A disk or folder that refuses is no bug and needs none.
    """
    where = f"{stage}: " if stage else ""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        name = f" ({Path(error.filename).name})" if isinstance(error.filename, str) else ""
        return f"{where}{error.strerror}{name}. Free some space or choose another folder."
    if isinstance(error, MemoryError):
        return f"{where}out of memory. Choose a smaller size, factor or model."
    summary = " ".join(f"{type(error).__name__}: {error}".split())
    text = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG_VARIABLE, "") not in ("", "0"):
        sys.stderr.write(text)
        return f"{where}{summary}"
    return (
        f"{where}{summary.rstrip('.')}. This is a bug in ninefold or in a plugin; "
        f"please report it with {_written(text, folder)}."
    )


def _written(text: str, folder: Path | None) -> str:
    try:
        if folder is not None:
            path = folder / "error.txt"
            path.write_text(text, encoding="utf-8")
            return str(path)
    except OSError:
        pass
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ninefold-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
            return file.name
    except OSError:
        return f"the traceback that {DEBUG_VARIABLE}=1 shows"
