"""AUTOMATIC1111's infotext: the text that most image tools read a picture's settings from.

Source: `modules/infotext_utils.py` and `modules/processing.py` of stable-diffusion-webui.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ninefold.engines.hashing import SHORT_ADDED_HASH

_NEGATIVE = "Negative prompt:"
# A1111's pattern, but for the look behind, without which a long line takes its length squared.
_FIELD = re.compile(r'(?<![\w \-/])[ \-/]*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_STEPS = re.compile(r"\s*Steps: \d+\s*,")
_EXTRA = re.compile(r"\s*(\w[\w \-/]+):(.*)")
#: Settings that are written as JSON, commas and all, without quotes around it.
_IN_JSON = frozenset(("Civitai metadata", "Civitai resources", "Hashes"))
_NEXT_FIELD = re.compile(r"\s*(?:,|$)")
# What sd-dynamic-prompts writes below the settings; both may span lines.
_TEMPLATES = ("Template", "Negative Template")
_KEY = re.compile(r"\w[\w \-/]*[\w\-/]")
_LONE_KEY = re.compile(r"\s*(\w[\w \-/]*[\w\-/])\s*,?")
#: A shorter last line is prompt text to readers.
FEWEST_FIELDS = 3

_FIRST = (
    "Steps",
    "Sampler",
    "Schedule type",
    "CFG scale",
    "Image CFG scale",
    "Seed",
    "Face restoration",
    "Size",
    "Model hash",
    "Model",
    "Variation seed",
    "Variation seed strength",
    "Denoising strength",
    "Clip skip",
    "ENSD",
    "RNG",
    "Tiling",
)
_LAST = ("Version", "User")


@dataclass(frozen=True)
class Infotext:
    """A prompt, a negative prompt, and settings by their infotext names, in order.

    A setting is two or more characters: letters, digits, spaces, `_`, `-` and `/`.
    """

    prompt: str
    negative_prompt: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height from `Size`, or None where it is missing or is not two numbers."""
        match = re.fullmatch(r"(\d+)x(\d+)", self.fields.get("Size", ""))
        return (int(match[1]), int(match[2])) if match else None


def format_infotext(info: Infotext) -> str:
    """`info` as text that A1111, ComfyUI and Civitai read.

    The negative prompt's line is always written, and settings in A1111's order: its own first,
    others as given, then version and user. Blanks around a prompt are lost, and a line of a prompt
    that starts with `Negative prompt:` gets a space before its colon, since no reader could tell
    it from ours.

    Raises ValueError for a setting whose name readers would not find, and for fewer than three
    settings, which readers take for the end of the prompt.
    """
    if len(info.fields) < FEWEST_FIELDS:
        raise ValueError(
            f"infotext: expected at least {FEWEST_FIELDS} settings, since readers take a shorter "
            f"last line for prompt text; got {len(info.fields)}; add Steps, Seed or Size"
        )
    for key in info.fields:
        if not _KEY.fullmatch(key):
            raise ValueError(
                "infotext: expected a setting's name of two or more letters, digits, spaces, "
                f"'_', '-' or '/'; got {key!r}; rename it"
            )
    negative = _plain(info.negative_prompt)
    lines = [_plain(info.prompt), f"{_NEGATIVE} {negative}".rstrip()]
    settings = ((key, info.fields[key]) for key in _ordered(info.fields))
    lines.append(", ".join(_setting(key, value) for key, value in settings))
    return "\n".join(lines)


def parse_infotext(text: str) -> Infotext:
    """Read infotext, from any tool that writes it; what cannot be read stays prompt text.

    Settings are on the last line; lines that a tool put below it, such as `Template: a {b|c}`,
    become settings too.
    """
    lines = _newlines(text).strip().split("\n")
    fields: dict[str, str] = {}
    at = _settings_line(lines)
    if at is not None:
        fields = _fields(lines[at]) | (_extras(lines[at + 1 :]) or {})
        del lines[at:]
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in lines:
        if line.strip().startswith(_NEGATIVE):
            part = negative
            line = line.lstrip().removeprefix(_NEGATIVE).lstrip()
        part.append(line)
    return Infotext("\n".join(prompt).strip(), "\n".join(negative).strip(), fields)


def format_hashes(hashes: Mapping[str, str]) -> str:
    """The value of `Lora hashes` or `TI hashes`: `name: hash, name: hash`.

    Commas and colons leave the names, and hashes are cut to twelve digits, as in A1111.
    """
    return ", ".join(
        f"{re.sub('[,:]', '', name)}: {value[:SHORT_ADDED_HASH]}" for name, value in hashes.items()
    )


def parse_hashes(value: str) -> dict[str, str]:
    """Hashes by name from the value of `Lora hashes` or `TI hashes`; other text is left out."""
    pairs = (part.rpartition(":") for part in value.split(","))
    return {name.strip(): digest.strip() for name, colon, digest in pairs if colon}


def _ordered(keys: Iterable[str]) -> list[str]:
    given = list(keys)
    middle = [key for key in given if key not in _FIRST and key not in _LAST]
    first = [key for key in _FIRST if key in given]
    return first + middle + [key for key in _LAST if key in given]


def _setting(key: str, value: str) -> str:
    return key if key == value else f"{key}: {_quote(value)}"


def _quote(value: str) -> str:
    # A1111 quotes for comma, colon and newline; the rest would not come back as it was.
    risky = any(mark in value for mark in ",:\n\r") or value.startswith('"')
    return json.dumps(value, ensure_ascii=False) if risky or value != value.strip() else value


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _settings_line(lines: list[str]) -> int | None:
    """Index of the line of settings: the last one, or A1111's with extras below it."""
    last = len(lines) - 1
    if _is_settings(lines[last]) and _STEPS.match(lines[last]):
        return last
    for index in reversed(range(last)):
        if _STEPS.match(lines[index]) and _is_settings(lines[index]):
            extras = _extras(lines[index + 1 :])
            # Weights on the last line of a template look like settings.
            if extras and (set(_TEMPLATES) & set(extras) or not _is_settings(lines[last])):
                return index
            break
    return last if _is_settings(lines[last]) else None


def _is_settings(line: str) -> bool:
    return len(_FIELD.findall(line)) >= FEWEST_FIELDS


def _extras(lines: list[str]) -> dict[str, str] | None:
    """What stands below the settings, by name; None where it is something else."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        match = _EXTRA.fullmatch(line)
        if match and match[1] == _NEGATIVE[:-1]:
            return None
        if match and (name not in _TEMPLATES or match[1] in _TEMPLATES):
            name, line = match[1], match[2]
            found[name] = []
        elif not name:
            return None
        found[name].append(line)
    return {name: "\n".join(value).strip() for name, value in found.items()}


def _fields(line: str) -> dict[str, str]:
    """Settings of a line, those written as a key alone too, which A1111 itself skips."""
    fields: dict[str, str] = {}
    end = 0
    while match := _FIELD.search(line, end):
        _add_lone_keys(fields, line[end : match.start()])
        key, value, end = match[1].strip(), _unquote(match[2].strip()), match.end()
        if key in _IN_JSON - fields.keys() and (whole := _json(line, match.start(2))):
            value, end = whole
        fields[key] = value
    _add_lone_keys(fields, line[end:])
    return fields


def _json(line: str, start: int) -> tuple[str, int] | None:
    """The JSON that begins at `start`, as it is written, and where the next setting does."""
    try:
        _, end = json.JSONDecoder().raw_decode(line, start)
    except (ValueError, RecursionError):
        return None
    rest = _NEXT_FIELD.match(line, end)
    return (line[start:end], rest.end()) if rest and line[start] in "{[" else None


def _add_lone_keys(fields: dict[str, str], text: str) -> None:
    for part in text.split(","):
        if match := _LONE_KEY.fullmatch(part):
            fields.setdefault(match[1], match[1])


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _plain(prompt: str) -> str:
    """A prompt that cannot be taken for the line after it."""
    text = _newlines(prompt).strip()
    return re.sub(rf"(?m)^(\s*){_NEGATIVE[:-1]}:", rf"\1{_NEGATIVE[:-1]} :", text)
