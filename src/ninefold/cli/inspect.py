"""`ninefold inspect` and `ninefold config from`: what a file says of how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from ninefold.cli.guard import DONE, plain, say
from ninefold.core.atomic import write_atomic
from ninefold.core.errors import ConfigError, InputError, StorageError
from ninefold.core.json_text import json_text
from ninefold.engines.engine_set import EngineSet
from ninefold.inspection import ConfigFromFile, FileDescription, inspect_file

#: Letters of a value in the overview; `--json` has all of it.
_LONGEST = 600


def inspect(file: Path, engines: EngineSet, as_json: bool) -> int:
    """Print what the file says; raises `InputError` for what cannot be read."""
    found = inspect_file(file, engines)
    if as_json:
        typer.echo(json_text({"file": str(file), **found.document()}, indent=2))
    else:
        for line in _overview(file, found):
            typer.echo(plain(line))
    return DONE


def config_from(file: Path, engines: EngineSet, out: Path | None, as_json: bool) -> int:
    """Print or write a config for an image like that of the file; all else that there is to say
    goes to stderr. Raises `InputError` where the file says nothing."""
    if out is not None and out.suffix.lower() not in (".yaml", ".yml", ".json"):
        raise ConfigError(f"-o: expected a .yaml or .json file, got {out.name!r}. Rename it.")
    found = inspect_file(file, engines)
    if found.made is None:
        raise InputError(f"{file} {found.silent}.")
    as_json = as_json or (out is not None and out.suffix.lower() == ".json")
    config = found.made.config
    text = json_text(config.document(), indent=2) if as_json else config.to_yaml().rstrip()
    for line in _beside(found.made):
        say(line)
    if out is None:
        typer.echo(text)
        return DONE
    try:
        write_atomic(out, f"{text}\n".encode())
    except OSError as error:
        raise StorageError(f"-o {out}: cannot be written: {error.strerror or error}.") from None
    say(f"Written to {out}. To make the image: ninefold run --config {out}")
    return DONE


def _overview(file: Path, found: FileDescription) -> Iterator[str]:
    yield f"{file}: {found.format.upper()}, {found.width}x{found.height}"
    if found.generation is None:
        yield f"  {found.silent}."
        if found.places:
            yield f"  It has {', '.join(found.places)}, of no known meaning."
        return
    document = found.generation.document()
    tool = " ".join(filter(None, (document.pop("tool"), document.pop("version", ""))))
    yield f"  made by  {tool} ({', '.join(found.places)})"
    for group in ("other", "facts", "record"):
        document.pop(group, None)
    for name, value in document.items():
        yield f"  {name.replace('_', ' ')}  {_shown(value)}"
    if found.made is not None:
        yield from (f"  {line}" for line in _beside(found.made))
        yield f"  A config of it: ninefold config from {file}"


def _beside(made: ConfigFromFile) -> Iterator[str]:
    """What the config does not hold, and what else there is to say."""
    if made.not_taken_over:
        yield "not taken over:"
        yield from (f"  - {_cut(line)}" for line in made.not_taken_over)
    if made.notes:
        yield "to know:"
        yield from (f"  - {_cut(line)}" for line in made.notes)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:g}"
    return _cut(str(value))


def _cut(text: str) -> str:
    """One line of what can be printed."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
