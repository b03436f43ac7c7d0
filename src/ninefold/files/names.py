"""File names from a template, safe on Linux, macOS and Windows whatever the prompt says."""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass, fields

MAX_BYTES = 200
_MAX_SLUG = 60
_FORBIDDEN = frozenset('<>:"/\\|?*')
_SEPARATORS = "/\\"
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])")
_NUMBER_SPEC = re.compile(r"0?[0-9]{0,2}d?")


@dataclass(frozen=True)
class NameFields:
    """What a template may name: `{seed}`, or `{index:03}` for a number with leading zeros.

    `date` is text such as 2025-11-23; `width` and `height` are in pixels; `prompt` becomes a slug
    of at most 60 characters.
    """

    job_id: str
    seed: int
    model: str
    index: int
    date: str
    width: int
    height: int
    prompt: str


def check_template(template: str) -> None:
    """Raise ValueError where `template` names no field that is known, or a folder."""
    _parts(template)


def render_name(template: str, values: NameFields, suffix: str) -> str:
    """One file name of at most 200 bytes in UTF-8, Unicode NFC, that ends in `suffix`.

    It never holds a separator, a control character or a character that Windows forbids, never
    starts with a dot, blank or hyphen, and is never a name that Windows keeps for devices.

    Raises ValueError for a template with an unknown field or a folder, and for a suffix that is no
    dot with one to eight small letters or digits.
    """
    if not re.fullmatch(r"\.[a-z0-9]{1,8}", suffix):
        raise ValueError(f"file suffix: expected one such as '.png', got {suffix!r}; change it")
    pieces: list[str] = []
    for literal, name, spec in _parts(template):
        pieces.append(literal)
        if name:
            value = getattr(values, name)
            pieces.append(slug(value) if name == "prompt" else format(value, spec))
    return _safe("".join(pieces), MAX_BYTES - len(suffix)) + suffix


def slug(text: str, length: int = _MAX_SLUG) -> str:
    """`text` as small letters and digits of any script joined by hyphens, `length` at most."""
    letters = unicodedata.normalize("NFC", text).lower()
    kept = (mark if unicodedata.category(mark)[0] in "LMN" else "-" for mark in letters)
    return re.sub("-+", "-", "".join(kept)).strip("-")[:length].rstrip("-")


def _parts(template: str) -> list[tuple[str, str, str]]:
    """Literal text, the field after it (or nothing) and that field's format, in order."""
    if any(mark in template for mark in _SEPARATORS):
        raise ValueError(
            f"file name template: expected one file name, got a folder in {template!r}; "
            "name the folder with the output folder's setting"
        )
    known = {field.name: field.type for field in fields(NameFields)}
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(
            f"file name template: expected fields in braces, got {template!r} ({error}); "
            "write a brace itself twice"
        ) from error
    parts: list[tuple[str, str, str]] = []
    for literal, name, spec, conversion in parsed:
        number = name is not None and known.get(name) == "int"
        wrong_format = bool(spec) and not (number and _NUMBER_SPEC.fullmatch(spec or ""))
        if name is not None and (name not in known or wrong_format or conversion):
            shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise ValueError(
                f"file name template: expected fields from {', '.join(sorted(known))}, got "
                f"{{{shown}}}; numbers may have a width, such as {{index:03}}"
            )
        parts.append((literal, name or "", spec or ""))
    return parts


def _safe(text: str, length: int) -> str:
    composed = unicodedata.normalize("NFC", text)
    stem = "".join("_" if _unsafe(letter) else letter for letter in composed).lstrip(" .-")
    if _RESERVED.fullmatch(stem.split(".")[0].strip()):
        stem = f"_{stem}"
    return stem.encode()[:length].decode("utf-8", "ignore").rstrip(" .") or "image"


def _unsafe(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return letter in _FORBIDDEN or kind[0] == "C" or (kind[0] == "Z" and letter != " ")
