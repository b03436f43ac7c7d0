"""AUTOMATIC1111's infotext: the text that most image tools read a picture's settings from.

Source: `modules/infotext_utils.py` and `modules/processing.py` of stable-diffusion-webui.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_NEGATIVE = "Negative prompt:"
_FIELD = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
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
    """Read infotext, from any tool that writes it; what cannot be read stays prompt text."""
    lines = _newlines(text).strip().split("\n")
    fields: dict[str, str] = {}
    if len(_FIELD.findall(lines[-1])) >= FEWEST_FIELDS:
        fields = _fields(lines.pop())
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in lines:
        if line.strip().startswith(_NEGATIVE):
            part = negative
            line = line.strip().removeprefix(_NEGATIVE).strip()
        part.append(line)
    return Infotext("\n".join(prompt).strip(), "\n".join(negative).strip(), fields)


def format_hashes(hashes: Mapping[str, str]) -> str:
    """The value of `Lora hashes` or `TI hashes`: `name: hash, name: hash`.

    Commas and colons leave the names, as they do in A1111.
    """
    return ", ".join(f"{re.sub('[,:]', '', name)}: {value}" for name, value in hashes.items())


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


def _fields(line: str) -> dict[str, str]:
    """Settings of the last line, those written as a key alone too, which A1111 itself skips."""
    fields: dict[str, str] = {}
    end = 0
    for match in _FIELD.finditer(line):
        _add_lone_keys(fields, line[end : match.start()])
        fields[match[1].strip()] = _unquote(match[2].strip())
        end = match.end()
    _add_lone_keys(fields, line[end:])
    return fields


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
