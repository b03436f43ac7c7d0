"""Choices by name, from a config and from a folder of text files.

A file holds one choice a line; a line may start with a weight (`3::red`), blank lines and lines
that start with `#` hold none. `5::` is a blank choice, `\\#1` one that starts with a hash. Every
choice is a prompt of its own: variants, wildcards and LoRA tags work in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property, lru_cache
from pathlib import Path

from ninefold.core.errors import InputError
from ninefold.core.problems import suggest
from ninefold.prompts.choosing import Weighted
from ninefold.prompts.parser import MAX_CHOICE_WEIGHT, parse_prompt_tree
from ninefold.prompts.tree import Nodes

#: Names the folder where nobody hands one.
WILDCARDS_VARIABLE = "NINEFOLD_WILDCARDS"
#: Largest file that is read, in bytes.
MAX_FILE_BYTES = 8 * 2**20
#: Most files that a pattern looks through.
MAX_FILES = 20_000
_MAX_NAME = 200
#: File systems keep times in steps; a file that changed so lately is read anew, in nanoseconds.
_FRESH = 2 * 10**9
_NAME = re.compile(r"[^\s_](?:[^\n]*[^\s_])?")
_WEIGHT = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*::")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_MARKS = (  # longest first: UTF-32's begins with UTF-16's
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Choice:
    """One choice of a wildcard: its prompt, its weight, and where it stands, for errors."""

    text: str
    weight: float
    where: str

    def parse(self) -> Nodes:
        """Its tree; raises `InputError` that names where it stands."""
        return _parsed(self.text, self.where)


@lru_cache(maxsize=4096)
def _parsed(text: str, where: str) -> Nodes:
    return parse_prompt_tree(text, where)


@dataclass(frozen=True)
class Choices:
    """The choices of a wildcard, in order; never none."""

    choices: tuple[Choice, ...]

    @cached_property
    def weighted(self) -> Weighted:
        """Their weights, and their texts as keys."""
        return Weighted(
            tuple(choice.weight for choice in self.choices),
            tuple(choice.text for choice in self.choices),
        )

    @cached_property
    def referring(self) -> tuple[Choice, ...]:
        """Those that may hold braces, wildcards, variables or tags."""
        return tuple(
            choice
            for choice in self.choices
            if choice.weight > 0 and any(sign in choice.text for sign in ("__", "{", "<"))
        )


@dataclass(frozen=True)
class Wildcards:
    """What `__name__` may stand for. Hand it from stage to stage; it may be shared by threads."""

    #: By name, as a config holds them; they win over files.
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folder: Path | None = None
    _found: dict[str, Choices] = field(default_factory=dict, compare=False, repr=False)
    _names: list[str] = field(default_factory=list, compare=False, repr=False)

    def find(self, name: str, where: str = "prompt") -> Choices:
        """All choices of a name or pattern (`*`, `?`, `[ab]`), in order; never none.

        A name that is nowhere is looked for in every folder. Raises `InputError` for names that
        nothing fits, and for files that cannot be used.
        """
        if name not in self._found:
            self._found[name] = self._look_up(name, where)
        return self._found[name]

    def used(self) -> str:
        """A hash of everything that was found so far: the same where the same was there."""
        found = sorted(
            (name, [(choice.text, choice.weight) for choice in found.choices])
            for name, found in self._found.items()
        )
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def names(self) -> tuple[str, ...]:
        """Every name that is known, at most `MAX_FILES` of them from the folder."""
        if not self._names:
            files = sorted(self._files(self.folder)) if self.folder is not None else []
            self._names.extend(dict.fromkeys((*self.choices, *files)))
        return tuple(self._names)

    def _look_up(self, name: str, where: str) -> Choices:
        clean = re.sub(r"[\\/]+", "/", name.strip()).strip("/")
        if any(letter in clean for letter in "*?["):
            fits = re.compile(translate(clean)).match
            matching = [known for known in self.names() if fits(known)]
        else:
            matching = [clean] if self._collection(clean) is not None else []
            matching = matching or [
                known for known in self.names() if clean and known.endswith(f"/{clean}")
            ]
        found = [choice for known in matching for choice in self._collection(known) or ()]
        if not matching:
            raise InputError(f"{where}: wildcard __{name}__ is unknown.{self._remedy(name)}")
        if not any(choice.weight > 0 for choice in found):
            raise InputError(
                f"{where}: wildcard __{name}__ has no choice with a weight above 0. Give it one."
            )
        return Choices(tuple({(choice.text, choice.weight): choice for choice in found}.values()))

    def _remedy(self, name: str) -> str:
        if known := suggest(name, self.names()):
            known = known if len(known) < 500 else f"{known[:500]}..."
            return known + self._not_read()
        if self.folder is None:
            return f" Set {WILDCARDS_VARIABLE} to a folder of text files, or write \\__."
        return f" There is no .txt file in {self.folder}; \\__ is text.{self._not_read()}"

    def _not_read(self) -> str:
        """Names the folder's collections, which other tools read and this does not."""
        try:
            names = sorted(os.listdir(self.folder)) if self.folder is not None else []
        except OSError:
            return ""
        found = [name for name in names if name.lower().endswith((".yaml", ".yml", ".json"))]
        if not found:
            return ""
        shown = ", ".join(found[:3]) + (" and more" if len(found) > 3 else "")
        return (
            f" Collections are not read ({shown}): write each of its lists as a .txt file, one "
            "choice a line."
        )

    def _collection(self, name: str) -> tuple[Choice, ...] | None:
        """The choices of one name; None where there is none."""
        if name in self.choices:
            return tuple(
                _choice(text, f"wildcard {name}, choice {number}")
                for number, text in enumerate(self.choices[name], 1)
            )
        path = self._path(name)
        return None if path is None else _read(path, f"{name}.txt")

    def _path(self, name: str) -> Path | None:
        """The file behind a name, where there is one inside the folder."""
        if self.folder is None or not 0 < len(name) <= _MAX_NAME or "\0" in name:
            return None
        parts = name.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") or ":" in part for part in parts):
            return None
        try:
            path = self.folder.joinpath(*parts[:-1], f"{parts[-1]}.txt").resolve()
            inside = path.is_relative_to(self.folder.resolve())
            return path if inside and path.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

    def _files(self, folder: Path) -> Iterator[str]:
        count = 0
        for root, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for file in sorted(files):
                if file.startswith(".") or not file.endswith(".txt"):
                    continue
                count += 1
                if count > MAX_FILES:
                    raise InputError(
                        f"wildcards: expected at most {MAX_FILES} files in {folder}, got more."
                    )
                path = Path(root, file).relative_to(folder)
                if self._path(name := path.with_suffix("").as_posix()) is not None:
                    yield name


def check_name(name: str) -> str | None:
    """What is wrong with the name of a wildcard; None where `__name__` can be written."""
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name) or "__" in name:
        return f"expected a name such as place or nature/trees, got {name[:60]!r}"
    if bad := re.search(r"[(){}$|<>#\"*?\[\]\\]", name):
        return f"expected a name without {bad[0]!r}, got {name[:60]!r}"
    return None


def _choice(line: str, where: str) -> Choice:
    match = _WEIGHT.match(line)
    if match is None:
        return Choice(line, 1.0, where)
    weight = float(match[1])
    if not 0 <= weight <= MAX_CHOICE_WEIGHT:
        raise InputError(
            f"{where}: expected a weight from 0 to {MAX_CHOICE_WEIGHT:,.0f} before ::, got "
            f"{match[1][:30]}."
        )
    return Choice(line[match.end() :].strip(), weight, where)


def _read(path: Path, shown: str) -> tuple[Choice, ...]:
    """The choices of a file; raises `InputError` that names it."""
    try:
        stat = path.stat()
        if abs(time.time_ns() - stat.st_mtime_ns) < _FRESH:  # the next change may look the same
            _read_once.cache_clear()
        return _read_once(path, shown, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise InputError(f"{shown}: cannot be read: {error.strerror or error}.") from None


@lru_cache(maxsize=64)
def _read_once(path: Path, shown: str, changed: int, size: int) -> tuple[Choice, ...]:
    """As `_read`; `changed` and `size` tell whether the file is still the one that was read."""
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{shown}: expected at most {MAX_FILE_BYTES} bytes, got more.")
    choices = []
    for number, line in enumerate(_LINE_BREAK.split(_decoded(data, shown)), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            choices.append(_choice(line, f"{shown}, line {number}"))
    if not choices:
        what = "only blank lines and comments" if data.strip() else "an empty file"
        raise InputError(f"{shown}: expected at least one choice, a line of text, got {what}.")
    return tuple(choices)


def _decoded(data: bytes, shown: str) -> str:
    """UTF-8, UTF-16 or UTF-32 by its mark, else UTF-8, else Windows' cp1252."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        try:
            text = data.decode(encoding or "utf-8")
        except UnicodeDecodeError:
            if encoding is not None or b"\0" in data:
                raise
            text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(
            f"{shown}: is not text in {encoding or 'UTF-8, UTF-16 or cp1252'}. Save it as UTF-8."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{shown}: holds NUL characters: no text, or UTF-16 without its mark. Save it as UTF-8."
        )
    return text
